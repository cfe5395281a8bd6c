"""Statements about tasks: results, receipts, acknowledgements, and another attempt at a held one.

A handler answers with the reason why the statement is void, or with None.
"""

from collections.abc import Callable
from typing import Any

from tallystick.core.definition.model import (
    MAX_ITEMS,
    DataExchange,
    Decision,
    ForEach,
    Notification,
    Parallel,
    SubWorkflow,
)
from tallystick.core.definition.model import Task as Step
from tallystick.core.engine.agenda import resume
from tallystick.core.engine.flow import route
from tallystick.core.engine.names import block_of, branch_of, frame_of, step_of, visit_of
from tallystick.core.engine.state import GOING, Block, State
from tallystick.core.engine.work import Work
from tallystick.core.statement import Acknowledge, Received, Result, Retry, Statement

MAX_CODE = 200  # characters: a failure's code stands in events and state, in clear
MAX_TASK = 1000  # characters: five levels of nesting with the longest ids need fewer


def result(work: Work, statement: Statement, body: Result) -> str | None:
    """The assigned organisation's answer."""
    state = work.state
    if state.status not in GOING:
        return "not_running"
    if state.unanchored is not None:
        return "start_not_anchored"
    task = state.tasks.get(body.task)
    if task is None:
        return _gone(work, body.task)
    if statement.iss != task.org:
        return "not_assigned"
    if body.attempt != task.attempt:
        return "wrong_attempt"
    if task.status != "open":
        return "already_answered"
    step: Any = work.steps[task.step]
    if body.child is not None and not isinstance(step, SubWorkflow):
        return "child_not_allowed"
    if body.status == "completed":
        return _check(step, body) or _completed(work, body, step)
    if body.outcome is not None:
        return "outcome_not_allowed"
    code = body.error.code if body.error else "failed"
    if len(code) > MAX_CODE:
        return "bad_code"
    work.emit({"type": "answered", "task": body.task, "attempt": body.attempt, "status": body.status})
    if body.status == "failed":
        work.follow("failed", body.task, code)
    else:
        work.follow("cancelled", body.task)
    return None


def _gone(work: Work, name: str) -> str:
    """Why a task is not there: it has been and is over, or it never was (as far as what is open can tell)."""
    state, around = work.state, False
    if len(name) > MAX_TASK or not visit_of(name):
        return "unknown_task"
    while frame_of(name) not in state.frames:
        frame = frame_of(name)
        name, around = block_of(frame), True
        block = state.blocks.get(name)
        if not isinstance(work.steps.get(step_of(name)), Parallel | ForEach):
            return "unknown_task"
        if block is not None and not _has_begun(block, branch_of(frame)):
            return "unknown_task"
    if not 0 < visit_of(name) <= state.frames[frame_of(name)].get(step_of(name), 0):
        return "unknown_task"
    return "not_open" if around or state.closing else "already_answered"


def _has_begun(block: Block, branch: str) -> bool:
    """Whether an iteration has; that of a parallel's branch need not be told apart."""
    return not branch.isdecimal() or (len(branch) <= 5 and int(branch) < block.begun)


def _check(step: Step, body: Result) -> str | None:
    """A form's answers are complete and name nothing else; each kind has its own outcome."""
    data = body.data
    if step.form:
        required = [field.id for field in step.form if field.required]
        if any(name not in data for name in required):
            return "missing_property"
        if not data.keys() <= {field.id for field in step.form}:
            return "unknown_property"
    check = _CHECKS.get(type(step))
    if check is not None:
        return check(step, body)
    return None if body.outcome is None else "outcome_not_allowed"


def _check_decision(step: Decision, body: Result) -> str | None:
    """A decision names a route that exists; a table's outputs are its data."""
    outcome = body.outcome
    if outcome is None or (step.next_steps and route(step, outcome) is None) or len(outcome) > MAX_CODE:
        return "no_route"
    if step.table is not None and body.data.keys() != set(step.table.outputs):
        return "other_outputs"
    return None


def _check_items(step: ForEach, body: Result) -> str | None:
    """The number of items in clear, without which nobody could follow, and their commitment."""
    digits = body.outcome or ""
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 5):
        return "bad_count"
    if str(int(digits)) != digits or int(digits) > MAX_ITEMS:
        return "bad_count"
    return None if body.data.keys() == {"items"} else "other_outputs"


def _check_child(step: SubWorkflow, body: Result) -> str | None:
    if body.child is None:
        return "no_child"
    if body.child.status != "completed":
        return "child_not_completed"
    return None if body.outcome is None else "outcome_not_allowed"


def _check_delivery(step: DataExchange, body: Result) -> str | None:
    if not body.sealed:
        return "nothing_sealed"
    return None if body.outcome is None else "outcome_not_allowed"


_CHECKS: dict[type[Step], Callable[[Any, Result], str | None]] = {
    Decision: _check_decision,
    ForEach: _check_items,
    SubWorkflow: _check_child,
    DataExchange: _check_delivery,
}


def _completed(work: Work, body: Result, step: Any) -> str | None:
    waiting: list[str] = []
    if isinstance(step, DataExchange | Notification):
        waiting = _deliver(work, body, step)
    if not waiting:
        event = {"type": "answered", "task": body.task, "attempt": body.attempt, "status": "completed"}
        work.emit(event if body.outcome is None else {**event, "outcome": body.outcome})
        work.follow("completed", body.task, body.outcome)
    return None


def _deliver(work: Work, body: Result, step: DataExchange | Notification) -> list[str]:
    """Tell who is still to receive or acknowledge; nobody, when all that is asked is done."""
    task, attempt = body.task, body.attempt
    waiting = targets = [org for org in step.targets if org != step.assigned_org]
    sealed = list(body.sealed) if isinstance(step, DataExchange) else []
    if isinstance(step, Notification):
        facts = {"targets": targets, "notification_type": step.notification_type}
        work.emit({"type": "notified", "task": task, **facts})
        waiting = targets if step.requires_acknowledgment else []
    if waiting or sealed:
        work.emit({"type": "delivering", "task": task, "attempt": attempt, "waiting": waiting, "sealed": sealed})
    return waiting


def received(work: Work, statement: Statement, body: Received) -> str | None:
    """A recipient has the data, byte for byte."""
    return _arrived(work, statement, body, "received", tuple(body.sealed))


def acknowledge(work: Work, statement: Statement, body: Acknowledge) -> str | None:
    """A target has taken note."""
    return _arrived(work, statement, body, "acknowledged", ())


def _arrived(
    work: Work, statement: Statement, body: Received | Acknowledge, event: str, sealed: tuple[str, ...]
) -> str | None:
    if work.state.status not in GOING:
        return "not_running"
    task = work.state.tasks.get(body.task)
    if task is None:
        return _gone(work, body.task)
    if body.attempt != task.attempt:
        return "wrong_attempt"
    if task.status != "delivering" or statement.iss not in task.waiting:
        return "not_expected"
    if sealed != task.sealed:
        return "other_data"
    facts = {"task": body.task, "attempt": body.attempt}
    work.emit({"type": event, **facts, "org": statement.iss})
    if len(task.waiting) == 1:
        work.emit({"type": "answered", **facts, "status": "completed"})
        work.follow("completed", body.task, None)
    return None


def retry(work: Work, statement: Statement, body: Retry) -> str | None:
    """A held task is tried again, and where nothing else holds the execution it goes on."""
    task = work.state.tasks.get(body.task)
    if task is None or task.status != "held":
        return "not_held"
    if statement.iss not in (task.org, work.agreement.initiator):
        return "not_assigned"
    work.emit({"type": "retried", "task": body.task, "by": statement.iss})
    if work.state.suspended_by is None and not holds(work.state):
        work.emit({"type": "resumed", "by": statement.iss, "moved_ms": suspension_ms(work)})
        resume(work)
    work.follow("again", body.task)
    return None


def suspension_ms(work: Work) -> int:
    """How long the suspension has taken."""
    since = work.state.suspended_at
    return max(work.at - since, 0) if since is not None else 0


def holds(state: State) -> bool:
    """Whether a held task keeps the execution suspended."""
    return any(one.status == "held" for one in state.tasks.values())
