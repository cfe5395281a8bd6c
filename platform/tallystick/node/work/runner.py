"""The runner: what is due here. Timers of executions that we coordinate, automatic tasks, activities.

What an entry makes due is heard from the commit that wrote it. The tables are looked through by index, at start, when
the earliest time that stands in them has come, and now and then for what another replica has left undone. Hundreds of
timers or tasks go into one commit; trouble with one is noted beside it and delays no other.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from sqlalchemy import bindparam, func, update
from sqlmodel import col, select

from tallystick.core.engine.names import MISMATCH
from tallystick.core.engine.state import GOING
from tallystick.core.errors import TallystickError, Unavailable, WrongState
from tallystick.core.statement import Timer
from tallystick.node.record import queues, store, submitting
from tallystick.node.record.answering import say_result
from tallystick.node.record.authoring import Saying, say
from tallystick.node.record.calls import ACTIVITY, LEASE_MS, QUEUED, Call, call_of
from tallystick.node.record.context import Context
from tallystick.node.record.forms import check_form
from tallystick.node.record.loaded import Loaded
from tallystick.node.record.scopes import output_of
from tallystick.node.record.unit import Note, Unit
from tallystick.node.schemas import SchemaMismatch
from tallystick.node.work import automatic, schedules
from tallystick.node.work.activities import Activities, ActivityCall, ActivityFailed
from tallystick.node.work.committer import Committer
from tallystick.node.work.dispatch import Dispatch
from tallystick.node.work.inbox import Inbox
from tallystick.tenants.database import Database
from tallystick.tenants.models.record import ExecutionRow, InboxRow, StatementRow, TaskRow

logger = logging.getLogger(__name__)
BATCH = 500  # timers, and tasks, of one round
LOOK_AGAIN_MS = 10_000  # for what another replica of this node has left undone
SELDOM_MS = (
    300_000  # the same, where nothing has been committed since the last look: most tenants of a large node sleep
)
IDLE_MS = 2_000  # after the last commit; then a tenant keeps no connection open
UNUSED_MS = 100  # the same, where there was none: hundreds of tenants that start together keep few connections open
DOUBT_MS = 1_000  # until a clock in doubt is looked at again
MAX_FIRED = 100  # timers of one execution in one job
MAX_FAILURES = 10_000  # executions in trouble whose tries are counted
MAX_DOUBLINGS = 9  # of the half a second after which they are tried again: at most some four minutes
_PUT_OFF = (
    update(ExecutionRow)
    .where(col(ExecutionRow.id) == bindparam("b_execution"), col(ExecutionRow.next_due) <= bindparam("b_now"))
    .values(next_due=bindparam("b_due"))
)
_CLAIMED = {"status": "claimed", "claimed_by": "node", "retry_at": None}


class Runner:
    """Does what is due until nothing is, then waits."""

    def __init__(
        self,
        database: Database,
        context: Context,
        committer: Committer,
        inbox: Inbox,
        activities: Activities,
    ) -> None:
        self._database = database
        self._context = context
        self._committer = committer
        self._inbox = inbox
        self._dispatch = Dispatch(activities, self._answer, self._keep_details)
        self._started = context.now()
        self._recovering = True
        self._failures: dict[str, int] = {}  # of executions whose timers cannot be looked after
        self._due_at = 0
        self._look_again_ms = LOOK_AGAIN_MS
        self._committed = False  # since connections were closed last
        self._wake = asyncio.Event()
        committer.listen(self._heard)

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            while True:
                try:
                    done = await self.once()
                except Exception:  # nothing that is due here may end the loop
                    logger.exception("work is put off")
                    done = 0
                if not done:
                    await self._rest()
        finally:
            await self._dispatch.stop()

    async def once(self) -> int:
        """One round; how much was done."""
        now = self._context.now()
        if now < self._due_at:
            return 0
        try:
            self._context.check_clock()
        except Unavailable:  # nothing is due at a time that nobody knows
            self._due_at = now + DOUBT_MS
            return 0
        self._due_at = now + self._look_again_ms
        timers, tasks, overdue, later = await asyncio.to_thread(self._look, now)
        self._due_at = min(self._due_at, later)  # a commit may have brought something meanwhile
        done = await self._inbox.retry_waiting()
        tries = [self._tried(partial(self._fire, execution=one), self._timers_later(one)) for one in timers]
        tries += [
            self._tried(partial(self._take_up if row.kind == ACTIVITY else self._task, key=row.key), _later(row))
            for row in tasks
        ]
        tries += [self._tried(partial(self._submit, key=key), submitting.later(*key)) for key in overdue]
        done += sum(await asyncio.gather(*tries))
        if not tasks:
            self._recovering = False
        self._look_again_ms = LOOK_AGAIN_MS if done or self._committed else SELDOM_MS
        return done

    async def _tried(self, job: Callable[[Unit], int], later: Callable[[Unit, int], None]) -> int:
        """What came of one job. One that cannot be done is put off by itself, so that it is not due again at once."""
        try:
            return await self._committer.run(job)
        except Unavailable as error:
            logger.warning("work is put off: %s", error)
            return 0
        except Exception:
            logger.exception("work is put off")
        with contextlib.suppress(Unavailable):
            await self._committer.run(lambda unit: later(unit, self._context.now()))
        return 0

    def _timers_later(self, execution: str) -> Callable[[Unit, int], None]:
        """Put an execution's timers off: they fire late rather than never, and hold up no other's."""

        def later(unit: Unit, now: int) -> None:
            self._failures[execution] = tries = min(self._failures.pop(execution, 0) + 1, MAX_DOUBLINGS)
            while len(self._failures) > MAX_FAILURES:
                del self._failures[next(iter(self._failures))]
            retry_at = now + automatic.SOONEST_MS * 2**tries
            unit.later(ExecutionRow, _PUT_OFF, {"b_execution": execution, "b_now": now, "b_due": retry_at})
            unit.note("due", retry_at)

        return later

    async def _rest(self) -> None:
        """Until something is heard, or the earliest time known has come."""
        wait_ms = min(max(self._due_at - self._context.now(), 0), SELDOM_MS)
        idle_ms = IDLE_MS if self._committed else UNUSED_MS
        if wait_ms > idle_ms and not await self._woken(idle_ms):
            self._committed = False
            await asyncio.to_thread(self._database.rest)
            wait_ms -= idle_ms
        await self._woken(max(wait_ms, 1))
        self._wake.clear()

    async def _woken(self, wait_ms: int) -> bool:
        try:
            async with asyncio.timeout(wait_ms / 1000):  # `wait_for` may swallow a cancellation
                await self._wake.wait()
        except TimeoutError:
            return False
        return True

    def _heard(self, notes: list[Note]) -> None:
        """A commit: its activities begin at once; what else it made due wakes the loop."""
        self._committed = True
        for note in notes:
            match note.kind:
                case "call":
                    self._begin(note.facts)
                case "due" if note.facts < self._due_at:
                    self._due_at = note.facts
                    self._wake.set()
                case "ended":
                    self._dispatch.end(token=note.facts)
                case "closed":
                    self._dispatch.end(execution=note.facts)

    def _begin(self, due: Call) -> None:
        """Offer a call to its activity; one that finds no room stays in the table until its lease ends."""
        call = ActivityCall(
            token=due.key,
            execution=due.execution,
            task=due.task,
            step=due.step,
            attempt=due.attempt,
            activity_type=due.activity_type,
            input=due.input,
            due_at=due.due_at,
            heartbeat_seconds=due.heartbeat_seconds,
            details=None if due.details is None else msgspec.json.decode(due.details),
        )
        self._dispatch.offer(call, due.since, due.priority)

    def _look(self, now: int) -> tuple[list[str], list[TaskRow], list[tuple[int, str]], int]:
        """Executions with due timers, due tasks, statements past the sequencing limit, and when to look again."""
        # At start, what this node's last run had leased is due: it cannot be running any more.
        until = max(now, self._started + LEASE_MS - 1) if self._recovering else now
        with self._database.looking() as session:
            due = select(ExecutionRow.id).where(col(ExecutionRow.next_due) <= now)
            timers = list(session.exec(due.order_by(col(ExecutionRow.next_due)).limit(BATCH)))
            ready = select(TaskRow).where(col(TaskRow.retry_at) <= until)
            tasks = list(session.exec(ready.order_by(col(TaskRow.retry_at)).limit(BATCH)))
            late = select(StatementRow.number, StatementRow.id).where(col(StatementRow.due_at) <= now)
            overdue = [
                (number, name) for number, name in session.exec(late.order_by(col(StatementRow.due_at)).limit(BATCH))
            ]
            times = (
                select(func.min(ExecutionRow.next_due)).where(col(ExecutionRow.next_due) > now),
                select(func.min(TaskRow.retry_at)).where(col(TaskRow.retry_at) > until),
                select(func.min(StatementRow.due_at)).where(col(StatementRow.due_at) > now),
                select(func.min(InboxRow.retry_at)).where(InboxRow.outcome == "wait"),
            )
            later = [session.exec(one).one() for one in times]
        if timers or tasks or overdue:
            return timers, tasks, overdue, 0
        return timers, tasks, overdue, min((one for one in later if one is not None), default=now + self._look_again_ms)

    def _fire(self, unit: Unit, execution: str) -> int:
        """Every timer of the execution that is due, the earliest first."""
        loaded = store.load(unit, execution)
        fired = schedules.state_wanted(unit, self._context, loaded)
        if loaded.agreement.coordinator != self._context.org_id:
            return fired
        self._failures.pop(execution, None)
        while loaded.state.timers and loaded.state.status != "suspended" and fired < MAX_FIRED:
            name, timer = min(loaded.state.timers.items(), key=lambda item: (item[1].due_at, item[0]))
            if timer.due_at > self._context.now():
                break
            key = f"timer/{name}/{loaded.state.size}"
            saying = Saying(kind="timer", make=partial(_timer, name), answer_key=key)
            say(unit, self._context, loaded, saying)
            fired += 1
        return fired

    def _task(self, unit: Unit, key: str) -> int:
        """Do one automatic task; why it cannot be done now is noted where staff can see it."""
        row = unit.get(TaskRow, key)
        if row is None or row.status != "open":
            unit.change(TaskRow, key, retry_at=None)
            return 0
        try:
            loaded = store.load(unit, row.execution)
            if row.kind == QUEUED:
                return self._enqueue(unit, loaded, row)
            automatic.DOERS[row.kind](unit, self._context, loaded, row)
        except WrongState as error:
            unit.discard()
            unit.change(TaskRow, key, **_CLAIMED, note=_reason(error))  # our answer is on its way
            return 0
        except SchemaMismatch as error:
            unit.discard()
            automatic.mismatched(unit, self._context, loaded, row, _reason(error))
            return 0
        except TallystickError as error:
            unit.discard()
            retry_at = automatic.retry_at(row, self._context.now())
            unit.change(TaskRow, key, note=_reason(error), retry_at=retry_at)
            unit.note("due", retry_at)
            return 0
        self._said(unit, key)
        return 1

    def _submit(self, unit: Unit, key: tuple[int, str]) -> int:
        return submitting.submit(unit, self._context, *key)

    def _take_up(self, unit: Unit, key: str) -> int:
        """Lease an activity that nobody seems to be running, and call it after the commit."""
        row, until = unit.get_one(TaskRow, key), self._context.now() + LEASE_MS
        unit.change(TaskRow, key, retry_at=until)
        if not self._dispatch.holds(key):
            self._call(unit, row)
        unit.note("due", until)
        return 1

    def _call(self, unit: Unit, row: TaskRow) -> None:
        loaded = store.load(unit, row.execution)
        if row.task not in loaded.state.tasks:
            unit.change(TaskRow, row.key, retry_at=None)
            return
        given = automatic.prepared(unit, self._context, loaded, row)
        if given is None:
            self._said(unit, row.key)
        else:
            unit.note("call", call_of(row, store.step_of(loaded.agreement, row.step), given))

    def _enqueue(self, unit: Unit, loaded: Loaded, row: TaskRow) -> int:
        """A worker may claim it now that its input can be read."""
        if automatic.prepared(unit, self._context, loaded, row) is None:
            self._said(unit, row.key)
        else:
            queues.enqueue(unit, row, store.step_of(loaded.agreement, row.step))
            unit.change(TaskRow, row.key, retry_at=None)
        return 1

    async def _keep_details(self, token: str, details: str) -> None:
        """Where a call says that it is; losing that costs work, not correctness."""
        try:
            await self._committer.run(lambda unit: unit.change(TaskRow, token, details=details))
        except TallystickError as error:
            logger.warning("the details of %s are not kept: %s", token, error)

    async def _answer(self, call: ActivityCall, result: dict[str, object], failure: ActivityFailed | None) -> None:
        try:
            await self._committer.run(lambda unit: self._say_result(unit, call, result, failure))
        except WrongState:
            return  # answered before: by a replica, or by this node before it was stopped
        except TallystickError as error:
            logger.warning("the result of %s is put off: %s", call.task, error)
        except Exception:  # the lease ends, and the function is called again
            logger.exception("the result of %s is put off", call.task)

    def _say_result(
        self, unit: Unit, call: ActivityCall, result: dict[str, object], failure: ActivityFailed | None
    ) -> None:
        loaded = store.load(unit, call.execution)
        task = loaded.state.tasks.get(call.task)
        if loaded.state.status not in GOING or task is None or (task.status, task.attempt) != ("open", call.attempt):
            return  # its time is over
        outcome: dict[str, Any] = {"status": "completed", "values": dict(result)}
        if failure is not None:
            outcome = {"status": "failed", "values": {}, "code": failure.code, "message": failure.detail}
        try:
            if failure is None:
                outcome["values"] = output_of(unit, loaded, call.task, dict(result))
                check_form(store.step_of(loaded.agreement, call.step), outcome["values"])
            say_result(unit, self._context, loaded, call, **outcome)
        except WrongState:
            raise
        except TallystickError as error:  # what it returned cannot be said: that is its failure
            if failure is not None:
                raise
            unit.discard()
            code = MISMATCH if isinstance(error, SchemaMismatch) else error.code
            self._say_result(unit, call, {}, ActivityFailed(error.detail, code=code))
            return
        if loaded.agreement.coordinator != self._context.org_id:
            unit.change(TaskRow, call.token, **_CLAIMED)

    def _said(self, unit: Unit, key: str) -> None:
        """The record will close the task, or has done so."""
        held = unit.get_one(TaskRow, key)
        if held.status == "open":
            unit.change(TaskRow, key, **_CLAIMED)


def _timer(name: str, _data: dict[str, str], _sealed: list[str]) -> Timer:
    return Timer(timer=name)


def _later(row: TaskRow) -> Callable[[Unit, int], None]:
    """Put a task off that this node cannot even look after; why stands in its log."""

    def later(unit: Unit, now: int) -> None:
        retry_at = automatic.retry_at(row, now)
        unit.change(TaskRow, row.key, note="internal: this node cannot do it now", retry_at=retry_at)
        unit.note("due", retry_at)

    return later


def _reason(error: TallystickError) -> str:
    return f"{error.code}: {error.detail}"[:300]
