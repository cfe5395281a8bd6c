"""The inbox: from a partner's bytes to one of confirm, reject, retry or wait, with one effect a message.

What waits is tried again when something of its own execution has changed, and otherwise less and less often, so that
a heap of waiting messages costs the others nothing.
"""

import asyncio
import logging

from sqlalchemy import func, update
from sqlmodel import Session, col, select

from tallystick.core.errors import Invalid, NotYet, TallystickError
from tallystick.node.links.peer import Verdict
from tallystick.node.record import incoming, messages, refusing
from tallystick.node.record.context import Context
from tallystick.node.record.messages import AgreementMessage, Message
from tallystick.node.work.bell import Bell
from tallystick.tenants.database import Database
from tallystick.tenants.models.record import InboxRow

logger = logging.getLogger(__name__)
MAX_WAITING = 1_000  # messages of one partner; beyond that its stream holds them back
SOONEST_MS, LATEST_MS = 500, 30_000  # between two tries: half of what it has waited already
_BATCH = 50


class Inbox:
    """Takes messages in, one transaction each."""

    def __init__(self, database: Database, context: Context, bell: Bell, lock: asyncio.Lock) -> None:
        self._database = database
        self._context = context
        self._bell = bell
        self._lock = lock

    async def receive(self, partner: str, message_id: str, payload: bytes) -> Verdict:
        """``ack`` once the outcome is durable; ``nak`` when this node could not decide now."""
        try:
            outcome = await self._taken(partner, message_id, payload)
        except TallystickError as error:
            logger.warning("message %s from %s is held back: %s", message_id, partner, error)
            return "nak"
        except Exception:
            # Whatever went wrong is ours, not the sender's: the stream keeps the message and brings it again.
            logger.exception("message %s from %s was not taken in", message_id, partner)
            return "nak"
        return "nak" if outcome == "full" else "ack"

    async def retry_waiting(self) -> int:
        """Try what waits and is due, the longest due first; how many went through."""
        done = 0
        for row in await asyncio.to_thread(self._due):
            try:
                outcome = await self._taken(row.partner, row.message_id, row.payload or b"")
            except TallystickError:
                continue  # stays due
            done += outcome != "wait"
        return done

    async def _taken(self, partner: str, message_id: str, payload: bytes) -> str:
        async with self._lock:
            outcome, execution = await asyncio.to_thread(self._take, partner, message_id, payload)
        if outcome == "confirm":
            self._bell.ring({"topic": "execution", "id": execution} if execution else None)
        return outcome

    def _due(self) -> list[InboxRow]:
        query = (
            select(InboxRow)
            .where(InboxRow.outcome == "wait", col(InboxRow.retry_at) <= self._context.now())
            .order_by(col(InboxRow.retry_at), col(InboxRow.since))
            .limit(_BATCH)
        )
        with self._database.session() as session:
            return list(session.exec(query))

    def _take(self, partner: str, message_id: str, payload: bytes) -> tuple[str, str | None]:
        """The outcome, and the execution that the message is about."""
        try:
            message = messages.decode(payload)
        except Invalid as error:
            return self._rejected(partner, message_id, None, error), None
        execution = messages.execution_of(message)
        try:
            with self._database.write() as session:
                incoming.handle(session, self._context, partner, message)
                self._settle(session, partner, message_id, execution)
            return "confirm", execution
        except NotYet as error:
            return self._wait(partner, message_id, execution, error, payload), execution
        except Invalid as error:
            return self._rejected(partner, message_id, message, error), execution

    def _settle(self, session: Session, partner: str, message_id: str, execution: str | None) -> None:
        """The message waits no longer, and what waits for its execution is due at once."""
        row = session.get(InboxRow, (partner, message_id))
        if row is not None and row.outcome == "wait":
            session.delete(row)
            session.flush()
        if execution is not None:
            waiting = (col(InboxRow.execution) == execution, col(InboxRow.outcome) == "wait")
            session.execute(update(InboxRow).where(*waiting).values(retry_at=0))

    def _wait(self, partner: str, message_id: str, execution: str | None, error: NotYet, payload: bytes) -> str:
        now = self._context.now()
        with self._database.write() as session:
            row = session.get(InboxRow, (partner, message_id))
            if row is None and self._is_full(session, partner):
                return "full"
            since = row.since if row else now
            session.merge(
                InboxRow(
                    partner=partner,
                    message_id=message_id,
                    execution=execution,
                    outcome="wait",
                    reason=_reason(error),
                    since=since,
                    retry_at=now + min(max((now - since) // 2, SOONEST_MS), LATEST_MS),
                    payload=payload,
                )
            )
        return "wait"

    def _is_full(self, session: Session, partner: str) -> bool:
        query = select(func.count()).where(InboxRow.partner == partner, InboxRow.outcome == "wait")
        return session.exec(query).one() >= MAX_WAITING

    def _rejected(self, partner: str, message_id: str, message: Message | None, error: Invalid) -> str:
        """Note it, and sign the reason for its author. An agreement is noted under its own hash, which entries name."""
        logger.warning("message %s from %s is refused: %s", message_id, partner, error)
        name = messages.agreement_of(message) if isinstance(message, AgreementMessage) else message_id
        with self._database.write() as session:
            waited = session.get(InboxRow, (partner, message_id))
            if waited is not None:
                session.delete(waited)
                session.flush()
            row = InboxRow(
                partner=partner,
                message_id=name,
                execution=messages.execution_of(message) if message else None,
                outcome="reject",
                reason=_reason(error),
                since=self._context.now(),
            )
            session.merge(row)
            if message is not None:
                self._refuse(session, partner, message, error)
        return "reject"

    def _refuse(self, session: Session, partner: str, message: Message, error: Invalid) -> None:
        try:
            refusing.refuse(session, self._context, partner, message, error)
        except Invalid:
            return  # unreadable: there is nothing to name in a refusal


def _reason(error: TallystickError) -> str:
    return f"{error.code}: {error.detail}"[: refusing.MAX_DETAIL]
