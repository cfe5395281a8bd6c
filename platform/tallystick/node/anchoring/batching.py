"""The ledger's view of what the agreements behind waiting leaves ask for, over the ``leaf`` table."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from sqlalchemy import func
from sqlmodel import Session, col, or_, select

from tallystick.core.policy import Padding
from tallystick.ledger.cadence import Waiting
from tallystick.node.record import onchain
from tallystick.node.record.unit import Unit
from tallystick.node.work.committer import Committer
from tallystick.tenants.database import Database
from tallystick.tenants.models.anchor import BEAT, LeafRow


class SqlBatching:
    """``Batching`` for the log of ``org`` (``0x…``) on one chain.

    Padding asks for nothing itself; with a ``heartbeat`` one leaf of it does in each interval.

    What leaves ask for never changes, so each one is read once for the anchor that it waits for, not in every round.
    """

    def __init__(
        self,
        database: Database,
        committer: Committer,
        org: str,
        clock: Callable[[], int],
        heartbeat: onchain.Heartbeat | None = None,
    ) -> None:
        self._database = database
        self._committer = committer
        self._org = org
        self._clock = clock
        self._heartbeat = heartbeat
        self._beat = -1  # the index of the newest padding that asks for an anchor, as far as it is known here
        self._read = _Read(0)

    async def waiting(self, anchored: int) -> Waiting | None:
        """What the leaves from index ``anchored`` on ask for."""
        if self._heartbeat is not None and self._beat < anchored:
            self._beat = await self._committer.run(partial(self._beaten, self._heartbeat, anchored))
        return await asyncio.to_thread(self._waiting, anchored)

    async def pad(self, count: int) -> None:
        """Append ``count`` padding leaves in one commit."""
        await self._committer.run(partial(self._pad, count))

    def _waiting(self, anchored: int) -> Waiting | None:
        if self._read.start != anchored:
            self._read = _Read(anchored)
        with self._database.session() as session:
            self._read.on(session)
        return self._read.asked()

    def _beaten(self, terms: onchain.Heartbeat, anchored: int, unit: Unit) -> int:
        onchain.beat(unit, self._org, anchored, terms, self._clock())
        last = onchain.last_beat(unit)
        return -1 if last is None else last[0]

    def _pad(self, count: int, unit: Unit) -> None:
        onchain.pad(unit, self._org, count, self._clock())


class _Read:
    """The leaves with ``start`` ≤ index < ``stop``."""

    def __init__(self, start: int) -> None:
        self.start = self._stop = start
        self._due_at: int | None = None
        self._max_leaves: int | None = None
        self._paddings: set[str] = set()

    def on(self, session: Session) -> None:
        """Read those that came."""
        stop = onchain.log_size(session)
        if stop <= self._stop:
            return
        came = (LeafRow.index >= self._stop, LeafRow.index < stop, or_(LeafRow.kind != onchain.PADDING, BEAT))
        facts: Any = (func.min(LeafRow.due_at), func.min(LeafRow.max_leaves))
        due_at, max_leaves = session.exec(select(*facts).where(*came)).one()
        self._due_at = _least(self._due_at, due_at)
        self._max_leaves = _least(self._max_leaves, max_leaves)
        self._paddings |= set(session.exec(select(col(LeafRow.padding)).where(*came).distinct()))
        self._stop = stop

    def asked(self) -> Waiting | None:
        """What they ask for; None where all are padding, or there are none."""
        if self._due_at is None or self._max_leaves is None:
            return None
        paddings = [msgspec.json.decode(one, type=Padding) for one in sorted(self._paddings)]
        count = self._stop - self.start
        return Waiting(count=count, due_at=self._due_at, max_leaves=self._max_leaves, paddings=paddings)


def _least(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else min(one, other)
