"""Entering a step of each kind."""

from collections.abc import Callable
from typing import Any

from tallystick.core.definition.model import Begin, End, Parallel, Step, Timer, UserTask, Wait
from tallystick.core.engine.closing import close
from tallystick.core.engine.names import inner_frame, task_name
from tallystick.core.engine.timers import MS, set_timer, want_timer
from tallystick.core.engine.work import Work


def enter(work: Work, frame: str, step_id: str) -> None:
    """Enter a step, unless the block around it is over."""
    step = work.steps[step_id]
    task = _visit(work, frame, step_id)
    kind = _KINDS.get(type(step))
    if kind is None:
        assign(work, step, task, 1)
    else:
        kind(work, step, frame, task)


def _visit(work: Work, frame: str, step_id: str) -> str:
    visits = work.state.frames.get(frame)
    visit = visits.get(step_id, 0) + 1 if visits else 1
    task = task_name(frame, step_id, visit)
    work.emit({"type": "step_entered", "step": step_id, "visit": visit, "task": task})
    return task


def assign(work: Work, step: Any, task: str, attempt: int, **undoes: str) -> None:
    """Give the task to its organisation, with its time-out, reminders and the due date that it has to state."""
    timeout = step.timeout_seconds
    due_at = work.at + timeout * MS if timeout else None
    event = {"type": "assigned", "task": task, "step": step.id, "attempt": attempt, "org": step.assigned_org}
    work.emit({**event, "at": work.at, "due_at": due_at, **undoes})
    if due_at is not None:
        for number, seconds in enumerate(step.reminder_seconds, 1):
            set_timer(work, task, f"{attempt}/reminder{number}", work.at + seconds * MS, "reminder")
        set_timer(work, task, f"{attempt}/timeout", due_at, "timeout")
    if isinstance(step, UserTask) and step.due_date:
        want_timer(work, task, f"{attempt}/due", step.assigned_org, "due")


def compensate(work: Work, undone: str, handler: str) -> None:
    """Begin the handler that undoes a completed task; it stands in the root frame, whatever the task stood in."""
    step: Any = work.steps[handler]
    visit = work.state.frames.get("", {}).get(handler, 0) + 1
    work.emit({"type": "compensating", "task": undone, "handler": task_name("", handler, visit)})
    assign(work, step, _visit(work, "", handler), 1, undoes=undone)


def _begin(work: Work, step: Step, frame: str, task: str) -> None:
    work.follow("enter", frame, step.next_steps[0].step)


def _end(work: Work, step: End, frame: str, task: str) -> None:
    close(work, "completed", step.result)


def _timer(work: Work, step: Timer, frame: str, task: str) -> None:
    if step.cron is not None:
        by = work.agreement.coordinator
        want_timer(work, task, "due", by, "instant", cron=step.cron, time_zone=step.time_zone)
    elif step.until is not None:
        set_timer(work, task, "due", step.until, "instant")
    else:
        set_timer(work, task, "delay", work.at + (step.duration_seconds or 0) * MS, "delay")


def _wait(work: Work, step: Wait, frame: str, task: str) -> None:
    senders = work.state.signals.get(step.event_name, ())
    by = next((one for one in senders if not step.senders or one in step.senders), None)
    if by is not None:
        work.emit({"type": "signal_taken", "name": step.event_name, "by": by, "task": task})
        work.follow("completed", task, None)
        return
    due_at = work.at + step.timeout_seconds * MS if step.timeout_seconds else None
    work.emit({"type": "waiting", "task": task, "event_name": step.event_name, "due_at": due_at})
    if due_at is not None:
        set_timer(work, task, "timeout", due_at, "timeout")


def _parallel(work: Work, step: Parallel, frame: str, task: str) -> None:
    work.emit({"type": "block_started", "block": task, "total": len(step.branches)})
    for branch in step.branches:
        work.follow("enter", inner_frame(task, branch.id), branch.start)


_KINDS: dict[type[Step], Callable[[Work, Any, str, str], None]] = {
    Begin: _begin,
    End: _end,
    Timer: _timer,
    Wait: _wait,
    Parallel: _parallel,
}
