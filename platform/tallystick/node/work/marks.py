"""The mark that a node leaves of the time, so that its next start can tell a clock that is wrong.

Every commit proves that its time has been, and every partner's statement proves that its author's has. Writing that
down with each would cost a row each; it is written half a minute apart, and at the end.
"""

import asyncio
import logging

import msgspec

from tallystick.node.clock import SteadyClock
from tallystick.node.record.group import Note
from tallystick.node.record.unit import Unit
from tallystick.node.work.committer import Committer
from tallystick.tenants.database import Database
from tallystick.tenants.models.clock import ClockMarkRow

logger = logging.getLogger(__name__)
EVERY_MS = 30_000  # half of what a clock may differ by and be believed
AHEAD_MS = 86_400_000  # without anything that was written or signed: a machine a day ahead, or a node that was down


class Ahead(msgspec.Struct, frozen=True):
    """At its start the clock was ``by_ms`` ahead of all that is known to have been signed, by ``signed_by`` last."""

    by_ms: int
    signed_at: int
    signed_by: str | None


class Marks:
    """One tenant's mark."""

    def __init__(self, database: Database, clock: SteadyClock, committer: Committer) -> None:
        self._database = database
        self._clock = clock
        self._committer = committer
        self._signed: tuple[int, str | None] = (0, None)
        self._written = 0
        self._news = False
        self._stopping = False
        self.ahead: Ahead | None = None
        committer.listen(self._heard)

    def begin(self) -> None:
        """Hold the machine's clock against the mark."""
        with self._database.looking() as session:
            row = session.get(ClockMarkRow, 1)
        if row is None:
            return
        self._signed = (row.signed_at, row.signed_by)
        newest = max(row.at, row.signed_at)
        self._clock.begin(newest)
        by_ms = self._clock() - newest
        if by_ms > AHEAD_MS:
            self.ahead = Ahead(by_ms, row.signed_at, row.signed_by)
            logger.warning(
                "the clock is %d s ahead of all that was signed before: the node was down for as long, or it is wrong",
                by_ms // 1000,
            )

    def accept(self) -> None:
        """An administrator says that the machine's clock is right: what was marked beyond it does not count."""
        self._clock.accept()
        self.ahead = None
        now = self._clock()
        self._signed = (min(self._signed[0], now), self._signed[1])
        with self._database.write() as session:
            session.merge(ClockMarkRow(id=1, at=now, signed_at=self._signed[0], signed_by=self._signed[1]))

    def stop(self) -> None:
        """Queue no more writing: the node is about to wait for what is queued."""
        self._stopping = True

    def end(self) -> None:
        """Leave the mark."""
        if self._news and self._clock.doubt is None:
            with self._database.write() as session:
                session.merge(self._raised(session.get(ClockMarkRow, 1)))

    def _heard(self, notes: list[Note]) -> None:
        """A commit, in the event loop."""
        self._news = True
        for note in notes:
            if note.kind == "signed_at":
                self._hear(*note.facts)
        now = self._clock()
        if now - self._written >= EVERY_MS and self._clock.doubt is None and not self._stopping:
            self._written = now
            self._committer.submit(self._write).add_done_callback(_told)

    def _hear(self, by: str, signed_at: int) -> None:
        if signed_at > self._signed[0]:
            self._signed = signed_at, by
        if self.ahead is not None and signed_at > self._clock() - AHEAD_MS:
            self.ahead = None

    def _write(self, unit: Unit) -> None:
        row = self._raised(unit.get(ClockMarkRow, 1))
        unit.put(ClockMarkRow, **row.model_dump())
        self._news = False

    def _raised(self, row: ClockMarkRow | None) -> ClockMarkRow:
        """Never lower: another replica may know of a later time."""
        at, signed = self._clock(), self._signed
        if row is not None:
            at = max(at, row.at)
            signed = signed if signed[0] >= row.signed_at else (row.signed_at, row.signed_by)
        return ClockMarkRow(id=1, at=at, signed_at=signed[0], signed_by=signed[1])


def _told(written: "asyncio.Future[None]") -> None:
    if not written.cancelled() and written.exception() is not None:
        logger.warning("the mark of the time is written later: %s", written.exception())
