"""Gets calls onto the chain, each once, whatever is killed in between.

A submission's signed bytes are durable before they are sent, so that after a crash the same bytes, with the same nonce,
are sent again: the chain takes one transaction a nonce. What the chain says decides, never what was sent: a nonce that
the chain has not used cannot hold a mined transaction, so a reorganisation or a chain that came back from an older
state shows at once, and the kept bytes go out again in the order of their nonces.
"""

import logging
from collections.abc import Callable
from typing import Any

import msgspec

from . import fees
from .accounts import Account
from .chain import Chain
from .contracts import describe
from .errors import ChainUnavailable, FeeTooHigh, Reverted, RpcRefused
from .ports import Attempt, Submission, SubmissionStore

logger = logging.getLogger(__name__)

WATCHED = 64  # confirmed submissions that are still compared with the chain
RETRY_MS = 2_000  # before a failed submission is tried again; doubles with every failure
MAX_RETRY_MS = 600_000


class Submitter:
    """One account's transactions. ``step`` takes one round; only one round may run at a time."""

    def __init__(
        self,
        chain: Chain,
        account: Account,
        store: SubmissionStore,
        *,
        clock: Callable[[], int],
        confirmations: int = 1,
        gas_limit: int = 3_000_000,
        fee_ceiling: int = fees.CEILING,
        bump_after_ms: int = 30_000,
    ) -> None:
        self._chain = chain
        self._account = account
        self._store = store
        self._clock = clock
        self._confirmations = confirmations
        self._gas_limit = gas_limit
        self._fee_ceiling = fee_ceiling
        self._bump_after_ms = bump_after_ms

    async def submit(self, submission: Submission) -> Submission:
        """Queue it once: a second call of the same ``key`` returns the first. A failed one is queued anew, in time."""
        known = await self._store.get(submission.key)
        if known is None:
            await self._store.save(submission)
            return submission
        if known.state != "failed" or self._clock() < known.since + _pause(known.failures):
            return known
        again = msgspec.structs.replace(submission, failures=known.failures, error=known.error)
        await self._store.save(again)
        return again

    async def step(self) -> None:
        """Look at the chain, then send, send again, bump and confirm as it demands."""
        used = await self._chain.number("eth_getTransactionCount", self._account.address, "latest")
        head = await self._chain.block_number()
        await self._reopen(used)
        live, free = await self._store.unsettled(), used
        for one in live:
            if one.nonce is None:
                free += await self._send_first(one, free)
            elif one.nonce < used:
                await self._settle(one, head)
            elif one.nonce == free:
                await self._send_again(one)
                free += 1
            else:
                # Nothing of ours fills the nonces before it (that one failed, before the chain lost it): move up.
                await self._save(one, **_ANEW, error="a nonce before its own became free")

    async def _reopen(self, used: int) -> None:
        """Take back what was called mined or confirmed and is not on the chain (any more).

        Blocks refer to their parents, so when the newest of ours still stands, the older ones do.
        """
        for one in await self._store.settled(WATCHED):
            if one.nonce is not None and one.nonce < used and await self._stands(one):
                break
            logger.warning("%s left the chain; sending it again", one.key)
            await self._save(one, state="sent", **_UNMINED, error="the chain was reorganised")

    async def _stands(self, one: Submission) -> bool:
        receipt = await self._receipt(one)
        return receipt is not None and receipt["blockHash"] == one.block_hash

    async def _settle(self, one: Submission, head: int) -> None:
        """Its nonce is used on the chain: by one of its own transactions, or by another."""
        receipt = await self._receipt(one)
        if receipt is not None:
            await self._mined(one, receipt, head)
        else:
            # Another program signs with our key, or the chain has another history than the one that we knew.
            await self._save(one, **_ANEW, error="its nonce was taken")

    async def _send_again(self, one: Submission) -> None:
        """Its nonce is not used (any more)."""
        if one.state == "mined":
            one = await self._save(one, state="sent", **_UNMINED, error="the chain was reorganised")
        await self._broadcast(await self._bumped(one))

    async def _receipt(self, one: Submission) -> dict[str, Any] | None:
        for attempt in reversed(one.attempts):
            receipt = await self._chain.ask("eth_getTransactionReceipt", attempt.transaction_hash)
            if isinstance(receipt, dict) and receipt.get("blockHash"):
                return receipt
        return None

    async def _mined(self, one: Submission, receipt: dict[str, Any], head: int) -> None:
        try:
            number, gas = int(receipt["blockNumber"], 16), int(receipt["gasUsed"], 16)
            succeeded, block_hash = int(receipt["status"], 16) == 1, str(receipt["blockHash"])
        except (KeyError, TypeError, ValueError) as error:
            raise ChainUnavailable("the chain's endpoint gives a receipt that cannot be read") from error
        facts = {"block_number": number, "block_hash": block_hash, "gas_used": gas}
        facts["transaction_hash"] = str(receipt.get("transactionHash"))
        if not succeeded:
            failures = one.failures + 1
            await self._save(
                one, state="failed", **facts, failures=failures, error="the contract refused it when mined"
            )
            return
        confirmed = head - number + 1 >= self._confirmations
        await self._save(one, state="confirmed" if confirmed else "mined", **facts, error=None)

    async def _send_first(self, one: Submission, nonce: int) -> int:
        """Sign and send a queued submission; how many nonces it took."""
        call = {"from": self._account.address, "to": one.to, "data": "0x" + one.data.hex()}
        try:
            gas = await self._chain.number("eth_estimateGas", call)
        except Reverted as error:
            reason = f"the contract would refuse it: {describe(error)}"
            await self._save(one, state="failed", failures=one.failures + 1, error=reason)
            return 0
        except RpcRefused as error:
            await self._save(one, error=error.detail)  # out of funds, mostly: waits and says so
            return 0
        if gas > self._gas_limit:
            # One with less would run out of gas, and be paid for.
            await self._save(one, error=f"it needs {gas} gas; the settings allow {self._gas_limit}")
            return 0
        try:
            fee = await fees.current(self._chain, self._fee_ceiling)
        except FeeTooHigh as error:
            await self._save(one, error=error.detail)
            return 0
        gas = min(gas + gas // 4, self._gas_limit)
        await self._broadcast(await self._signed(one, nonce, gas, fee))
        return 1

    async def _bumped(self, one: Submission) -> Submission:
        """The submission with a better-paid transaction for its nonce, when the last is out for too long."""
        last = one.attempts[-1]
        if self._clock() < last.at + self._bump_after_ms or one.nonce is None:
            return one
        try:
            now = await fees.current(self._chain, self._fee_ceiling)
        except FeeTooHigh as error:
            return await self._save(one, error=error.detail)
        fee = fees.bumped(fees.Fee(last.max_fee, last.priority_fee), now, self._fee_ceiling)
        if fee is None:
            return await self._save(one, error="it waits for too long, and the settings allow no higher fee")
        logger.info("%s waits for too long; offering more", one.key)
        return await self._signed(one, one.nonce, last.gas, fee)

    async def _signed(self, one: Submission, nonce: int, gas: int, fee: fees.Fee) -> Submission:
        raw, name = self._account.sign_transaction(
            {
                "type": 2,
                "chainId": self._chain.chain_id,
                "nonce": nonce,
                "to": one.to,
                "value": 0,
                "data": one.data,
                "gas": gas,
                "maxFeePerGas": fee.max_fee,
                "maxPriorityFeePerGas": fee.priority_fee,
            }
        )
        attempt = Attempt(
            raw=raw,
            transaction_hash=name,
            gas=gas,
            max_fee=fee.max_fee,
            priority_fee=fee.priority_fee,
            at=self._clock(),
        )
        attempts = (*one.attempts, attempt)
        return await self._save(one, state="sent", nonce=nonce, attempts=attempts, transaction_hash=name, error=None)

    async def _broadcast(self, one: Submission) -> None:
        """Send the newest bytes; the chain may well have them already."""
        try:
            await self._chain.ask("eth_sendRawTransaction", "0x" + one.attempts[-1].raw.hex())
        except (RpcRefused, Reverted) as error:
            said = error.detail.lower()
            if not any(words in said for words in _KNOWN) and one.error != error.detail:
                await self._save(one, error=error.detail)

    async def _save(self, one: Submission, **changes: Any) -> Submission:
        """Keep the changes; ``since`` moves with the state only."""
        if changes.get("state", one.state) != one.state:
            changes["since"] = self._clock()
        changed = msgspec.structs.replace(one, **changes)
        if changed != one:
            await self._store.save(changed)
        return changed


_UNMINED: dict[str, Any] = {"block_number": None, "block_hash": None, "gas_used": None}
_ANEW: dict[str, Any] = {"state": "queued", "nonce": None, "attempts": (), "transaction_hash": None, **_UNMINED}
# What clients say to bytes that they hold or have mined already.
_KNOWN = ("already known", "already imported", "known transaction", "nonce too low", "alreadyexists")


def _pause(failures: int) -> int:
    return min(RETRY_MS << min(failures, 20), MAX_RETRY_MS)
