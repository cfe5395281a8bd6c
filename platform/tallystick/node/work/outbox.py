"""The outbox relay: each partner's messages in order into its inbox stream, until the stream confirms them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
from sqlmodel import col, select

from tallystick.core import b64
from tallystick.core.errors import TallystickError, Unavailable
from tallystick.node.record import messages
from tallystick.node.record.context import Context
from tallystick.node.record.unit import Unit
from tallystick.node.work.bell import Bell
from tallystick.node.work.committer import Committer
from tallystick.tenants.database import Database
from tallystick.tenants.models.record import OutboxRow

logger = logging.getLogger(__name__)
Send = Callable[[str, str, bytes], Awaitable[None]]
_BATCH = 50
_BACKOFF = (0.2, 0.5, 1.0, 2.0, 5.0)  # seconds; the last one repeats


class Outbox:
    """One relay task for each partner with something to send; a silent partner delays no other."""

    def __init__(self, database: Database, context: Context, bell: Bell, committer: Committer, send: Send) -> None:
        self._database = database
        self._context = context
        self._bell = bell
        self._committer = committer
        self._send = send

    async def run(self) -> None:
        """Relay until cancelled."""
        ear = self._bell.ear()
        relays: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                for partner in await asyncio.to_thread(self._partners):
                    if partner not in relays or relays[partner].done():
                        relays[partner] = asyncio.create_task(self._relay(partner))
                await ear.wait(1.0)
        finally:
            for relay in relays.values():
                relay.cancel()
            await asyncio.gather(*relays.values(), return_exceptions=True)

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
        with self._database.session() as session:
            return list(session.exec(select(OutboxRow.partner).distinct()))

    def _next(self, partner: str) -> list[OutboxRow]:
        with self._database.session() as session:
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
