"""Several endpoints of one chain: one answers for another that fails, and none is believed alone where it matters.

- Questions about the newest state go to the first endpoint in good standing, to the next when it fails.
- Receipts, blocks and nonce counts of a numbered block are asked of all, and compared. An endpoint that has not the
  block yet contradicts nobody; it is behind.
- Where more than half of all that the settings name, and as many as have to agree, say the same, whoever contradicts
  them is outvoted: named, with what it said, and not believed until it says what they say. Meanwhile more than half
  have to agree on everything that is compared.
- Where there is no such majority, as with two endpoints, everything is held while they contradict each other
  (:class:`~tallystick.ledger.errors.EndpointsDisagree`): who of them lies is a person's to find out.
- The head is one that more than half of those that answer have reached, so that neither one that lags nor one that
  invents blocks moves it alone.
- Transactions go to all.
- Whoever serves another chain, or the same one with another first block, is named and not asked again until it serves
  the pinned one.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from tallystick.core.errors import Invalid

from . import claims
from .claims import Claim
from .endpoint import Endpoint, EndpointStatus
from .errors import ChainUnavailable, EndpointsDisagree, LedgerError, Reverted, RpcRefused, WrongChain

logger = logging.getLogger(__name__)
MAX_ENDPOINTS = 8
MAX_DISPUTES = 8  # questions that are asked again until they are settled; any one of them holds everything
SECOND_LOOK_S = 0.3  # a block on its way from one endpoint to the next is no contradiction

Question = tuple[str, tuple[Any, ...]]


class Endpoints:
    """See the module."""

    def __init__(
        self, urls: Sequence[str], chain_id: int, *, genesis_hash: str | None, quorum: int, timeout_s: float
    ) -> None:
        if not 1 <= len(urls) <= MAX_ENDPOINTS or len(set(urls)) != len(urls):
            raise Invalid(f"a chain has 1 to {MAX_ENDPOINTS} different endpoints", code="bad_settings")
        if not 1 <= quorum <= len(urls):
            raise Invalid("not more endpoints than there are can be asked to agree", code="bad_settings")
        self._all = [Endpoint(url, chain_id, timeout_s=timeout_s) for url in urls]
        self._genesis = genesis_hash.lower() if genesis_hash else None
        self._quorum = quorum
        self._disputes: dict[Question, EndpointsDisagree] = {}
        self._outvoted: dict[Endpoint, tuple[Question, str]] = {}  # about what, and what it said

    def status(self) -> list[EndpointStatus]:
        """How each does."""
        return [one.status() for one in self._all]

    async def close(self) -> None:
        """End their connections."""
        for one in self._all:
            await one.close()

    async def genesis(self) -> str:
        """The hash of the first block."""
        if self._genesis is None:
            await self.check()
        if self._genesis is None:
            raise ChainUnavailable("no endpoint of the chain answers")
        return self._genesis

    async def check(self) -> None:
        """Look at each anew that is not passed over; raise when none is left, or while everything is held."""
        await self._verify([one for one in self._all if one in self._due()])
        self._usable()
        for one in list(self._outvoted):
            await self._reconsidered(one)
        for method, parameters in list(self._disputes):
            await self._compared(method, parameters)

    async def ask(self, method: str, *parameters: Any) -> Any:
        """One request's result."""
        if len(self._all) == 1:
            return await self._all[0].ask(method, *parameters)
        await self._verify([one for one in self._due() if not one.verified and not one.refused])
        if method == "eth_sendRawTransaction":
            return await self._send(method, *parameters)
        if method == "eth_blockNumber":
            return hex(await self._head())
        if claims.compared(method, parameters):
            return await self._compared(method, parameters)
        return await self._first(method, *parameters)

    def _due(self) -> list[Endpoint]:
        """Those that may be asked now; when all are passed over, the one that is next."""
        now = time.monotonic()
        due = [one for one in self._all if one.ready_at <= now]
        return due or [min(self._all, key=lambda one: one.ready_at)]

    def _usable(self) -> list[Endpoint]:
        """Those of the pinned chain that may be asked, best first."""
        usable = [one for one in self._due() if one.verified and one not in self._outvoted]
        if not usable:
            refused = [one.status() for one in self._all if one.refused]
            if refused:
                code = "chain_reset" if any(one.state == "reset" for one in refused) else None
                raise WrongChain("; ".join(str(one.trouble) for one in refused), code=code)
            raise ChainUnavailable("; ".join(str(one.status().trouble or one.label) for one in self._all))
        return sorted(usable, key=lambda one: one.state in {"behind", "disagree"})

    async def _verify(self, which: Sequence[Endpoint]) -> None:
        """Whoever comes first, in the order of the settings, says which chain it is where nothing is pinned."""
        rest = list(which)
        while self._genesis is None and rest:
            found = await _outcome(rest.pop(0).verify(None))
            self._genesis = found if isinstance(found, str) else None
        await asyncio.gather(*(_outcome(one.verify(self._genesis)) for one in rest))

    async def _first(self, method: str, *parameters: Any) -> Any:
        """The first answer; a refusal, which the next one may not give, only when nobody answers."""
        refusal: LedgerError | None = None
        for one in self._usable():
            try:
                return await one.ask(method, *parameters)
            except (RpcRefused, ChainUnavailable) as error:
                refusal = error if isinstance(error, RpcRefused) else refusal or error
        raise refusal or ChainUnavailable("no endpoint of the chain answers")

    async def _send(self, method: str, *parameters: Any) -> Any:
        """To all, for it does no harm; what one took is out, whatever the others say."""
        outvoted = [one for one in self._due() if one.verified and one in self._outvoted]
        answers = await self._from_all(lambda one: one.ask(method, *parameters), *outvoted)
        taken = [result for _, result in answers if not isinstance(result, LedgerError)]
        if taken:
            return taken[0]
        errors = [error for _, error in answers if isinstance(error, LedgerError)]
        refusals = [error for error in errors if isinstance(error, RpcRefused | Reverted)]
        raise (refusals or errors)[0]

    async def _head(self) -> int:
        """The highest number that more than half of those that answer have reached."""
        answers = await self._from_all(lambda one: one.newest())
        heads = sorted((head for _, head in answers if isinstance(head, int)), reverse=True)
        needed = max(self._needed, len(heads) // 2 + 1)
        if len(heads) < needed:
            raise ChainUnavailable(f"{len(heads)} of the chain's endpoints answer; {needed} have to agree")
        agreed = heads[needed - 1]
        newest = agreed if len(heads) > 2 else heads[0]  # one that invents blocks puts nobody behind
        for one, head in answers:
            if isinstance(head, int) and one.state in {"good", "behind"}:
                lag = newest - head
                one.becomes("behind" if lag > 1 else "good", f"{lag} blocks behind" if lag > 1 else None)
        return agreed

    @property
    def _majority(self) -> int:
        return len(self._all) // 2 + 1

    @property
    def _needed(self) -> int:
        """How many have to agree: once one is outvoted, the rest may not shrink to fewer than outvoted it."""
        return max(self._quorum, self._majority) if self._outvoted else self._quorum

    async def _compared(self, method: str, parameters: tuple[Any, ...]) -> Any:
        """The answer on which all agree who have one and are not outvoted."""
        question = (method, parameters)
        sides, answered = await self._sides(question)
        if len(sides) > 1 and question not in self._disputes:
            await asyncio.sleep(SECOND_LOOK_S)
            sides, answered = await self._sides(question)
        most, odd = sides[0], claims.alone(sides)
        if odd and len(most) < max(self._quorum, self._majority):
            return self._dispute(question, odd)
        for one in odd:
            self._outvote(question, one, most[0])
        self._settle(question)
        if len(most) < self._needed:
            # One that does not know the block yet may learn of it; until then it is not there.
            if answered >= self._needed:
                return None
            raise ChainUnavailable(f"{len(most)} of the chain's endpoints agree on {method}; {self._needed} have to")
        return most[0].result

    async def _sides(self, question: Question, *more: Endpoint) -> tuple[list[list[Claim]], int]:
        """Those that say the same, the most first, and how many answered."""
        found = await self._claims(*question, *more)
        heights = [one.height for one in found if one.facts is not None and one.height is not None]
        silent = [one.endpoint for one in found if one.facts is None] if heights else []
        heads = [await _outcome(one.newest()) for one in silent]
        known = zip(silent, heads, strict=True)
        beyond = {one for one, head in known if isinstance(head, int) and head >= max(heights)}
        return claims.sides(found, beyond), len(found)

    async def _claims(self, method: str, parameters: tuple[Any, ...], *more: Endpoint) -> list[Claim]:
        answers = await self._from_all(lambda one: self._claim(one, method, parameters), *more)
        found = [one for _, one in answers if isinstance(one, Claim)]
        if not found:
            raise next(error for _, error in answers if isinstance(error, LedgerError))
        return found

    async def _claim(self, one: Endpoint, method: str, parameters: tuple[Any, ...]) -> Claim:
        return claims.claim(one, method, parameters, await one.ask(method, *parameters))

    def _outvote(self, question: Question, odd: Claim, most: Claim) -> None:
        said = f"contradicts most others {claims.contrast(*question, odd, most)}"
        logger.warning("%s %s; going on without it", odd.endpoint.label, said)
        odd.endpoint.becomes("disagree", said)
        self._outvoted[odd.endpoint] = (question, said)

    async def _reconsidered(self, one: Endpoint) -> None:
        """It counts again once it says what most say about what it was outvoted for."""
        question, said = self._outvoted[one]
        if not one.verified or one not in self._due():
            return
        try:
            (most, *_), _ = await self._sides(question, one)
        except LedgerError:
            return
        if len(most) >= max(self._quorum, self._majority) and any(claim.endpoint is one for claim in most):
            del self._outvoted[one]
            one.becomes("good")
        elif one.state == "good":  # it was away meanwhile
            one.becomes("disagree", said)

    def _dispute(self, question: Question, odd: list[Claim]) -> None:
        error = EndpointsDisagree(question[0], tuple(one.endpoint.label for one in odd))
        if question in self._disputes or len(self._disputes) < MAX_DISPUTES:
            self._disputes[question] = error
        for one in odd:
            one.endpoint.becomes("disagree", error.detail)
        raise error

    def _settle(self, question: Question) -> None:
        if self._disputes.pop(question, None) is not None and not self._disputes:
            for one in self._all:
                if one.state == "disagree" and one not in self._outvoted:
                    one.becomes("good")

    async def _from_all(
        self, work: Callable[[Endpoint], Awaitable[Any]], *more: Endpoint
    ) -> list[tuple[Endpoint, Any]]:
        """Each one's answer, or its error; ``more`` are asked beside those that are usable."""
        usable = [*self._usable(), *more]
        answers = await asyncio.gather(*(_outcome(work(one)) for one in usable))
        return list(zip(usable, answers, strict=True))


async def _outcome(work: Awaitable[Any]) -> Any:
    try:
        return await work
    except LedgerError as error:
        return error
