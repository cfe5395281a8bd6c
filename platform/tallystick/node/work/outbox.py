"""The outbox relay: each partner's messages in order into its inbox stream, until the stream confirms them.

Whatever waits while one message is under way travels in the next one, so that the transport's acknowledgement, which
costs a write to the partner's disk, is for many.

A commit that queues something says for whom. The table is looked through at start, and now and then for what another
replica of this node has left behind.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import select as select_columns
from sqlmodel import col, select

from tallystick.core import b64
from tallystick.core.errors import Invalid, TallystickError, Unavailable
from tallystick.node.record import messages
from tallystick.node.record.context import Context
from tallystick.node.record.group import Note
from tallystick.node.record.unit import Unit
from tallystick.node.work.committer import Committer
from tallystick.tenants.database import Database
from tallystick.tenants.models.record import OutboxRow

logger = logging.getLogger(__name__)
Send = Callable[[str, str, bytes], Awaitable[None]]
_AT_A_TIME = 20  # rows read
_COLUMNS: tuple[Any, ...] = (
    OutboxRow.id, OutboxRow.message_id, OutboxRow.what, OutboxRow.payload, OutboxRow.attempts
)  # fmt: skip
LOOK_AGAIN_S = 120.0
_TRY_AGAIN_S = 1.0  # after trouble with the database
_BACKOFF = (0.2, 0.5, 1.0, 2.0, 5.0)  # seconds, unless a link comes up meanwhile; the last one repeats


class Outbox:
    """One relay task for each partner with something to send; a silent partner delays no other."""

    def __init__(self, database: Database, context: Context, committer: Committer, send: Send) -> None:
        self._database = database
        self._context = context
        self._committer = committer
        self._send = send
        self._told: set[str] = set()  # partners for whom something may wait
        self._wake = asyncio.Event()
        self._relays: dict[str, asyncio.Task[None]] = {}
        self._nudged: dict[str, asyncio.Event] = {}  # of partners whose relay runs
        committer.listen(self._heard)

    async def run(self) -> None:
        """Relay until cancelled."""
        look_s = 0.0
        try:
            while True:
                if look_s <= 0:
                    look_s = await self._look()
                self._wake.clear()
                for partner in list(self._told):
                    self._begin(partner)
                begun = asyncio.get_running_loop().time()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(look_s):  # `wait_for` may swallow the cancellation that ends a loop
                        await self._wake.wait()
                look_s -= asyncio.get_running_loop().time() - begun
        finally:
            for relay in self._relays.values():
                relay.cancel()
            await asyncio.gather(*self._relays.values(), return_exceptions=True)

    def nudge(self, partner: str) -> None:
        """The way to ``partner`` has come up: do not wait any longer to try it again."""
        nudged = self._nudged.get(partner)
        if nudged is not None:
            nudged.set()

    async def _look(self) -> float:
        """Find out for whom something waits; how many seconds until the next look."""
        try:
            self._told.update(await asyncio.to_thread(self._partners))
        except TallystickError as error:
            logger.warning("the outbox is looked at again: %s", error)
            return _TRY_AGAIN_S
        return LOOK_AGAIN_S

    def _heard(self, notes: list[Note]) -> None:
        for note in notes:
            if note.kind == "posted":
                self._told.add(note.facts)
                self._wake.set()

    def _begin(self, partner: str) -> None:
        """One relay at a time; whoever is told of while theirs is ending gets another one."""
        if partner in self._relays:
            return
        self._told.discard(partner)
        relay = self._relays[partner] = asyncio.create_task(self._relay(partner))
        relay.add_done_callback(partial(self._ended, partner))

    def _ended(self, partner: str, relay: asyncio.Task[None]) -> None:
        if relay.cancelled():
            return
        del self._relays[partner]
        self._nudged.pop(partner, None)
        trouble = relay.exception()
        if trouble is None:
            self._wake.set()
            return
        logger.warning("the messages for %s are put off: %s", partner, trouble)
        self._told.add(partner)
        asyncio.get_running_loop().call_later(_TRY_AGAIN_S, self._wake.set)

    async def _relay(self, partner: str) -> None:
        """Send what waits, as much as fits into one message at a time, while what was sent before is struck off."""
        failures, after, together = 0, 0, messages.MAX_TOGETHER
        settling: asyncio.Future[None] | None = None
        nudged = self._nudged[partner] = asyncio.Event()
        while True:
            batch = await asyncio.to_thread(self._next, partner, after, together)
            if not batch.rows:
                if settling is not None:
                    await settling
                if not after:
                    return
                settling, after = None, 0  # whatever a replica has queued under an earlier number
                continue
            nudged.clear()
            error = await self._sent(partner, batch)
            if settling is not None:
                await settling
            failures = failures + 1 if error is not None else 0
            pause_s = _BACKOFF[min(max(failures, 1), len(_BACKOFF)) - 1]
            retry_at = self._context.now() + round(pause_s * 1000)
            settling = self._committer.submit(partial(_settle, batch=batch, error=error, retry_at=retry_at))
            after = batch.rows[-1].number
            if error is not None or batch.unread:
                await settling
                settling, after = None, 0
                if len(batch.payloads) > 1 and isinstance(error, Invalid):
                    together = 1  # the partner takes less at a time than we do
                    continue
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause_s):
                        await nudged.wait()

    async def _sent(self, partner: str, batch: "_Batch") -> TallystickError | None:
        """Why they could not be sent; None when the partner's stream has them."""
        if not batch.payloads:
            return None
        payload = messages.join(batch.payloads)
        name = batch.sendable[0].message_id if len(batch.payloads) == 1 else messages.message_id(partner, payload)
        try:
            await self._send(partner, name, payload)
        except TallystickError as error:
            return error
        return None

    def _partners(self) -> list[str]:
        with self._database.looking() as session:
            return list(session.exec(select(OutboxRow.partner).distinct()))

    def _next(self, partner: str, after: int, together: int) -> "_Batch":
        """What comes next for a partner, as far as it fits into one message."""
        batch = _Batch()
        query = (
            select_columns(*map(col, _COLUMNS))
            .where(col(OutboxRow.partner) == partner, col(OutboxRow.id) > after)
            .order_by(col(OutboxRow.id))
            .limit(together)
        )
        with self._database.looking() as session:
            # A few at a time: hundreds of the largest messages would fill the memory.
            found = session.connection().execute(query, execution_options={"yield_per": _AT_A_TIME})
            for number, name, what, payload, attempts in found:
                row = _Row(number, name, attempts)
                try:
                    content = self._content(what, payload)
                except (TallystickError, OSError) as error:  # of this one only: what follows need not wait
                    batch.rows.append(row)
                    batch.unread[number] = (row, _read_error(error))
                    continue
                if not batch.add(row, content):
                    break
        return batch

    def _content(self, what: str, payload: bytes) -> bytes:
        if what != "chunk":
            return payload
        message = messages.decode(payload)
        assert isinstance(message, messages.ChunkMessage)  # noqa: S101 - queued by us with that name
        data = b64.encode(self._context.chunks.get(message.sha256))
        return messages.encode(msgspec.structs.replace(message, data=data))


class _Row(NamedTuple):
    number: int
    message_id: str
    attempts: int


class _Batch:
    """Rows of one partner, in order, and the payloads of those that can be sent."""

    def __init__(self) -> None:
        self.rows: list[_Row] = []
        self.sendable: list[_Row] = []
        self.payloads: list[bytes] = []
        self.unread: dict[int, tuple[_Row, TallystickError]] = {}
        self._size = 0

    def add(self, row: _Row, payload: bytes) -> bool:
        """Take one more, if there is room; the first one always has."""
        self._size += len(payload) + 1
        if self.payloads and self._size > messages.MAX_MESSAGE:
            return False
        self.rows.append(row)
        self.sendable.append(row)
        self.payloads.append(payload)
        return True


def _read_error(error: TallystickError | OSError) -> TallystickError:
    return error if isinstance(error, TallystickError) else Unavailable(f"a chunk cannot be read: {error.strerror}")


def _settle(unit: Unit, *, batch: _Batch, error: TallystickError | None, retry_at: int) -> None:
    """Forget what the partner's stream has confirmed. Losing this to a crash sends it again, under the same ids."""
    failed = [*batch.unread.values(), *((row, error) for row in batch.sendable if error is not None)]
    for row, why in failed:
        told = f"{why.code}: {why.detail}"[:300]
        unit.change(OutboxRow, row.number, attempts=row.attempts + 1, last_error=told, retry_at=retry_at)
    if error is None:
        for row in batch.sendable:
            unit.delete(OutboxRow, row.number)
