"""Signing a submission for a free nonce of a relayer account, offering more for it, and sending its bytes.

Signed bytes are durable before they are sent, so that after a crash the same bytes, with the same nonce, are sent
again: the chain takes one transaction a nonce.
"""

import logging
from collections.abc import Sequence
from typing import Any

from . import fees
from .book import Book, failure
from .budget import Purse
from .chain import Chain
from .contracts import describe
from .errors import BadSignature, FeeTooHigh, Reverted, RpcRefused, SignerUnavailable
from .patience import Patience
from .ports import Attempt, Submission
from .signing import Signer
from .spending import reserved
from .transactions import unsigned

logger = logging.getLogger(__name__)

# What clients say to bytes that they hold or have mined already.
_KNOWN = ("already known", "already imported", "known transaction", "nonce too low", "alreadyexists")


class Lane:
    """One relayer account: ``used`` nonces the chain has, ``taken`` are those of ours that it has not.

    ``refused`` is what the endpoint said last against it: such an account is chosen last.
    """

    def __init__(self, signer: Signer) -> None:
        self.signer = signer
        self.address = signer.address
        self.used = 0
        self.taken: set[int] = set()
        self.refused: str | None = None

    @property
    def free(self) -> int:
        """The lowest nonce that nobody has; what waits behind a gap goes on once it is filled."""
        free = self.used
        while free in self.taken:
            free += 1
        return free


class Sender:
    """See the module; ``bump_after_ms`` is how long an offer stands before more is offered."""

    def __init__(
        self,
        chain: Chain,
        book: Book,
        patience: Patience,
        *,
        gas_limit: int,
        fee_ceiling: int,
        bump_after_ms: int,
        purse: Purse | None = None,
    ) -> None:
        self._purse = purse
        self._chain = chain
        self._book = book
        self._patience = patience
        self._gas_limit = gas_limit
        self._fee_ceiling = fee_ceiling
        self._bump_after_ms = bump_after_ms

    async def first(self, one: Submission, lanes: Sequence[Lane]) -> None:
        """Sign and send it from the first of the accounts that can; held, with the reason, while none can."""
        reasons = []
        for lane in lanes:
            try:
                reason = await self._first(one, lane)
            except Reverted as error:
                refusal = f"the contract would refuse it: {describe(error)}"
                failed = await self._book.save(one, state="failed", failures=one.failures + 1, error=refusal)
                self._patience.begin(failure(failed))
                return
            if reason is None:
                return
            reasons.append(reason)
        await self._book.save(one, state="held", error=reasons[0] if reasons else f"no key of {one.by} is at hand")

    async def again(self, one: Submission, lane: Lane, *, others: bool) -> None:
        """Send its bytes again, better paid when they are out for too long.

        What the account cannot send (it is out of funds, mostly) goes to one of the ``others`` then, where it may.
        """
        late = self._late(one)
        if late and lane.refused and others and one.by is None:
            await self._book.anew(one, lane.refused)
            return
        await self._broadcast(await self._bumped(one, one.nonce or 0, lane) if late else one, lane)

    async def unowned(self, one: Submission) -> None:
        """Send bytes again of an account whose key is not at hand any more."""
        await self._broadcast(one, None)

    async def _first(self, one: Submission, lane: Lane) -> str | None:
        """None when it is signed, else why this account cannot."""
        call = {"from": lane.address, "to": one.to, "data": "0x" + one.data.hex()}
        try:
            gas = await self._chain.number("eth_estimateGas", call)
            if gas > self._gas_limit:
                # One with less would run out of gas, and be paid for.
                return f"it needs {gas} gas; the settings allow {self._gas_limit}"
            gas = min(gas + gas // 4, self._gas_limit)
            fee = await fees.current(self._chain, self._fee_ceiling)
            balance, most = await self._chain.balance(lane.address), gas * fee.max_fee
            if balance < most:
                return f"insufficient funds: {lane.address} holds {balance} wei, the transaction may take {most}"
            refusal = await self._purse.refusal(most) if self._purse else None
            if refusal:
                return refusal
            nonce = lane.free
            signed = await self._signed(one, lane, nonce, gas, fee)
        except (RpcRefused, FeeTooHigh, SignerUnavailable, BadSignature) as error:
            return error.detail
        lane.taken.add(nonce)
        await self._broadcast(signed, lane)
        return None

    def _late(self, one: Submission) -> bool:
        last = one.attempts[-1]
        return self._patience.waited(last.transaction_hash, last.at) >= self._bump_after_ms

    async def _bumped(self, one: Submission, nonce: int, lane: Lane) -> Submission:
        """The submission with a better-paid transaction for its nonce."""
        last = one.attempts[-1]
        try:
            now = await fees.current(self._chain, self._fee_ceiling)
            fee = fees.bumped(fees.Fee(last.max_fee, last.priority_fee), now, self._fee_ceiling)
            if fee is None:
                return await self._book.save(one, error="it waits for too long, and the settings allow no higher fee")
            more = last.gas * fee.max_fee - reserved(one)
            refusal = await self._purse.refusal(more) if self._purse else None
            if refusal:
                return await self._book.save(one, error=refusal)
            logger.info("%s waits for too long; offering more", one.key)
            return await self._signed(one, lane, nonce, last.gas, fee)
        except (FeeTooHigh, SignerUnavailable, BadSignature) as error:
            return await self._book.save(one, error=error.detail)

    async def _signed(self, one: Submission, lane: Lane, nonce: int, gas: int, fee: fees.Fee) -> Submission:
        raw, name = await lane.signer.sign_transaction(
            unsigned(self._chain.chain_id, nonce, gas, fee, to=one.to, data=one.data)
        )
        attempt = Attempt(
            raw=raw,
            transaction_hash=name,
            gas=gas,
            max_fee=fee.max_fee,
            priority_fee=fee.priority_fee,
            at=self._book.clock(),
        )
        placed: dict[str, Any] = {"relayer": lane.address, "nonce": nonce, "attempts": (*one.attempts, attempt)}
        self._patience.begin(name)
        # One that left the chain shows so until it is mined again.
        state = "reorged" if one.state == "reorged" else "sent"
        return await self._book.save(one, state=state, **placed, transaction_hash=name, error=None)

    async def _broadcast(self, one: Submission, lane: Lane | None) -> None:
        """Send the newest bytes; the chain may well have them already."""
        refused = None
        try:
            await self._chain.ask("eth_sendRawTransaction", "0x" + one.attempts[-1].raw.hex())
        except (RpcRefused, Reverted) as error:
            if not any(words in error.detail.lower() for words in _KNOWN):
                refused = error.detail
                await self._book.save(one, error=refused)
        if lane is not None:
            lane.refused = refused
