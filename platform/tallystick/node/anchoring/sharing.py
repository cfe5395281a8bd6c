"""The proofs of our leaves that the other participants hold, kept true when the chain is reorganised."""

import asyncio
from collections.abc import Sequence
from functools import partial

import msgspec

from tallystick.core.errors import TallystickError
from tallystick.core.policy import Finality
from tallystick.ledger import finality as finalities
from tallystick.ledger import header as headers
from tallystick.ledger.chain import Chain
from tallystick.ledger.hashing import to_hex, unhex
from tallystick.ledger.proofs import LeafProof
from tallystick.ledger.service import OrgLedger
from tallystick.node.anchoring import starts
from tallystick.node.anchoring.shared import Shared
from tallystick.node.record import store
from tallystick.node.record.context import Context
from tallystick.node.record.outgoing import share_anchor
from tallystick.node.record.unit import Unit
from tallystick.node.work.bell import Bell
from tallystick.node.work.committer import Committer
from tallystick.tenants.database import Database
from tallystick.tenants.models.anchor import LeafRow

BATCH = 100  # leaves of one round
WATCHED = 64  # shared proofs whose blocks are still compared with the chain


class Sharing:
    """Sends each proof once, and again when the block that it rests on has left the chain; of one of our chains."""

    def __init__(self, context: Context, database: Database, bell: Bell, committer: Committer, chain: int = 0) -> None:
        self._context = context
        self._database = database
        self._bell = bell
        self._committer = committer
        self._shared = Shared(chain)

    async def step(self, ledger: OrgLedger) -> None:
        """One round: take back what no longer holds, then share what counts as final where it was agreed on.

        Trouble with one kind of finality (an endpoint need not know ``safe``) keeps no other from being looked at.
        """
        await self._reopen(ledger.chain)
        if await asyncio.to_thread(self._behind):
            await self._committer.run(self._shared.take_up)
        trouble: TallystickError | None = None
        for finality in await asyncio.to_thread(self._finalities):
            try:
                await self._share(ledger, finality)
            except TallystickError as error:
                trouble = error
        if trouble is not None:
            raise trouble

    async def _share(self, ledger: OrgLedger, finality: str) -> None:
        """Those with one kind of finality; the log is anchored in order, so the first that waits ends it."""
        reached = await finalities.reached(ledger.chain, msgspec.json.decode(finality, type=Finality))
        for index in await asyncio.to_thread(self._unshared, finality):
            anchor = await ledger.anchor_of(index)
            if anchor is None or anchor.state != "confirmed" or (anchor.block_number or 0) > reached:
                return
            proof = await ledger.proof(index)
            execution = await self._committer.run(partial(self._post, index, proof))
            self._bell.ring({"topic": "anchor", "id": execution})

    async def _reopen(self, chain: Chain) -> None:
        """Blocks refer to their parents, so when the newest that a proof rests on still stands, the older ones do."""
        for index, number, name in await asyncio.to_thread(self._newest):
            if await chain.block_hash(number) == name:
                return
            await self._committer.run(partial(self._take_back, index))

    def _behind(self) -> bool:
        with self._database.session() as session:
            return self._shared.behind(session)

    def _finalities(self) -> list[str]:
        with self._database.session() as session:
            return self._shared.finalities(session)

    def _unshared(self, finality: str) -> Sequence[int]:
        with self._database.session() as session:
            return self._shared.missing(session, finality, BATCH)

    def _newest(self) -> list[tuple[int, int, str]]:
        with self._database.session() as session:
            return self._shared.newest(session, WATCHED)

    def _post(self, index: int, proof: LeafProof, unit: Unit) -> str:
        """Tell the others where the agreement names the chain, for a log may stand on more; the leaf's execution."""
        header = headers.decode(unhex(proof.state.header))
        self._shared.mark(unit, index, (header.number, to_hex(header.hash)))
        execution = unit.get_one(LeafRow, index).execution
        terms = store.load(unit, execution).agreement.anchoring
        if terms is not None and proof.chain_id in terms.chains:
            share_anchor(unit, self._context, execution, msgspec.to_builtins(proof))
            starts.cite(unit, self._context, execution, proof)
        return execution

    def _take_back(self, index: int, unit: Unit) -> None:
        self._shared.mark(unit, index, None)
