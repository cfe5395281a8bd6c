"""How events about single tasks, their timers and the signals that they wait for change the state."""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from tallystick.core.engine.draft import Draft
from tallystick.core.engine.names import step_of
from tallystick.core.engine.state import Done, Task, Timer, Wanted

Event = dict[str, Any]


def _assigned(draft: Draft, event: Event) -> None:
    name = event["task"]
    before = draft.state.tasks.get(name)
    if before is not None:
        draft.unset(before)
    draft.own("tasks")[name] = Task(
        step=event["step"],
        attempt=event["attempt"],
        org=event["org"],
        status="open",
        assigned_at=event["at"],
        seq=draft.seq,
        due_at=event["due_at"],
        undoes=event.get("undoes"),
    )


def _placed(draft: Draft, name: str, status: str, due_at: int | None = None) -> None:
    """A step that no organisation does."""
    draft.own("tasks")[name] = Task(
        step=step_of(name), attempt=1, org="", status=status, assigned_at=draft.at, seq=draft.seq, due_at=due_at
    )


def _timer_set(draft: Draft, event: Event) -> None:
    name, task, due_at = event["timer"], event["task"], event["due_at"]
    draft.own("timers")[name] = Timer(due_at=due_at, purpose=event["purpose"], task=task)
    if name in draft.state.wanted:
        del draft.own("wanted")[name]
        draft.change(task, due_at=due_at)
    elif task:
        _attach(draft, task, name, due_at)


def _timer_wanted(draft: Draft, event: Event) -> None:
    name, task = event["timer"], event["task"]
    draft.own("wanted")[name] = Wanted(by=event["by"], purpose=event["purpose"], task=task, since=draft.at)
    _attach(draft, task, name, None)


def _attach(draft: Draft, task: str, timer: str, due_at: int | None) -> None:
    if task not in draft.state.tasks:
        _placed(draft, task, "timing", due_at)
    tasks = draft.own("tasks")
    held = tasks[task]
    tasks[task] = replace(held, timers=(*held.timers, timer))


def _timer_fired(draft: Draft, event: Event) -> None:
    del draft.own("timers")[event["timer"]]


def _answered(draft: Draft, event: Event) -> None:
    draft.settle(event["task"], status=event["status"], outcome=event.get("outcome"), waiting=(), sealed=())


def _delivering(draft: Draft, event: Event) -> None:
    waiting, sealed = tuple(event["waiting"]), tuple(event["sealed"])
    draft.change(event["task"], status="delivering", waiting=waiting, sealed=sealed)


def _arrived(draft: Draft, event: Event) -> None:
    waiting = tuple(org for org in draft.state.tasks[event["task"]].waiting if org != event["org"])
    draft.change(event["task"], waiting=waiting)


def _retrying(draft: Draft, event: Event) -> None:
    draft.settle(event["task"], status="retrying", waiting=(), sealed=())


def _timed_out(draft: Draft, event: Event) -> None:
    name = event["task"]
    if draft.state.tasks[name].status == "waiting":
        draft.awaken(name)
    draft.settle(name, status="failed", waiting=(), sealed=())


def _held(draft: Draft, event: Event) -> None:
    draft.settle(event["task"], status="held", code=event["code"])
    draft.state.status = "suspended"
    if draft.state.suspended_at is None:
        draft.state.suspended_at = draft.at


def _step_completed(draft: Draft, event: Event) -> None:
    name = event["task"]
    task = draft.drop(name)
    org, outcome = (task.org, task.outcome) if task else ("", None)
    draft.own("done")[event["step"]] = Done(task=name, org=org, outcome=outcome, at=draft.at)
    handler = event.get("undo")
    if handler:
        draft.state.undo = (*draft.state.undo, (name, handler))


def _over(draft: Draft, event: Event) -> None:
    draft.drop(event["task"])


def _withdrawn(draft: Draft, event: Event) -> None:
    for name in event["tasks"]:
        draft.drop(name)


def _waiting(draft: Draft, event: Event) -> None:
    name, waited = event["task"], event["event_name"]
    _placed(draft, name, "waiting", event["due_at"])
    draft.own("waits")[waited] = (*draft.state.waits.get(waited, ()), name)


def _signalled(draft: Draft, event: Event) -> None:
    if event["task"] is not None:
        draft.awaken(event["task"])
        draft.settle(event["task"], status="completed")
    elif event["buffered"]:
        name = event["name"]
        draft.own("signals")[name] = (*draft.state.signals.get(name, ()), event["by"])


def _signal_taken(draft: Draft, event: Event) -> None:
    signals, name = draft.own("signals"), event["name"]
    left = list(signals[name])
    left.remove(event["by"])
    if left:
        signals[name] = tuple(left)
    else:
        del signals[name]
    _placed(draft, event["task"], "completed")


HANDLERS: dict[str, Callable[[Draft, Event], None]] = {
    "assigned": _assigned,
    "timer_set": _timer_set,
    "timer_wanted": _timer_wanted,
    "timer_fired": _timer_fired,
    "answered": _answered,
    "delivering": _delivering,
    "received": _arrived,
    "acknowledged": _arrived,
    "retry_scheduled": _retrying,
    "retried": _retrying,
    "timed_out": _timed_out,
    "held": _held,
    "step_completed": _step_completed,
    "caught": _over,
    "failed": _over,
    "compensation_failed": _over,
    "withdrawn": _withdrawn,
    "waiting": _waiting,
    "signalled": _signalled,
    "signal_taken": _signal_taken,
}
