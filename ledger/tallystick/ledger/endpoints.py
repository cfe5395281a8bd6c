"""Several endpoints of one chain: one answers for another that fails, and none is believed alone where it matters.

- Questions about the newest state go to the first endpoint in good standing, to the next when it fails.
- Receipts, blocks and nonce counts of a numbered block are asked of all, and compared. While two contradict each other
  everything is held (:class:`~tallystick.ledger.errors.EndpointsDisagree`): who of them lies is a person's to find out.
  An endpoint that has not the block yet contradicts nobody; it is behind.
- The head is one that more than half of those that answer have reached, so that neither one that lags nor one that
  invents blocks moves it alone.
- Transactions go to all.
- Whoever serves another chain, or the same one with another first block, is named and not asked again until it serves
  the pinned one.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from tallystick.core.errors import Invalid

from . import claims
from .claims import Claim
from .endpoint import Endpoint, EndpointStatus
from .errors import ChainUnavailable, EndpointsDisagree, LedgerError, Reverted, RpcRefused, WrongChain

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
        """Look at each anew that is not passed over; raise when none is left, or while two contradict each other."""
        await self._verify([one for one in self._all if one in self._due()])
        self._usable()
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
        usable = [one for one in self._due() if one.verified]
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
        """To all; what one took is out, whatever the others say."""
        answers = await self._from_all(lambda one: one.ask(method, *parameters))
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
        needed = max(self._quorum, len(heads) // 2 + 1)
        if len(heads) < needed:
            raise ChainUnavailable(f"{len(heads)} of the chain's endpoints answer; {needed} have to agree")
        agreed = heads[needed - 1]
        for one, head in answers:
            if isinstance(head, int) and one.state in {"good", "behind"}:
                lag = heads[0] - head
                one.becomes("behind" if lag > 1 else "good", f"{lag} blocks behind" if lag > 1 else None)
        return agreed

    async def _compared(self, method: str, parameters: tuple[Any, ...]) -> Any:
        """The answer on which all agree who have one."""
        question = (method, parameters)
        found = await self._claims(method, parameters)
        odd = await self._contradicting(found)
        if odd and question not in self._disputes:
            await asyncio.sleep(SECOND_LOOK_S)
            found = await self._claims(method, parameters)
            odd = await self._contradicting(found)
        if odd:
            return self._dispute(question, odd)
        self._settle(question)
        best = next((one for one in found if one.facts is not None), found[0])
        agreeing = sum(one.facts == best.facts for one in found)
        if agreeing < self._quorum:
            # One that does not know the block yet may learn of it; until then it is not there.
            if len(found) >= self._quorum:
                return None
            raise ChainUnavailable(f"{agreeing} of the chain's endpoints agree on {method}; {self._quorum} have to")
        return best.result

    async def _claims(self, method: str, parameters: tuple[Any, ...]) -> list[Claim]:
        answers = await self._from_all(lambda one: self._claim(one, method, parameters))
        found = [one for _, one in answers if isinstance(one, Claim)]
        if not found:
            raise next(error for _, error in answers if isinstance(error, LedgerError))
        return found

    async def _claim(self, one: Endpoint, method: str, parameters: tuple[Any, ...]) -> Claim:
        return claims.claim(one, method, parameters, await one.ask(method, *parameters))

    async def _contradicting(self, found: list[Claim]) -> list[Claim]:
        """Whoever says otherwise than most; silence counts where the block that it would be in is there."""
        said = [one for one in found if one.facts is not None]
        heights = [one.height for one in said if one.height is not None]
        odd = claims.alone(said)
        if odd or not heights:
            return odd
        silent = []
        for one in found:
            if one.facts is None and isinstance(head := await _outcome(one.endpoint.newest()), int):
                silent += [one] if head >= max(heights) else []
        if not silent or len(silent) < len(said):
            return silent
        return said if len(silent) > len(said) else [*said, *silent]

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
                if one.state == "disagree":
                    one.becomes("good")

    async def _from_all(self, work: Callable[[Endpoint], Awaitable[Any]]) -> list[tuple[Endpoint, Any]]:
        """Each one's answer, or its error."""
        usable = self._usable()
        answers = await asyncio.gather(*(_outcome(work(one)) for one in usable))
        return list(zip(usable, answers, strict=True))


async def _outcome(work: Awaitable[Any]) -> Any:
    try:
        return await work
    except LedgerError as error:
        return error
