"""The runner: what is due here. Timers of executions that we coordinate, decisions, notifications and receipts."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import msgspec
from sqlmodel import Session, col, select

from tallystick.core import canonical
from tallystick.core.errors import Invalid, NotYet, TallystickError, WrongState
from tallystick.core.expression.evaluate import evaluate, outcome_of
from tallystick.core.manifest import is_file
from tallystick.core.scope import Value, variables
from tallystick.core.statement import Received, Result, Timer
from tallystick.node.record import store
from tallystick.node.record.authoring import Saying, say
from tallystick.node.record.context import Context
from tallystick.node.record.effects import AUTOMATIC
from tallystick.node.record.store import Loaded
from tallystick.node.work.bell import Bell
from tallystick.node.work.inbox import Inbox
from tallystick.tenants.chunks import FileOpener, read_manifest
from tallystick.tenants.database import Database
from tallystick.tenants.models.record import ExecutionRow, OpeningRow, TaskRow

logger = logging.getLogger(__name__)


class Runner:
    """Does what is due until nothing is, then waits for the bell or the next second."""

    def __init__(self, database: Database, context: Context, bell: Bell, lock: asyncio.Lock, inbox: Inbox) -> None:
        self._database = database
        self._context = context
        self._bell = bell
        self._lock = lock
        self._inbox = inbox

    async def run(self) -> None:
        """Work until cancelled."""
        ear = self._bell.ear()
        while True:
            try:
                done = await self.once()
            except TallystickError:
                logger.exception("work is put off")
                done = 0
            if done:
                self._bell.ring()
            else:
                await ear.wait(0.5)

    async def once(self) -> int:
        """One round; how much was done."""
        done = await self._inbox.retry_waiting()
        for work in await asyncio.to_thread(self._due):
            async with self._lock:
                done += await asyncio.to_thread(self._attempt, work)
        return done

    def _due(self) -> list[tuple[str, str]]:
        """(what, key): timers as ("timer", execution), automatic tasks as ("task", key)."""
        with self._database.session() as session:
            due = select(ExecutionRow.id).where(
                ExecutionRow.coordinator == self._context.org_id, col(ExecutionRow.next_due) <= self._context.now()
            )
            tasks = (
                select(TaskRow.key)
                .where(TaskRow.status == "open", col(TaskRow.kind).in_(AUTOMATIC))
                .order_by(col(TaskRow.since))
                .limit(200)
            )
            return [("timer", one) for one in session.exec(due.limit(200))] + [
                ("task", one) for one in session.exec(tasks)
            ]

    def _attempt(self, work: tuple[str, str]) -> int:
        """Do one piece; trouble with it is noted where staff can see it and delays nothing else."""
        what, key = work
        try:
            with self._database.write() as session:
                (self._fire if what == "timer" else self._task)(session, key)
            return 1
        except TallystickError as error:
            if what == "task":
                self._note(key, error)
            else:
                logger.warning("timer of %s: %s", key, error)
            return 0

    def _fire(self, session: Session, execution: str) -> None:
        loaded = store.load(session, execution)
        due = min(loaded.state.timers.items(), key=lambda item: (item[1].due_at, item[0]))[0]
        saying = Saying(
            kind="timer", make=lambda _data, _sealed: Timer(timer=due), answer_key=f"timer/{due}/{loaded.state.size}"
        )
        say(session, self._context, loaded, saying)

    def _task(self, session: Session, key: str) -> None:
        row = session.get_one(TaskRow, key)
        _DOERS[row.kind](self, session, store.load(session, row.execution), row)
        if row.status == "open":
            row.status = "claimed"  # said; the record will close it
            row.claimed_by = "node"
            session.add(row)

    def decision(self, session: Session, loaded: Loaded, row: TaskRow) -> None:
        """Evaluate the step's expression over the values that we may read, and state the outcome."""
        step = loaded.agreement.definition["steps"][row.step]
        try:
            outcome = outcome_of(evaluate(step["expression"], _scope(session, row.execution)))
            saying = _result(row, status="completed", outcome=outcome)
        except Invalid as error:
            saying = _result(row, status="failed", error={"code": error.code})
        say(session, self._context, loaded, saying)

    def notification(self, session: Session, loaded: Loaded, row: TaskRow) -> None:
        """The text stands in the agreement; stating the result sends it."""
        say(session, self._context, loaded, _result(row, status="completed"))

    def receive(self, session: Session, loaded: Loaded, row: TaskRow) -> None:
        """Confirm a delivery once every value and every byte of it is here and right."""
        task = loaded.state.tasks[row.task]
        query = select(OpeningRow).where(
            OpeningRow.execution == row.execution, OpeningRow.task == row.task, OpeningRow.attempt == row.attempt
        )
        held = list(session.exec(query))
        if not held:
            raise NotYet(f"waits for the data of {task.org}", code="no_data")
        for one in held:
            self._check_file(canonical.parse(one.value), task.org)
        sealed = list(task.sealed)
        saying = Saying(
            kind="received",
            make=lambda _data, _sealed: Received(task=row.task, attempt=row.attempt, sealed=sealed),
            answer_key=f"received/{row.task}/{row.attempt}",
            task=row.task,
            attempt=row.attempt,
        )
        say(session, self._context, loaded, saying)

    def _check_file(self, value: Any, sender: str) -> None:
        if not is_file(value):
            return
        manifest = read_manifest(value)
        missing = [name for name in manifest.chunks if not self._context.chunks.has(name)]
        if missing:
            raise NotYet(
                f"waits for {len(missing)} of {len(manifest.chunks)} chunks from {sender}", code="chunks_missing"
            )
        opener = FileOpener(manifest)
        for name in manifest.chunks:
            opener.open(self._context.chunks.get(name))
        opener.finish()

    def _note(self, key: str, error: TallystickError) -> None:
        note = f"{error.code}: {error.detail}"[:300]
        with self._database.write() as session:
            row = session.get_one(TaskRow, key)
            if isinstance(error, WrongState):
                row.status = "claimed"  # our answer is on its way
                row.claimed_by = "node"
            elif row.note == note:
                return
            row.note = note
            session.add(row)


def _result(row: TaskRow, *, status: str, outcome: str | None = None, error: dict[str, str] | None = None) -> Saying:
    facts: dict[str, Any] = {"task": row.task, "attempt": row.attempt, "status": status}

    def make(_data: dict[str, str], _sealed: list[str]) -> Result:
        return msgspec.convert({**facts, "outcome": outcome, "error": error}, Result)

    return Saying(
        kind="result",
        make=make,
        answer_key=f"result/{row.task}/{row.attempt}",
        task=row.task,
        attempt=row.attempt,
    )


def _scope(session: Session, execution: str) -> dict[str, Any]:
    rows = session.exec(select(OpeningRow).where(OpeningRow.execution == execution))
    return variables(Value(row.task, row.attempt, row.property, canonical.parse(row.value)) for row in rows)


_DOERS: dict[str, Callable[[Runner, Session, Loaded, TaskRow], None]] = {
    "decision": Runner.decision,
    "notification": Runner.notification,
    "receive": Runner.receive,
}
