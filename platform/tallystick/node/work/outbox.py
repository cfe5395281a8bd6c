"""The outbox relay: each partner's messages in order into its inbox stream, until the stream confirms them.

A commit that queues something says for whom. The table is looked through at start, and now and then for what another
replica of this node has left behind.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
from sqlmodel import col, select

from tallystick.core import b64
from tallystick.core.errors import TallystickError, Unavailable
from tallystick.node.record import messages
from tallystick.node.record.context import Context
from tallystick.node.record.unit import Note, Unit
from tallystick.node.work.committer import Committer
from tallystick.tenants.database import Database
from tallystick.tenants.models.record import OutboxRow

logger = logging.getLogger(__name__)
Send = Callable[[str, str, bytes], Awaitable[None]]
_BATCH = 50
LOOK_AGAIN_S = 120.0
_TRY_AGAIN_S = 1.0  # after trouble with the database
_BACKOFF = (0.2, 0.5, 1.0, 2.0, 5.0)  # seconds; the last one repeats


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
        trouble = relay.exception()
        if trouble is None:
            self._wake.set()
            return
        logger.warning("the messages for %s are put off: %s", partner, trouble)
        self._told.add(partner)
        asyncio.get_running_loop().call_later(_TRY_AGAIN_S, self._wake.set)

    async def _relay(self, partner: str) -> None:
        failures = 0
        while rows := await asyncio.to_thread(self._next, partner):
            sent: list[int] = []
            failed: tuple[OutboxRow, TallystickError] | None = None
            for row in rows:
                try:
                    payload = self._payload(row)
                except (TallystickError, OSError) as error:  # of this one only: what follows need not wait
                    failed = (row, _read_error(error))
                    continue
                try:
                    await self._send(partner, row.message_id, payload)
                except TallystickError as error:
                    failed = (row, error)
                    break
                sent.append(row.id or 0)
            await self._committer.run(partial(_settle, sent=sent, failed=failed))
            failures = failures + 1 if failed and not sent else int(failed is not None)
            if failed:
                await asyncio.sleep(_BACKOFF[min(failures, len(_BACKOFF)) - 1])

    def _payload(self, row: OutboxRow) -> bytes:
        if row.what != "chunk":
            return row.payload
        message = messages.decode(row.payload)
        assert isinstance(message, messages.ChunkMessage)  # noqa: S101 - queued by us with that name
        data = b64.encode(self._context.chunks.get(message.sha256))
        return messages.encode(msgspec.structs.replace(message, data=data))

    def _partners(self) -> list[str]:
        with self._database.looking() as session:
            return list(session.exec(select(OutboxRow.partner).distinct()))

    def _next(self, partner: str) -> list[OutboxRow]:
        with self._database.looking() as session:
            query = select(OutboxRow).where(OutboxRow.partner == partner).order_by(col(OutboxRow.id)).limit(_BATCH)
            return list(session.exec(query))


def _read_error(error: TallystickError | OSError) -> TallystickError:
    return error if isinstance(error, TallystickError) else Unavailable(f"a chunk cannot be read: {error.strerror}")


def _settle(unit: Unit, *, sent: list[int], failed: tuple[OutboxRow, TallystickError] | None) -> None:
    """Forget what the partner's stream has confirmed. Losing this to a crash sends it again, under the same id."""
    for number in sent:
        unit.delete(OutboxRow, number)
    if failed:
        row, error = failed
        unit.change(OutboxRow, row.id, attempts=row.attempts + 1, last_error=f"{error.code}: {error.detail}"[:300])
