"""``decide``: what follows from a statement, or why nothing does.

Pure and total: the same agreement, state, statement and time give the same answer in any process, and no statement
whose form holds makes it raise. A handler answers with the reason why the statement is void, or with None.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from tallystick.core.agreement import Agreement
from tallystick.core.engine import flow
from tallystick.core.engine.state import OPEN, State, Task
from tallystick.core.engine.work import Work
from tallystick.core.entry import APPLIED
from tallystick.core.statement import (
    Acknowledge,
    Consent,
    Received,
    Result,
    Statement,
    Terminate,
    Timer,
)


class Decision(msgspec.Struct, frozen=True):
    """``outcome`` is ``applied`` or ``void:reason``; ``events`` are empty when void."""

    outcome: str
    events: list[dict[str, Any]]


def decide(agreement: Agreement, state: State, statement: Statement, at: int) -> Decision:
    """What ``statement`` does to an execution in ``state`` when it is sequenced at ``at`` (milliseconds)."""
    work = Work(agreement, state, at)
    reason = _general(agreement, state, statement) or _HANDLERS[statement.kind](work, statement, statement.body)
    return Decision(f"void:{reason}", []) if reason else Decision(APPLIED, work.events)


def _general(agreement: Agreement, state: State, statement: Statement) -> str | None:
    """What holds for every kind."""
    if agreement.participant(statement.iss) is None:
        return "not_a_participant"
    if state.size == 0 and statement.kind != "propose":
        return "not_proposed"
    if state.status not in OPEN:
        return "closed"
    if state.size >= agreement.limits.max_entries and statement.kind != "terminate":
        return "too_many_entries"
    return None


def _propose(work: Work, statement: Statement, body: Any) -> str | None:
    if work.state.size:
        return "already_proposed"
    if statement.iss != work.agreement.initiator:
        return "not_the_initiator"
    work.emit("proposed", by=statement.iss, participants=[one.org_id for one in work.agreement.participants])
    _ready_when_all_accept(work)
    return None


def _consent(work: Work, statement: Statement, body: Consent) -> str | None:
    if work.state.status != "created" or work.state.consents.get(statement.iss) != "pending":
        return "already_answered"
    work.emit("consented", org=statement.iss, decision=body.decision)
    if body.decision == "rejected":
        flow.close(work, "terminated", "consent_rejected")
    else:
        _ready_when_all_accept(work)
    return None


def _ready_when_all_accept(work: Work) -> None:
    if set(work.state.consents.values()) == {"accepted"}:
        work.emit("readied")


def _start(work: Work, statement: Statement, body: Any) -> str | None:
    if statement.iss != work.agreement.initiator:
        return "not_the_initiator"
    if work.state.status == "created":
        return "not_ready"
    if work.state.status != "ready":
        return "already_started"
    work.emit("started", by=statement.iss)
    flow.enter(work, work.agreement.definition["start"])
    return None


def _result(work: Work, statement: Statement, body: Result) -> str | None:
    task = work.state.tasks.get(body.task)
    reason = _answerable(work.state, task, statement.iss, body.attempt)
    if reason or task is None:
        return reason or "unknown_task"
    step = work.step(task.step)
    if body.status == "completed":
        reason = _complete_data(step, body)
        if reason:
            return reason
        return _completed(work, body, step)
    work.emit("answered", task=body.task, attempt=body.attempt, status=body.status)
    if body.status == "cancelled":
        flow.close(work, "cancelled", "task_cancelled")
    else:
        flow.fail(work, body.task, body.error.code if body.error else "failed")
    return None


def _answerable(state: State, task: Task | None, issuer: str, attempt: int) -> str | None:
    if state.status != "running":
        return "not_running"
    if task is None:
        return "unknown_task"
    if issuer != task.org:
        return "not_assigned"
    if attempt != task.attempt:
        return "wrong_attempt"
    return None if task.status == "open" else "already_answered"


def _complete_data(step: dict[str, Any], body: Result) -> str | None:
    """A form's answers are complete and name nothing else; a decision names a route that exists."""
    form = {field["id"]: field["required"] for field in step["form"]}
    if form and set(body.data) - set(form):
        return "unknown_property"
    if any(required and name not in body.data for name, required in form.items()):
        return "missing_property"
    if step["step_type"] == "decision" and flow.route(step, body.outcome) is None:
        return "no_route"
    if step["step_type"] != "decision" and body.outcome is not None:
        return "outcome_not_allowed"
    return None


def _completed(work: Work, body: Result, step: dict[str, Any]) -> str | None:
    facts = {"outcome": body.outcome} if body.outcome is not None else {}
    targets = [org for org in step["targets"] if org != step["assigned_org"]]
    if step["activity_type"] == "data_exchange":
        if not body.sealed:
            return "nothing_sealed"
        work.emit("delivering", task=body.task, attempt=body.attempt, waiting=targets, sealed=list(body.sealed))
        if targets:
            return None
    elif step["activity_type"] == "notification":
        asked = targets if step["requires_acknowledgment"] else []
        work.emit("notified", task=body.task, targets=targets, notification_type=step["notification_type"])
        if asked:
            work.emit("delivering", task=body.task, attempt=body.attempt, waiting=asked, sealed=[])
            return None
    work.emit("answered", task=body.task, attempt=body.attempt, status="completed", **facts)
    flow.complete(work, body.task, body.outcome)
    return None


def _received(work: Work, statement: Statement, body: Received) -> str | None:
    return _arrived(work, statement, body, "received", list(body.sealed))


def _acknowledge(work: Work, statement: Statement, body: Acknowledge) -> str | None:
    return _arrived(work, statement, body, "acknowledged", [])


def _arrived(
    work: Work, statement: Statement, body: Received | Acknowledge, event: str, sealed: list[str]
) -> str | None:
    task = work.state.tasks.get(body.task)
    if task is None:
        return "unknown_task"
    if body.attempt != task.attempt:
        return "wrong_attempt"
    if task.status != "delivering" or statement.iss not in task.waiting:
        return "not_expected"
    if sealed != list(task.sealed):
        return "other_data"
    work.emit(event, task=body.task, attempt=body.attempt, org=statement.iss)
    if not work.state.tasks[body.task].waiting:
        work.emit("answered", task=body.task, attempt=body.attempt, status="completed")
        flow.complete(work, body.task)
    return None


def _timer(work: Work, statement: Statement, body: Timer) -> str | None:
    if statement.iss != work.agreement.coordinator:
        return "not_the_coordinator"
    timer = work.state.timers.get(body.timer)
    if timer is None:
        return "unknown_timer"
    if timer.due_at > work.at:
        return "not_due"
    work.emit("timer_fired", timer=body.timer, purpose=timer.purpose)
    _FIRED[timer.purpose](work, timer.task)
    return None


def _fire_timeout(work: Work, name: str) -> None:
    work.emit("timed_out", task=name, attempt=work.state.tasks[name].attempt)
    flow.fail(work, name, "timed_out")


def _fire_reminder(work: Work, name: str) -> None:
    task = work.state.tasks[name]
    orgs = list(task.waiting) if task.status == "delivering" else [task.org]
    work.emit("reminded", task=name, attempt=task.attempt, orgs=orgs)


def _fire_retry(work: Work, name: str) -> None:
    task = work.state.tasks[name]
    flow.assign(work, work.step(task.step), name, task.attempt + 1)


def _fire_delay(work: Work, name: str) -> None:
    flow.complete(work, name)


def _terminate(work: Work, statement: Statement, body: Terminate) -> str | None:
    participant = work.agreement.participant(statement.iss)
    if participant is None or not participant.can_terminate:
        return "may_not_terminate"
    work.emit("terminated", by=statement.iss)
    flow.close(work, "terminated", "terminated")
    return None


_FIRED: dict[str, Callable[[Work, str], None]] = {
    "timeout": _fire_timeout,
    "reminder": _fire_reminder,
    "retry": _fire_retry,
    "delay": _fire_delay,
}

_HANDLERS: dict[str, Callable[[Work, Statement, Any], str | None]] = {
    "propose": _propose,
    "consent": _consent,
    "start": _start,
    "result": _result,
    "received": _received,
    "acknowledge": _acknowledge,
    "timer": _timer,
    "terminate": _terminate,
}
