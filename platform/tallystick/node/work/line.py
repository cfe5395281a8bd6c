"""What waits for one partner: what this process has queued lately is in memory, all of it in the table.

The table is read at start, after trouble, and where more was queued than is kept in memory. Otherwise what a commit
has brought is sent without a look at the database.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import select
from sqlmodel import col

from tallystick.core import b64
from tallystick.core.errors import TallystickError, Unavailable
from tallystick.node.record import messages
from tallystick.node.record.outgoing import Posted
from tallystick.tenants.database import Database
from tallystick.tenants.models.record import OutboxRow

MAX_KEPT = 2_000  # messages in memory
MAX_KEPT_BYTES = 4_000_000
PACE_S = 0.01  # between two messages; who waits so long at most saves each of those in between a write to a disk
_AT_A_TIME = 20  # rows read
_COLUMNS: tuple[Any, ...] = (
    OutboxRow.id, OutboxRow.message_id, OutboxRow.what, OutboxRow.payload, OutboxRow.attempts
)  # fmt: skip


class Row(NamedTuple):
    """A message of the table, without what it says."""

    number: int
    message_id: str
    attempts: int


class Batch:
    """Rows of one partner, in order, and the payloads of those that can be sent."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.sendable: list[Row] = []
        self.payloads: list[bytes] = []
        self.unread: dict[int, tuple[Row, TallystickError]] = {}
        self._size = 0

    def has_room(self, payload: bytes) -> bool:
        """Whether one more fits; the first one always does."""
        return not self.payloads or self._size + len(payload) + 1 <= messages.MAX_MESSAGE

    def name(self, partner: str) -> str:
        """The transport's id for all of them together, another one where one of them is sent again."""
        return messages.message_id(partner, " ".join(row.message_id for row in self.sendable).encode())

    def add(self, row: Row, payload: bytes) -> None:
        """Take one more."""
        self._size += len(payload) + 1
        self.rows.append(row)
        self.sendable.append(row)
        self.payloads.append(payload)


class Line:
    """Of one partner. ``after`` is the greatest number that was taken: what follows it has not been sent.

    ``again`` has the relay begin with the first row of the table, ``missed`` with what follows ``after``.
    """

    def __init__(self) -> None:
        self.again = True
        self.missed = False
        self.after = 0
        self._kept: deque[Posted] = deque()
        self._bytes = 0
        self._turn_at = 0.0

    @property
    def waits(self) -> bool:
        """Whether something may have to be sent."""
        return self.again or self.missed or bool(self._kept)

    def add(self, posted: Posted) -> None:
        """A commit has queued it. The bytes of chunks lie elsewhere, so they are read with the table."""
        if self.again:
            return  # it is there, and will be read from the start
        self._kept.append(posted)
        self._bytes += len(posted.payload)
        if posted.what == "chunk" or len(self._kept) > MAX_KEPT or self._bytes > MAX_KEPT_BYTES:
            self._kept.clear()
            self._bytes = 0
            self.missed = True

    async def turn(self, full: int) -> None:
        """Return when the next message may go: at once, but for one that follows another too soon and is not full."""
        loop = asyncio.get_running_loop()
        left_s = self._turn_at - loop.time()
        if left_s > 0 and len(self._kept) < full and not (self.again or self.missed):
            await asyncio.sleep(left_s)
        self._turn_at = loop.time() + PACE_S

    def went(self, number: int) -> None:
        """All up to that number was read from the table."""
        self.after = number
        while self._kept and self._kept[0].number <= number:
            self._bytes -= len(self._kept.popleft().payload)

    def take(self, together: int) -> Batch:
        """What comes next of what is in memory, as far as it fits into one message."""
        batch = Batch()
        while self._kept and len(batch.rows) < together and batch.has_room(self._kept[0].payload):
            posted = self._kept.popleft()
            self._bytes -= len(posted.payload)
            batch.add(Row(posted.number, posted.message_id, 0), posted.payload)
            self.after = posted.number
        return batch


def read(database: Database, chunk: Callable[[str], bytes], partner: str, after: int, together: int) -> Batch:
    """What comes next for a partner in the table, as far as it fits into one message."""
    batch = Batch()
    query = (
        select(*map(col, _COLUMNS))
        .where(col(OutboxRow.partner) == partner, col(OutboxRow.id) > after)
        .order_by(col(OutboxRow.id))
        .limit(together)
    )
    with database.looking() as session:
        # A few at a time: hundreds of the largest messages would fill the memory.
        found = session.connection().execute(query, execution_options={"yield_per": _AT_A_TIME})
        for number, name, what, payload, attempts in found:
            row = Row(number, name, attempts)
            try:
                content = _content(chunk, what, payload)
            except (TallystickError, OSError) as error:  # of this one only: what follows need not wait
                batch.rows.append(row)
                batch.unread[number] = (row, _read_error(error))
                continue
            if not batch.has_room(content):
                break
            batch.add(row, content)
    return batch


def _content(chunk: Callable[[str], bytes], what: str, payload: bytes) -> bytes:
    if what != "chunk":
        return payload
    message = messages.decode(payload)
    assert isinstance(message, messages.ChunkMessage)  # noqa: S101 - queued by us with that name
    return messages.encode(msgspec.structs.replace(message, data=b64.encode(chunk(message.sha256))))


def _read_error(error: TallystickError | OSError) -> TallystickError:
    return error if isinstance(error, TallystickError) else Unavailable(f"a chunk cannot be read: {error.strerror}")
