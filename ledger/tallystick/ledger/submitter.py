"""Gets calls onto the chain, each once, whatever is killed in between.

What the chain says decides, never what was sent: a nonce that the chain has not used cannot hold a mined transaction,
so a reorganisation or a chain that came back from an older state shows at once, and the kept bytes go out again in the
order of their nonces. What was mined stays compared with the chain, failures too: their nonces count.
"""

import logging
from collections.abc import Callable, Iterable, Sequence

import msgspec

from . import fees
from .accounts import Account
from .book import UNMINED_FACTS, Book, failure, given_up
from .budget import Purse
from .chain import Chain
from .errors import ChainUnavailable
from .patience import Patience, ticks
from .ports import Submission, SubmissionStore
from .sending import Lane, Sender
from .signing import LocalSigner, Signer
from .view import Inclusion, View

logger = logging.getLogger(__name__)

WATCHED = 64  # settled submissions that are still compared with the chain
RETRY_MS = 2_000  # before a failed submission is tried again; doubles with every failure
MAX_RETRY_MS = 600_000
LAG_MS = 10_000  # how long an endpoint may be behind what it knew before it is believed


class Submitter:
    """The transactions of some accounts. ``step`` takes one round; only one round may run at a time.

    The first account is the one that others stand in for; a submission that names none goes to whichever is free.
    ``clock`` (milliseconds) dates what is kept; how long something waits is counted in ``ticks``, which nobody turns.
    """

    def __init__(
        self,
        chain: Chain,
        account: Account | Signer,
        store: SubmissionStore,
        *,
        clock: Callable[[], int],
        relayers: Iterable[Account | Signer] = (),
        confirmations: int = 1,
        gas_limit: int = 3_000_000,
        fee_ceiling: int = fees.CEILING,
        bump_after_ms: int = 30_000,
        lag_ms: int = LAG_MS,
        ticks: Callable[[], int] = ticks,
        purse: Purse | None = None,
    ) -> None:
        self._chain = chain
        self._clock = clock
        self._book = Book(store, clock)
        self._patience = Patience(clock, ticks)
        self._confirmations = confirmations
        self._lag_ms = lag_ms
        signers = (LocalSigner(one) if isinstance(one, Account) else one for one in (account, *relayers))
        self._lanes = {one.address: Lane(one) for one in signers}
        limits = {"gas_limit": gas_limit, "fee_ceiling": fee_ceiling, "bump_after_ms": bump_after_ms}
        self._sender = Sender(chain, self._book, self._patience, **limits, purse=purse)

    @property
    def relayers(self) -> Sequence[str]:
        """The accounts that pay, spelt with EIP-55's checksum."""
        return list(self._lanes)

    async def submit(self, submission: Submission) -> Submission:
        """Queue it once: a second call of the same ``key`` returns the first. A failed one is queued anew, in time."""
        known = await self._book.store.get(submission.key)
        if known is None:
            await self._book.store.save(submission)
            return submission
        if known.state != "failed" or not self._retried(known):
            return known
        # What it calls may have changed since; what it cost until now has not.
        fresh = {name: getattr(submission, name) for name in ("to", "data", "by", "log_epoch", "log_size", "log_root")}
        left = given_up(known, known.error or "it failed")
        return await self._book.save(msgspec.structs.replace(known, **left, **fresh), state="queued")

    def _retried(self, known: Submission) -> bool:
        pause = min(RETRY_MS << min(known.failures, 20), MAX_RETRY_MS)
        return self._patience.waited(failure(known), known.since) >= pause

    async def step(self) -> None:
        """Look at the chain, then send, send again, bump and confirm as it demands."""
        view = View(self._chain, await self._chain.block_number())
        await self._reopen(view)
        live = await self._book.store.unsettled()
        placed: dict[str, list[Submission]] = {address: [] for address in self._lanes}
        for one in live:
            if one.nonce is not None:
                placed.setdefault(one.relayer or next(iter(self._lanes)), []).append(one)
        waiting = [one for one in live if one.nonce is None]
        for address, ones in placed.items():
            if ones or waiting:
                await self._relayed(view, address, ones)
        for one in waiting:
            await self._begin(view, one)

    async def _reopen(self, view: View) -> None:
        """Take back what was called settled and is not on the chain (any more).

        Blocks refer to their parents, so when the newest of ours still stands, the older ones do.
        """
        for one in await self._book.store.settled(WATCHED):
            if await self._stands(view, one):
                return
            await self._lost(one)

    async def _stands(self, view: View, one: Submission) -> bool:
        """Whether its block is on the chain; ChainUnavailable while the endpoint may only be behind."""
        stands = await view.stands(one)
        if stands is None and self._patience.waited("behind") < self._lag_ms:
            raise ChainUnavailable(
                f"the chain's endpoint is at block {view.head}, behind block {one.block_number} that it knew before"
            )
        if stands:
            self._patience.over("behind")
        return bool(stands)

    async def _lost(self, one: Submission) -> Submission:
        logger.warning("%s left the chain; sending it again", one.key)
        reason = "the chain was reorganised"
        if not one.attempts:
            return await self._book.anew(await self._book.save(one, state="reorged"), reason)
        return await self._book.save(one, state="reorged", **UNMINED_FACTS, error=reason)

    async def _relayed(self, view: View, address: str, ones: list[Submission]) -> None:
        """One account's submissions that have a nonce, lowest first."""
        lane = self._lanes.get(address)
        used = await view.used(address)
        gone: list[Submission] = []
        for one in ones:
            if one.block_number is None:
                gone.append(one)
            elif await self._stands(view, one):
                await self._deepened(view, one)
                used = max(used, (one.nonce or 0) + 1)
            else:
                gone.append(await self._lost(one))
        taken = {one.nonce for one in gone if one.nonce is not None and one.nonce >= used}
        if lane is not None:
            lane.used, lane.taken = used, taken
        for one in gone:
            if one.nonce is not None and one.nonce < used:
                await self._settle(view, one)
            elif one.nonce is not None:
                await self._unused(one, lane, gap=not taken.issuperset(range(used, one.nonce)))

    async def _unused(self, one: Submission, lane: Lane | None, *, gap: bool) -> None:
        """Its nonce is not used (any more). One behind a gap waits for another to fill it, and then moves up itself.

        A gap is left by what failed before the chain lost it, or by another program that signs with our key.
        """
        waits = f"{one.key} behind a gap at {one.nonce}"
        if not gap:
            self._patience.over(waits)
        elif self._patience.waited(waits) >= self._lag_ms:
            if lane is not None:
                lane.taken.discard(one.nonce or 0)
            await self._book.anew(one, "a nonce before its own became free")
            return
        await self._again(one, lane)

    async def _again(self, one: Submission, lane: Lane | None) -> None:
        if not one.attempts:
            await self._book.anew(one, "its transaction is not kept")
        elif lane is None:
            await self._sender.unowned(one)
        else:
            others = any(each.refused is None for each in self._lanes.values() if each is not lane)
            await self._sender.again(one, lane, others=others)

    async def _settle(self, view: View, one: Submission) -> None:
        """Its nonce is used on the chain: by one of its own transactions, or by another."""
        found = await view.inclusion(one)
        waits = f"{one.key} without a receipt for {one.nonce}"
        if found is not None:
            self._patience.over(waits)
            await self._included(view, one, found)
        elif self._patience.waited(waits) >= self._lag_ms:
            # Another program signs with our key, or the chain has another history than the one that we knew.
            await self._book.anew(one, "its nonce was taken")

    async def _begin(self, view: View, one: Submission) -> None:
        """It has no nonce: find an account for it. What was signed for it before may have been mined all the same."""
        found = await view.inclusion(one) if one.tried else None
        if found is not None:
            await self._included(view, one, found)
        else:
            await self._sender.first(one, self._choice(one))

    def _choice(self, one: Submission) -> list[Lane]:
        """The accounts to try: those that nothing was said against first, then those with the least under way."""
        if one.by is not None:
            return [lane for address, lane in self._lanes.items() if address.lower() == one.by.lower()]
        return sorted(self._lanes.values(), key=lambda lane: (lane.refused is not None, len(lane.taken), lane.used))

    async def _included(self, view: View, one: Submission, found: Inclusion) -> None:
        facts = found.facts
        for old in one.tried:
            if old.transaction_hash == found.transaction_hash:
                facts |= {"relayer": old.relayer, "nonce": old.nonce, "attempts": ()}
        if found.succeeded:
            state = "confirmed" if self._deep(view, found.block_number) else "mined"
            await self._book.save(one, state=state, **facts, error=None)
        else:
            failures = one.failures + 1
            reason = "the contract refused it when mined"
            failed = await self._book.save(one, state="failed", **facts, failures=failures, error=reason)
            self._patience.begin(failure(failed))

    async def _deepened(self, view: View, one: Submission) -> None:
        if one.block_number is not None and self._deep(view, one.block_number):
            await self._book.save(one, state="confirmed", error=None)

    def _deep(self, view: View, block_number: int) -> bool:
        return view.head - block_number + 1 >= self._confirmations
