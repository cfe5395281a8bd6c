"""Getting definitions registered, ours by us and partners' by them: what is due is looked up until it stands."""

import asyncio

from sqlmodel import col, select

from tallystick.ledger.service import OrgLedger
from tallystick.tenants.database import Database
from tallystick.tenants.models.anchor import WorkflowRow

MAX_DUE = 20  # of one round
SOONEST_MS, LATEST_MS = 500, 60_000  # between two looks: half of what it has waited already


class Workflows:
    """The ``workflow`` table's way onto the chain."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def step(self, ledger: OrgLedger, now: int) -> None:
        """Register ours and look for partners'; ``now`` in milliseconds. Trouble with the chain is raised."""
        for row in await asyncio.to_thread(self._due, now):
            if row.mine:
                time = await ledger.register_workflow(row.workflow_hash)
            else:
                time = await ledger.workflow_registered(row.org, row.workflow_hash)
            await asyncio.to_thread(self._looked, row, now, time)

    def _due(self, now: int) -> list[WorkflowRow]:
        query = (
            select(WorkflowRow)
            .where(col(WorkflowRow.registered_at).is_(None), WorkflowRow.check_at <= now)
            .order_by(col(WorkflowRow.check_at))
            .limit(MAX_DUE)
        )
        with self._database.session() as session:
            return list(session.exec(query))

    def _looked(self, row: WorkflowRow, now: int, time: int | None) -> None:
        with self._database.write() as session:
            held = session.get_one(WorkflowRow, (row.org, row.workflow_hash))
            held.registered_at = None if time is None else time * 1000
            held.check_at = now + min(max((now - row.since) // 2, SOONEST_MS), LATEST_MS)
            session.add(held)
