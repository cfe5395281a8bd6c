"""Getting definitions registered, ours by us and partners' by them: what is due is looked up until it stands.

All participants shall name one registration time. A registration counts once it is confirmed, as an anchor does, and is
taken back when its block leaves the chain: it is registered again then, at another time.
"""

import asyncio

from sqlmodel import col, select

from tallystick.ledger.chain import Chain
from tallystick.ledger.service import OrgLedger, Standing
from tallystick.tenants.database import Database
from tallystick.tenants.models.anchor import WorkflowRow

MAX_DUE = 20  # of one round
WATCHED = 64  # registrations whose blocks are still compared with the chain
SOONEST_MS, LATEST_MS = 500, 60_000  # between two looks: half of what it has waited already


class Workflows:
    """The ``workflow`` table's way onto the chain."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def step(self, ledger: OrgLedger, now: int) -> None:
        """Register ours and look for partners'; ``now`` in milliseconds. Trouble with the chain is raised."""
        await self._reopen(ledger.chain, now)
        for row in await asyncio.to_thread(self._due, now):
            if row.mine:
                found = await ledger.register_workflow(row.workflow_hash)
            else:
                found = await ledger.workflow_registered(row.org, row.workflow_hash)
            await asyncio.to_thread(self._looked, row, now, found)

    async def _reopen(self, chain: Chain, now: int) -> None:
        """Blocks refer to their parents, so when the newest that a registration rests on still stands, all do."""
        for row in await asyncio.to_thread(self._newest):
            if row.block_number is None or await chain.block_hash(row.block_number) == row.block_hash:
                return
            await asyncio.to_thread(self._take_back, row, now)

    def _due(self, now: int) -> list[WorkflowRow]:
        query = (
            select(WorkflowRow)
            .where(col(WorkflowRow.registered_at).is_(None), WorkflowRow.check_at <= now)
            .order_by(col(WorkflowRow.check_at))
            .limit(MAX_DUE)
        )
        with self._database.session() as session:
            return list(session.exec(query))

    def _newest(self) -> list[WorkflowRow]:
        query = (
            select(WorkflowRow)
            .where(col(WorkflowRow.block_number).is_not(None))
            .order_by(col(WorkflowRow.block_number).desc())
            .limit(WATCHED)
        )
        with self._database.session() as session:
            return list(session.exec(query))

    def _looked(self, row: WorkflowRow, now: int, found: Standing | None) -> None:
        with self._database.write() as session:
            held = session.get_one(WorkflowRow, (row.org, row.workflow_hash))
            if found is not None:
                held.registered_at = found.time * 1000
                held.block_number, held.block_hash = found.block_number, found.block_hash
            held.check_at = now + min(max((now - row.since) // 2, SOONEST_MS), LATEST_MS)
            session.add(held)

    def _take_back(self, row: WorkflowRow, now: int) -> None:
        """``since`` begins anew: what waited for long before would be looked for too rarely now."""
        with self._database.write() as session:
            held = session.get_one(WorkflowRow, (row.org, row.workflow_hash))
            held.registered_at = held.block_number = held.block_hash = None
            held.since = held.check_at = now
            session.add(held)
