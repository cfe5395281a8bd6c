"""The ledger's view of what the agreements behind waiting leaves ask for, over the ``leaf`` table."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from sqlalchemy import func
from sqlmodel import col, select

from tallystick.core.policy import Padding
from tallystick.ledger.cadence import Waiting
from tallystick.node.record import onchain
from tallystick.node.record.unit import Unit
from tallystick.node.work.committer import Committer
from tallystick.tenants.database import Database
from tallystick.tenants.models.anchor import LeafRow


class SqlBatching:
    """``Batching`` for the log of ``org`` (``0x…``). Leaves that fill up a batch ask for nothing themselves."""

    def __init__(self, database: Database, committer: Committer, org: str, clock: Callable[[], int]) -> None:
        self._database = database
        self._committer = committer
        self._org = org
        self._clock = clock

    async def waiting(self, anchored: int) -> Waiting | None:
        """What the leaves from index ``anchored`` on ask for."""
        return await asyncio.to_thread(self._waiting, anchored)

    async def pad(self, count: int) -> None:
        """Append ``count`` padding leaves in one commit."""
        await self._committer.run(partial(self._pad, count))

    def _waiting(self, anchored: int) -> Waiting | None:
        beyond = LeafRow.index >= anchored
        asking = beyond, LeafRow.kind != onchain.PADDING
        facts: Any = (func.count(), func.min(LeafRow.due_at), func.min(LeafRow.max_leaves))
        with self._database.session() as session:
            count = session.exec(select(func.count()).select_from(LeafRow).where(beyond)).one()
            asked, due_at, max_leaves = session.exec(select(*facts).where(*asking)).one()
            if not asked:
                return None
            paddings = session.exec(select(col(LeafRow.padding)).where(*asking).distinct())
            read = [msgspec.json.decode(one, type=Padding) for one in paddings]
        return Waiting(count=count, due_at=due_at, max_leaves=max_leaves, paddings=read)

    def _pad(self, count: int, unit: Unit) -> None:
        onchain.pad(unit, self._org, count, self._clock())
