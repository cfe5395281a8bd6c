"""Timers of executions that we coordinate: they fire late rather than never, and one in trouble holds up no other."""

from collections.abc import Callable
from functools import partial

from sqlalchemy import bindparam, update
from sqlmodel import col

from tallystick.core.statement import Timer
from tallystick.node.record import store
from tallystick.node.record.authoring import Saying, say
from tallystick.node.record.context import Context
from tallystick.node.record.unit import Unit
from tallystick.node.work import automatic, schedules
from tallystick.tenants.models.record import ExecutionRow

MAX_FIRED = 100  # timers of one execution in one job
MAX_FAILURES = 10_000  # executions in trouble whose tries are counted
MAX_DOUBLINGS = 9  # of the half a second after which they are tried again: at most some four minutes
_PUT_OFF = (
    update(ExecutionRow)
    .where(col(ExecutionRow.id) == bindparam("b_execution"), col(ExecutionRow.next_due) <= bindparam("b_now"))
    .values(next_due=bindparam("b_due"))
)


class Firing:
    """States the timers that are due."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._failures: dict[str, int] = {}  # of executions whose timers cannot be looked after

    def fire(self, unit: Unit, execution: str) -> int:
        """Every timer of the execution that is due, the earliest first; how many."""
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
            say(unit, self._context, loaded, Saying(kind="timer", make=partial(_timer, name), answer_key=key))
            fired += 1
        return fired

    def later(self, execution: str) -> Callable[[Unit, int], None]:
        """Put an execution's timers off, each time for longer."""

        def later(unit: Unit, now: int) -> None:
            self._failures[execution] = tries = min(self._failures.pop(execution, 0) + 1, MAX_DOUBLINGS)
            while len(self._failures) > MAX_FAILURES:
                del self._failures[next(iter(self._failures))]
            retry_at = now + automatic.SOONEST_MS * 2**tries
            unit.later(ExecutionRow, _PUT_OFF, {"b_execution": execution, "b_now": now, "b_due": retry_at})
            unit.note("due", retry_at)

        return later


def _timer(name: str, _data: dict[str, str], _sealed: list[str]) -> Timer:
    return Timer(timer=name)
