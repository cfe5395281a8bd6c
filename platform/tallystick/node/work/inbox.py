"""The inbox: from a partner's bytes to one of confirm, reject, retry or wait, with one effect a message.

What waits is tried again when something of its own execution has changed, and otherwise less and less often, so that
a heap of waiting messages costs the others nothing.
"""

import asyncio
import logging
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, exc, func, literal_column, update
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from tallystick.core.errors import Invalid, NotYet, TallystickError
from tallystick.node.links.handling import Verdict
from tallystick.node.record import incoming, messages, nonces, refusing, store
from tallystick.node.record.admission import Hidden
from tallystick.node.record.calls import keys_of
from tallystick.node.record.context import Context
from tallystick.node.record.group import Conflict, Note
from tallystick.node.record.messages import AgreementMessage, ChunkMessage, Message
from tallystick.node.record.nonces import Nonce
from tallystick.node.record.quota import QuotaExceeded
from tallystick.node.record.tables import word
from tallystick.node.record.unit import Unit
from tallystick.node.work.bell import Bell
from tallystick.node.work.committer import Committer
from tallystick.tenants.database import Database
from tallystick.tenants.models.record import InboxRow, TaskRow

logger = logging.getLogger(__name__)
MAX_WAITING = 1_000  # messages of one partner; beyond that its stream holds them back
MAX_WAITING_BYTES = 64 * 1024 * 1024  # of one partner: all of them are read again twice a minute
MAX_REFUSED = 1_000  # messages of one partner, the newest, whose refusals are remembered
_FORGET_EVERY = 100
_OVER_QUOTA_S = 2.0  # until a message of a partner over its quota comes again
SOONEST_MS, LATEST_MS = 500, 30_000  # between two tries: half of what it has waited already
LOOK_AGAIN_MS = 10_000
_BATCH = 50
_LEAST = 5
_WENT_THROUGH = delete(InboxRow).where(
    col(InboxRow.partner) == bindparam("b_partner"),
    col(InboxRow.message_id) == bindparam("b_message"),
    col(InboxRow.outcome) == word("wait"),
)
_FORGOTTEN = delete(InboxRow).where(
    col(InboxRow.partner) == bindparam("b_partner"),
    col(InboxRow.outcome) == word("reject"),
    col(InboxRow.since)
    < select(InboxRow.since)
    .where(col(InboxRow.partner) == bindparam("b_partner"), col(InboxRow.outcome) == word("reject"))
    .order_by(col(InboxRow.since).desc())
    .offset(literal_column(str(MAX_REFUSED)))
    .limit(literal_column("1"))
    .scalar_subquery(),
)
_ARRIVED = (
    update(TaskRow)
    .where(
        col(TaskRow.key).between(bindparam("b_first"), bindparam("b_last")),
        col(TaskRow.kind) == word("receive"),
        col(TaskRow.status) == word("open"),
    )
    .values(retry_at=literal_column("0"))
)
_MOVED = (
    update(InboxRow)
    .where(col(InboxRow.execution) == bindparam("b_execution"), col(InboxRow.outcome) == word("wait"))
    .values(retry_at=literal_column("0"))
)


class Outcome(NamedTuple):
    """What became of a message: ``confirm``, ``reject``, ``wait``, or ``full`` when it has to come again; and why.

    ``execution`` is what a confirmed one was about.
    """

    word: str
    error: TallystickError | None = None
    execution: str | None = None


class Inbox:
    """Takes messages in, each in a unit of its own."""

    def __init__(self, database: Database, context: Context, bell: Bell, committer: Committer) -> None:
        self._database = database
        self._context = context
        self._bell = bell
        self._committer = committer
        self._some_wait = True  # until a look at the table has shown otherwise
        self._told = 0  # commits that left something waiting
        committer.listen(self._heard)
        self._refused = 0  # since this process began
        self._looks_at = 0  # the table is looked at again then: a replica may have left something waiting

    async def receive(self, partner: str, message_id: str, payload: bytes) -> Verdict:
        """``ack`` once the outcome of all that came in it is durable; ``nak`` when this node could not decide now."""
        try:
            outcome = await self.take(partner, message_id, payload)
        except QuotaExceeded as error:
            logger.info("message %s from %s is held back: %s", message_id, partner, error)
            return ("retry", _OVER_QUOTA_S)
        except TallystickError as error:
            logger.warning("message %s from %s is held back: %s", message_id, partner, error)
            return "nak"
        except Exception:
            # Whatever went wrong is ours, not the sender's: the stream keeps the message and brings it again.
            logger.exception("message %s from %s was not taken in", message_id, partner)
            return "nak"
        return "nak" if outcome.word == "full" else "ack"

    async def retry_waiting(self, *, anyway: bool = False) -> int:
        """Try what waits and is due, the longest due first; how many went through.

        The table is looked at where this process knows that something waits, now and then, or ``anyway``.
        """
        done = 0
        if not (anyway or self._some_wait) and self._context.now() < self._looks_at:
            return done
        self._looks_at = self._context.now() + LOOK_AGAIN_MS
        told = self._told
        rows, some_wait = await asyncio.to_thread(self._due)
        self._some_wait = some_wait or self._told != told
        tries = [self.take(row.partner, row.message_id, row.payload or b"") for row in rows]
        for outcome in await asyncio.gather(*tries, return_exceptions=True):
            if isinstance(outcome, Outcome):
                done += outcome.word in {"confirm", "reject"}
            elif not isinstance(outcome, Exception):
                raise outcome
            elif not isinstance(outcome, TallystickError):  # what raised stays due
                logger.error("a waiting message is put off", exc_info=outcome)
        return done

    def _heard(self, notes: list[Note]) -> None:
        if any(note.kind == "waits" for note in notes):
            self._told += 1
            self._some_wait = True

    async def take(self, partner: str, message_id: str, payload: bytes, nonce: Nonce | None = None) -> Outcome:
        """What became of the message, once that is durable, and the ``nonce`` that it came under with it.

        Of several that came as one: ``full`` if one of them has to come again, else ``confirm``; each has its own
        outcome here. Their jobs are queued before this first waits, so they keep their order and commit together.
        Raises what kept this node from deciding, and `nonces.Replayed`; nothing of the message is left then.
        """
        try:
            several = messages.split(payload)
        except Invalid as error:
            return await self._reject(partner, message_id, error, nonce)
        me = self._context.org_id
        if len(several) == 1:  # by its content: what is sent again bears another id each time
            return await self._ended(*self._begin(partner, messages.message_id(me, payload), payload, nonce))
        # The nonce goes with the first one: taking the others in twice changes nothing.
        begun = [
            self._begin(partner, messages.message_id(me, one), one, None if number else nonce)
            for number, one in enumerate(several)
        ]
        await asyncio.wait([future for _, future in begun])
        outcomes = [await self._ended(message, future) for message, future in begun]
        return next((one for one in outcomes if one.word == "full"), Outcome("confirm"))

    def _begin(
        self, partner: str, message_id: str, payload: bytes, nonce: Nonce | None
    ) -> tuple[Message | None, asyncio.Future[Outcome]]:
        """Queue what is to be done; nothing here waits."""
        try:
            message = messages.decode(payload)
        except Invalid as error:
            return None, self._reject(partner, message_id, error, nonce)

        def job(unit: Unit) -> Outcome:
            nonces.check(unit, nonce)
            outcome = self._take(unit, partner, message_id, message, payload)
            nonces.keep(unit, nonce)
            return outcome

        return message, self._committer.submit(job)

    def _reject(self, partner: str, message_id: str, error: Invalid, nonce: Nonce | None) -> asyncio.Future[Outcome]:
        def job(unit: Unit) -> Outcome:
            nonces.check(unit, nonce)
            outcome = self._rejected(unit, partner, message_id, None, error)
            nonces.keep(unit, nonce)
            return outcome

        return self._committer.submit(job)

    async def _ended(self, message: Message | None, future: asyncio.Future[Outcome]) -> Outcome:
        outcome = await future
        if outcome.word == "confirm" and message is not None:
            if isinstance(message, ChunkMessage):
                await asyncio.to_thread(incoming.finish, self._context, message)
            self._bell.ring({"topic": "execution", "id": outcome.execution} if outcome.execution else None)
        return outcome

    def _due(self) -> tuple[list[InboxRow], bool]:
        """What is due, of each partner the longest due first, and whether anything waits at all."""
        due = (InboxRow.outcome == "wait", col(InboxRow.retry_at) <= self._context.now())
        any_of_them = select(InboxRow.message_id).where(InboxRow.outcome == "wait").limit(1)
        with self._database.looking() as session:
            partners = session.exec(select(InboxRow.partner).where(*due).distinct()).all()
            rows = [row for partner in partners for row in session.exec(_longest(due, partner, len(partners)))]
            return rows, bool(rows) or session.exec(any_of_them).first() is not None

    def _take(self, unit: Unit, partner: str, message_id: str, message: Message, payload: bytes) -> Outcome:
        """The outcome; whatever it is, it becomes durable with it."""
        try:
            execution = incoming.handle(unit, self._context, partner, message)
        except NotYet as error:
            unit.discard()
            return self._wait(unit, partner, message_id, messages.execution_of(message), error, payload)
        except Invalid as error:
            unit.discard()
            return self._rejected(unit, partner, message_id, message, error)
        except (Conflict, exc.DBAPIError, TallystickError):
            raise
        except Exception:
            # Ours, not the sender's, and perhaps of this execution only: it waits, and nothing waits behind it.
            logger.exception("message %s from %s cannot be taken in now", message_id, partner)
            unit.discard()
            put_off = NotYet("this node cannot take it in now; its log says why", code="internal")
            return self._wait(unit, partner, message_id, messages.execution_of(message), put_off, payload)
        self._settle(unit, partner, message_id, execution, chunk=isinstance(message, ChunkMessage))
        return Outcome("confirm", execution=execution)

    def _settle(self, unit: Unit, partner: str, message_id: str, execution: str | None, *, chunk: bool) -> None:
        """The message waits no longer, and what waits for its execution, or for its chunk, is due at once.

        Most of the time nothing waits here; what a replica left waiting is found in the table within some seconds.
        """
        if self._some_wait:
            unit.later(InboxRow, _WENT_THROUGH, {"b_partner": partner, "b_message": message_id})
        if execution is not None:
            if self._some_wait:
                unit.later(InboxRow, _MOVED, {"b_execution": execution})
            if chunk:
                unit.later(TaskRow, _ARRIVED, keys_of(store.number_of(unit, execution)))
            if self._some_wait or chunk:
                unit.note("due", 0)

    def _wait(
        self, unit: Unit, partner: str, message_id: str, execution: str | None, error: NotYet, payload: bytes
    ) -> Outcome:
        now = self._context.now()
        row = unit.get(InboxRow, (partner, message_id))
        if row is None and self._is_full(unit, partner, len(payload)):
            return Outcome("full", error)
        since = row.since if row else now
        unit.put(
            InboxRow,
            partner=partner,
            message_id=message_id,
            execution=None if isinstance(error, Hidden) else execution,  # whatever moves that does not wake it
            outcome="wait",
            reason=_reason(error),
            since=since,
            retry_at=now + min(max((now - since) // 2, SOONEST_MS), LATEST_MS),
            payload=payload,
        )
        unit.note("due", now + SOONEST_MS)
        unit.note("waits", None)
        self._some_wait = True
        return Outcome("wait", error)

    def _is_full(self, unit: Unit, partner: str, size: int) -> bool:
        query = select(func.count(), func.sum(func.length(InboxRow.payload))).where(
            InboxRow.partner == partner, InboxRow.outcome == "wait"
        )
        count, held = unit.exec(query)[0]
        return bool(count >= MAX_WAITING or int(held or 0) + size > MAX_WAITING_BYTES)

    def _rejected(self, unit: Unit, partner: str, message_id: str, message: Message | None, error: Invalid) -> Outcome:
        """Note it, and sign the reason for its author. An agreement is noted under its own hash, which entries name."""
        logger.warning("message %s from %s is refused: %s", message_id, partner, error)
        unit.delete(InboxRow, (partner, message_id))
        name = messages.agreement_of(message) if isinstance(message, AgreementMessage) else message_id
        unit.put(
            InboxRow,
            partner=partner,
            message_id=name,
            execution=messages.execution_of(message) if message else None,
            outcome="reject",
            reason=_reason(error),
            since=self._context.now(),
        )
        self._refused += 1
        if self._refused % _FORGET_EVERY == 0:
            unit.later(InboxRow, _FORGOTTEN, {"b_partner": partner})
        if message is not None:
            self._refuse(unit, partner, message, error)
        return Outcome("reject", error)

    def _refuse(self, unit: Unit, partner: str, message: Message, error: Invalid) -> None:
        try:
            refusing.refuse(unit, self._context, partner, message, error)
        except Invalid:
            return  # unreadable: there is nothing to name in a refusal


def _longest(due: tuple[Any, ...], partner: str, partners: int) -> SelectOfScalar[InboxRow]:
    """A partner's share of a round: however much one has waiting, and however often that is due, others have theirs."""
    query = select(InboxRow).where(InboxRow.partner == partner, *due)
    return query.order_by(col(InboxRow.retry_at), col(InboxRow.since)).limit(max(_BATCH // partners, _LEAST))


def _reason(error: TallystickError) -> str:
    return f"{error.code}: {error.detail}"[: refusing.MAX_DETAIL]
