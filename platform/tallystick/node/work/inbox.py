"""The inbox: from a partner's bytes to one of confirm, reject, retry or wait, with one effect a message."""

import asyncio
import logging

from sqlmodel import Session, col, select

from tallystick.core import statement as statements
from tallystick.core.errors import Invalid, NotYet, TallystickError
from tallystick.core.head import Refusal, sign_refusal
from tallystick.node.links.peer import Verdict
from tallystick.node.record import incoming, messages, outgoing
from tallystick.node.record.context import Context
from tallystick.node.work.bell import Bell
from tallystick.tenants.database import Database
from tallystick.tenants.models.record import InboxRow

logger = logging.getLogger(__name__)
MAX_WAITING = 10_000  # messages one partner may have waiting; beyond that its stream holds them back


class Inbox:
    """Takes messages in, one transaction each."""

    def __init__(self, database: Database, context: Context, bell: Bell, lock: asyncio.Lock) -> None:
        self._database = database
        self._context = context
        self._bell = bell
        self._lock = lock

    async def receive(self, partner: str, message_id: str, payload: bytes) -> Verdict:
        """``ack`` once the outcome is durable; ``nak`` when this node could not decide now."""
        async with self._lock:
            try:
                outcome = await asyncio.to_thread(self._take, partner, message_id, payload)
            except Exception:
                # Whatever went wrong is ours, not the sender's: the stream keeps the message and brings it again.
                logger.exception("message %s from %s was not taken in", message_id, partner)
                return "nak"
        if outcome == "confirm":
            self._bell.ring()
        return "ack"

    async def retry_waiting(self) -> int:
        """Try what waits once more, oldest first; how many went through."""
        rows = await asyncio.to_thread(self._waiting)
        done = 0
        for row in rows:
            async with self._lock:
                outcome = await asyncio.to_thread(self._take, row.partner, row.message_id, row.payload or b"")
            done += outcome != "wait"
        return done

    def _waiting(self) -> list[InboxRow]:
        with self._database.session() as session:
            query = select(InboxRow).where(InboxRow.outcome == "wait").order_by(col(InboxRow.since)).limit(500)
            return list(session.exec(query))

    def _take(self, partner: str, message_id: str, payload: bytes) -> str:
        try:
            with self._database.write() as session:
                message = messages.decode(payload)
                incoming.handle(session, self._context, partner, message)
                self._settle(session, partner, message_id)
            return "confirm"
        except NotYet as error:
            self._note(partner, message_id, "wait", error, payload)
            return "wait"
        except Invalid as error:
            logger.warning("message %s from %s is refused: %s", message_id, partner, error)
            self._note(partner, message_id, "reject", error, payload)
            return "reject"

    def _settle(self, session: Session, partner: str, message_id: str) -> None:
        row = session.get(InboxRow, (partner, message_id))
        if row is not None and row.outcome == "wait":
            session.delete(row)

    def _note(self, partner: str, message_id: str, outcome: str, error: TallystickError, payload: bytes) -> None:
        with self._database.write() as session:
            row = session.get(InboxRow, (partner, message_id))
            since = row.since if row else self._context.now()
            session.merge(
                InboxRow(
                    partner=partner,
                    message_id=message_id,
                    outcome=outcome,
                    reason=f"{error.code}: {error.detail}"[:500],
                    since=since,
                    payload=payload if outcome == "wait" else None,
                )
            )
            if outcome == "reject":
                self._refuse(session, partner, payload, error)

    def _refuse(self, session: Session, partner: str, payload: bytes, error: TallystickError) -> None:
        """Sign the reason for a refused statement, so that its author can read and show it."""
        try:
            message = messages.decode(payload)
            if not isinstance(message, messages.StatementMessage):
                return
            said = statements.read(message.token)[1]
        except Invalid:
            return  # unreadable: there is no statement to refuse
        refusal = Refusal(
            v=1,
            iss=self._context.org_id,
            aud=said.aud,
            execution=said.execution,
            statement_id=said.id,
            code=error.code,
            detail=error.detail[:500],
            iat=self._context.now(),
        )
        token = sign_refusal(self._context.signing_key, refusal)
        outgoing.post(session, self._context, partner, messages.RefusalMessage(token=token), None)
