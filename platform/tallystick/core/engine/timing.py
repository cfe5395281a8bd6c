"""Statements about time: timers that are due, and due times that are stated."""

from collections.abc import Callable

from tallystick.core.definition.model import TEN_YEARS
from tallystick.core.engine import flow
from tallystick.core.engine.agenda import resume
from tallystick.core.engine.timers import MS
from tallystick.core.engine.work import Work
from tallystick.core.statement import Schedule, Statement, Timer


def timer(work: Work, statement: Statement, body: Timer) -> str | None:
    """The coordinator states that a timer is due."""
    if statement.iss != work.agreement.coordinator:
        return "not_the_coordinator"
    found = work.state.timers.get(body.timer)
    if found is None:
        return "unknown_timer"
    if work.state.status == "suspended":
        return "suspended"
    if found.due_at > work.at:
        return "not_due"
    work.emit({"type": "timer_fired", "timer": body.timer, "purpose": found.purpose})
    _FIRED[found.purpose](work, found.task)
    return None


def schedule(work: Work, statement: Statement, body: Schedule) -> str | None:
    """Who has to states when a timer is due; a time that has passed meanwhile makes it due at once."""
    wanted = work.state.wanted.get(body.timer)
    if wanted is None:
        return "already_scheduled" if body.timer in work.state.timers else "unknown_timer"
    if statement.iss != wanted.by:
        return "not_assigned"
    if work.state.status == "suspended":
        return "suspended"
    if not wanted.since <= body.due_at <= work.at + TEN_YEARS * MS:
        return "bad_due_time"
    facts = {"timer": body.timer, "due_at": body.due_at, "purpose": wanted.purpose, "task": wanted.task}
    work.emit({"type": "timer_set", **facts})
    return None


def _timeout(work: Work, name: str) -> None:
    work.emit({"type": "timed_out", "task": name, "attempt": work.state.tasks[name].attempt})
    work.follow("failed", name, "timed_out")


def _reminder(work: Work, name: str) -> None:
    _remind(work, name, "reminded")


def _due(work: Work, name: str) -> None:
    _remind(work, name, "overdue")


def _remind(work: Work, name: str, event: str) -> None:
    task = work.state.tasks[name]
    orgs = list(task.waiting) if task.status == "delivering" else [task.org]
    work.emit({"type": event, "task": name, "attempt": task.attempt, "orgs": orgs})


def _retry(work: Work, name: str) -> None:
    flow.again(work, name)


def _over(work: Work, name: str) -> None:
    work.follow("completed", name, None)


def _continue(work: Work, name: str) -> None:
    resume(work)


_FIRED: dict[str, Callable[[Work, str], None]] = {
    "timeout": _timeout,
    "reminder": _reminder,
    "due": _due,
    "retry": _retry,
    "delay": _over,
    "instant": _over,
    "continue": _continue,
}
