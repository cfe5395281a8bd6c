"""Anchors of the organisation's log: one transaction for all leaves that are due, and the proof of each leaf."""

from collections.abc import Callable

from . import cadence, proofs
from . import contracts as calls
from .cadence import Batching
from .chain import Chain
from .contracts import Contracts
from .errors import InvalidProof, NotAnchored
from .hashing import to_hex
from .orglog import OrgLog
from .ports import UNMINED, LeafStore, Submission, SubmissionStore
from .proofs import LeafProof, Verified
from .signing import HeadSigner
from .submitter import Submitter


class Anchoring:
    """One organisation's log on one chain."""

    def __init__(
        self,
        chain: Chain,
        contracts: Contracts,
        submitter: Submitter,
        log_key: HeadSigner,
        org: bytes,
        submissions: SubmissionStore,
        leaves: LeafStore,
        *,
        clock: Callable[[], int],
        batching: Batching | None = None,
    ) -> None:
        self.log = OrgLog(leaves)
        self._chain = chain
        self._ledger = contracts.execution_ledger
        self._submitter = submitter
        self._log_key = log_key
        self._org = org
        self._submissions = submissions
        self._clock = clock
        self._batching = batching

    async def anchor_due(self) -> None:
        """Queue one anchor for the leaves that the chain has not, once a batch is due, unless one is on its way.

        One at a time: a head names the size that it extends, so a second in flight could only fail.
        """
        await self.log.refresh()
        if await self.on_its_way():
            return
        on_chain = await calls.log_of(self._chain, self._ledger, self._org)
        head = self.log.extending(self._org, on_chain)
        if self._batching is None and head.new_size == head.old_size:
            return
        if self._batching is not None:
            size = await self._batch(self._batching, on_chain.size)
            if not size:
                return
            head = self.log.extending(self._org, on_chain, size)
        signature = await self._log_key.sign_head(head, self._chain.chain_id, self._ledger)
        path = self.log.tree.consistency(head.old_size, head.new_size)
        await self._submitter.submit(
            Submission(
                key=f"anchor:{head.epoch}:{head.new_size}",
                to=self._ledger,
                data=calls.anchor(head, path, signature),
                since=self._clock(),
                log_epoch=head.epoch,
                log_size=head.new_size,
                log_root=to_hex(head.root),
            )
        )

    async def on_its_way(self) -> bool:
        """Whether an anchor is signed, or about to be, and in no block yet."""
        return any(one.log_size is not None and one.state in UNMINED for one in await self._submissions.unsettled())

    async def _batch(self, batching: Batching, anchored: int) -> int:
        """The size of the log with the batch that is due, filled up; 0 while none is.

        Leaves that come meanwhile stay for the next one: the batch has the size that it is to be seen with.
        """
        waiting = await batching.waiting(anchored)
        if waiting is None or not cadence.is_due(waiting, self._clock()):
            return 0
        count = cadence.filled(waiting)
        if count > waiting.count:
            await batching.pad(count - waiting.count)
        await self.log.refresh()
        return anchored + count

    async def anchor_of(self, index: int) -> Submission | None:
        """The first anchor that covers a leaf, wherever it stands by now; None while no anchor is due."""
        epoch = (await calls.log_of(self._chain, self._ledger, self._org)).epoch
        return await self._submissions.covering(epoch, index)

    async def proof(self, index: int, block: int | None = None) -> LeafProof:
        """A leaf's proof as of ``block`` (the newest when None); NotAnchored while the chain has no root above it."""
        covered, transaction = await self._covered(index)
        root = self.log.tree.root(covered)
        at = await self._chain.block_number() if block is None else block
        size, number, _, epoch = await calls.anchor_of(self._chain, self._ledger, self._org, root)
        proof = LeafProof(
            chain_id=self._chain.chain_id,
            execution_ledger=self._ledger.lower(),
            org=to_hex(self._org),
            leaf=to_hex(await self.log.leaf(index)),
            index=index,
            path=[to_hex(node) for node in self.log.tree.inclusion(index, covered)],
            log_epoch=epoch,
            log_size=size,
            log_root=to_hex(root),
            block_number=number,
            transaction_hash=transaction,
            state=await self._chain.state_proof(self._ledger, proofs.anchor_slot(self._org, root), at),
        )
        self._checked(proof)
        return proof

    async def _covered(self, index: int) -> tuple[int, str | None]:
        """The size of the first root on the chain above a leaf, and our transaction that brought it there.

        Where ours did not, because somebody relayed the head before us, the newest root serves.
        """
        known = await self.log.refresh()
        log = await calls.log_of(self._chain, self._ledger, self._org)
        anchor = await self._submissions.covering(log.epoch, index)
        mined = anchor if anchor and anchor.block_number is not None else None
        size = mined.log_size if mined and mined.log_size else log.size
        if not index < size <= known:
            raise NotAnchored(f"leaf {index} is in no root on the chain yet")
        return size, mined.transaction_hash if mined else None

    @staticmethod
    def _checked(proof: LeafProof) -> Verified:
        """An endpoint's answers are worth nothing unless they verify; a reorganisation may have come between them."""
        try:
            return proofs.verify_leaf(proof)
        except InvalidProof as error:
            raise NotAnchored(f"the chain's endpoint gives no proof that holds: {error.detail}") from error
