"""The outbox relay: each partner's messages in order into its inbox stream, until the stream confirms them.

Whatever waits while one message is under way travels in the next one, so that the transport's acknowledgement, which
costs a write to the partner's disk, is for many.

A commit that queues something brings it along, and it is sent from memory. The table is looked through at start, after
trouble, and now and then for what another replica of this node has left behind. What was confirmed is struck off a
moment later, for all partners at once: a crash before that sends it again, and nobody takes it in twice.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from sqlalchemy import func
from sqlmodel import select

from tallystick.core.errors import Invalid, TallystickError
from tallystick.node.links.tasks import end_tasks
from tallystick.node.record import messages
from tallystick.node.record.context import Context
from tallystick.node.record.group import Note
from tallystick.node.record.outgoing import CONFIRMED, NUMBERS
from tallystick.node.record.unit import Unit
from tallystick.node.work import line as lines
from tallystick.node.work.committer import Committer
from tallystick.node.work.line import Batch, Line
from tallystick.tenants.database import Database
from tallystick.tenants.models.record import OutboxRow

logger = logging.getLogger(__name__)
Send = Callable[[str, str, bytes], Awaitable[None]]
LOOK_AGAIN_S = 120.0
STRIKE_S = 0.1  # from a confirmation to the commit that strikes off what was confirmed
_STRIKE_AT_ONCE = 2_000  # messages; what a crash would send again stays bounded
_TRY_AGAIN_S = 1.0  # after trouble with the database
_BACKOFF = (0.2, 0.5, 1.0, 2.0, 5.0)  # seconds, unless a link comes up meanwhile; the last one repeats


class Outbox:
    """One relay task for each partner with something to send; a silent partner delays no other."""

    def __init__(self, database: Database, context: Context, committer: Committer, send: Send) -> None:
        self._database = database
        self._context = context
        self._committer = committer
        self._send = send
        self._lines: dict[str, Line] = {}
        self._returned: list[Callable[[str], None]] = []
        self._runs = False
        self._relays: dict[str, asyncio.Task[None]] = {}
        self._nudged: dict[str, asyncio.Event] = {}  # of partners whose relay runs
        self._confirmed: list[int] = []  # not struck off yet
        self._striking: asyncio.TimerHandle | None = None
        committer.listen(self._heard)

    async def run(self) -> None:
        """Relay until cancelled."""
        try:
            while True:  # noqa: ASYNC110 - nothing else says what a replica has left behind
                await asyncio.sleep(await self._look())
        finally:
            self._runs = False
            await end_tasks(*self._relays.values())
            self._strike()

    def listen(self, listener: Callable[[str], None]) -> None:
        """Call ``listener`` with a partner whenever something has reached it that had failed to before."""
        self._returned.append(listener)

    def nudge(self, partner: str) -> None:
        """The way to ``partner`` has come up: do not wait any longer to try it again."""
        nudged = self._nudged.get(partner)
        if nudged is not None:
            nudged.set()

    async def _look(self) -> float:
        """Find out for whom something waits, and relay it; how many seconds until the next look."""
        try:
            newest, partners = await asyncio.to_thread(self._waiting)
        except TallystickError as error:
            logger.warning("the outbox is looked at again: %s", error)
            return _TRY_AGAIN_S
        NUMBERS.after(newest)
        self._runs = True
        for name in partners:
            self._line(name).again = True
        for name in list(self._lines):
            self._begin(name)
        return LOOK_AGAIN_S

    def _waiting(self) -> tuple[int, list[str]]:
        with self._database.looking() as session:
            newest = session.exec(select(func.max(OutboxRow.id))).one() or 0
            return newest, list(session.exec(select(OutboxRow.partner).distinct()))

    def _heard(self, notes: list[Note]) -> None:
        for note in notes:
            if note.kind == "posted":
                partner = note.facts.partner
                self._line(partner).add(note.facts)
                self._begin(partner)

    def _line(self, partner: str) -> Line:
        line = self._lines.get(partner)
        if line is None:
            line = self._lines[partner] = Line()
        return line

    def _begin(self, partner: str) -> None:
        """One relay at a time; it goes on until nothing waits."""
        if not self._runs or partner in self._relays or not self._lines[partner].waits:
            return
        relay = self._relays[partner] = asyncio.create_task(self._relay(partner, self._lines[partner]))
        relay.add_done_callback(partial(self._ended, partner))

    def _ended(self, partner: str, relay: asyncio.Task[None]) -> None:
        if relay.cancelled():
            return
        del self._relays[partner]
        self._nudged.pop(partner, None)
        trouble = relay.exception()
        if trouble is None:
            self._begin(partner)
            return
        logger.warning("the messages for %s are put off: %s", partner, trouble)
        self._lines[partner].again = True
        asyncio.get_running_loop().call_later(_TRY_AGAIN_S, self._begin, partner)

    async def _relay(self, partner: str, line: Line) -> None:
        """Send what waits, as much as fits into one message at a time."""
        failures, together = 0, messages.MAX_TOGETHER
        nudged = self._nudged[partner] = asyncio.Event()
        while True:
            await line.turn(messages.MAX_TOGETHER)
            batch = await self._next(partner, line, together)
            if not batch.rows:
                return
            nudged.clear()
            error = await self._sent(partner, batch)
            if error is None:
                self._confirm(batch)
                for listener in self._returned if failures else ():
                    listener(partner)
            failures = failures + 1 if error is not None else 0
            if error is None and not batch.unread:
                continue
            pause_s = _BACKOFF[min(max(failures, 1), len(_BACKOFF)) - 1]
            retry_at = self._context.now() + round(pause_s * 1000)
            line.again = True
            await self._committer.run(partial(_note_failures, batch=batch, error=error, retry_at=retry_at))
            if len(batch.payloads) > 1 and isinstance(error, Invalid):
                together = 1  # the partner takes less at a time than we do
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await nudged.wait()

    async def _next(self, partner: str, line: Line, together: int) -> Batch:
        """What comes next for a partner; from the table where not all of it is in memory."""
        if line.again:
            line.again = False
            self._strike()
            await self._committer.idle()  # then what was confirmed is not read again
            line.after, line.missed = 0, True
        while line.missed:
            line.missed = False  # before it is read: what is queued meanwhile may set it again
            chunk = self._context.chunks.get
            batch = await asyncio.to_thread(lines.read, self._database, chunk, partner, line.after, together)
            if batch.rows:
                line.missed = True  # more may follow
                line.went(batch.rows[-1].number)
                return batch
        return line.take(together)

    async def _sent(self, partner: str, batch: Batch) -> TallystickError | None:
        """Why they could not be sent; None when the partner's stream has them."""
        if not batch.payloads:
            return None
        payload = messages.join(batch.payloads)
        name = batch.sendable[0].message_id if len(batch.payloads) == 1 else batch.name(partner)
        try:
            await self._send(partner, name, payload)
        except TallystickError as error:
            return error
        return None

    def _confirm(self, batch: Batch) -> None:
        numbers = [row.number for row in batch.sendable]
        CONFIRMED.update(numbers)
        self._confirmed += numbers
        if len(self._confirmed) >= _STRIKE_AT_ONCE:
            self._strike()
        elif self._striking is None:
            self._striking = asyncio.get_running_loop().call_later(STRIKE_S, self._strike)

    def _strike(self) -> None:
        """Queue that what was confirmed is struck off; what cannot be now is later."""
        if self._striking is not None:
            self._striking.cancel()
            self._striking = None
        confirmed, self._confirmed = self._confirmed, []
        if not confirmed:
            return
        try:
            struck = self._committer.submit(partial(_strike_off, numbers=confirmed))
        except TallystickError as error:
            self._put_back(confirmed, error)
            return
        struck.add_done_callback(partial(self._struck, confirmed))

    def _struck(self, confirmed: list[int], struck: asyncio.Future[None]) -> None:
        error = None if struck.cancelled() else struck.exception()
        if error is None:
            CONFIRMED.difference_update(confirmed)
        else:
            self._put_back(confirmed, error)

    def _put_back(self, confirmed: list[int], error: BaseException) -> None:
        logger.warning("what was sent is struck off later: %s", error)
        self._confirmed += confirmed
        if self._runs and self._striking is None:
            self._striking = asyncio.get_running_loop().call_later(_TRY_AGAIN_S, self._strike)


def _strike_off(unit: Unit, *, numbers: Sequence[int]) -> None:
    """Forget what the partner's stream has confirmed. Losing this to a crash sends it again, under the same ids."""
    for number in numbers:
        unit.delete(OutboxRow, number)


def _note_failures(unit: Unit, *, batch: Batch, error: TallystickError | None, retry_at: int) -> None:
    failed = [*batch.unread.values(), *((row, error) for row in batch.sendable if error is not None)]
    for row, why in failed:
        told = f"{why.code}: {why.detail}"[:300]
        unit.change(OutboxRow, row.number, attempts=row.attempts + 1, last_error=told, retry_at=retry_at)
