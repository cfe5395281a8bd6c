"""``evolve``: how each event changes the state. Total: an event of an unknown type changes nothing."""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from tallystick.core.engine.state import State, Task, Timer
from tallystick.core.entry import Entry

Event = dict[str, Any]


def evolve(state: State, entry: Entry) -> State:
    """The state after ``entry``, void ones included (they take a sequence number and time)."""
    for event in entry.events:
        state = apply(state, event)
    return replace(state, size=entry.seq + 1, at=entry.at, term=entry.term)


def apply(state: State, event: Event) -> State:
    """The state after one event."""
    handler = _HANDLERS.get(event.get("type", ""))
    return handler(state, event) if handler else state


def _proposed(state: State, event: Event) -> State:
    consents = dict.fromkeys(event["participants"], "pending")
    return replace(state, status="created", consents={**consents, event["by"]: "accepted"})


def _consented(state: State, event: Event) -> State:
    return replace(state, consents={**state.consents, event["org"]: event["decision"]})


def _readied(state: State, event: Event) -> State:
    return replace(state, status="ready")


def _started(state: State, event: Event) -> State:
    return replace(state, status="running")


def _step_entered(state: State, event: Event) -> State:
    return replace(state, visits={**state.visits, event["step"]: event["visit"]})


def _assigned(state: State, event: Event) -> State:
    task = Task(
        step=event["step"],
        attempt=event["attempt"],
        org=event["org"],
        status="open",
        assigned_at=event["at"],
        due_at=event["due_at"],
    )
    return replace(state, tasks={**state.tasks, event["task"]: task}, timers=_without(state.timers, event["task"]))


def _timer_set(state: State, event: Event) -> State:
    timer = Timer(due_at=event["due_at"], purpose=event["purpose"], task=event["task"])
    return replace(state, timers={**state.timers, event["timer"]: timer})


def _timer_fired(state: State, event: Event) -> State:
    return replace(state, timers={name: timer for name, timer in state.timers.items() if name != event["timer"]})


def _answered(state: State, event: Event) -> State:
    return _task(state, event["task"], status=event["status"], outcome=event.get("outcome"))


def _delivering(state: State, event: Event) -> State:
    return _task(
        state, event["task"], status="delivering", waiting=tuple(event["waiting"]), sealed=tuple(event["sealed"])
    )


def _arrived(state: State, event: Event) -> State:
    waiting = tuple(org for org in state.tasks[event["task"]].waiting if org != event["org"])
    return _task(state, event["task"], waiting=waiting)


def _retry_scheduled(state: State, event: Event) -> State:
    state = _task(state, event["task"], status="retrying")
    return replace(state, timers=_without(state.timers, event["task"]))


def _timed_out(state: State, event: Event) -> State:
    return _task(state, event["task"], status="timed_out")


def _step_completed(state: State, event: Event) -> State:
    state = _task(state, event["task"], status="completed") if event["task"] in state.tasks else state
    return replace(state, timers=_without(state.timers, event["task"]))


def _closed(state: State, event: Event) -> State:
    return replace(state, status=event["status"], outcome=event["outcome"], timers={})


def _task(state: State, name: str, **changes: Any) -> State:
    return replace(state, tasks={**state.tasks, name: replace(state.tasks[name], **changes)})


def _without(timers: dict[str, Timer], task: str) -> dict[str, Timer]:
    return {name: timer for name, timer in timers.items() if timer.task != task}


_HANDLERS: dict[str, Callable[[State, Event], State]] = {
    "proposed": _proposed,
    "consented": _consented,
    "readied": _readied,
    "started": _started,
    "step_entered": _step_entered,
    "assigned": _assigned,
    "timer_set": _timer_set,
    "timer_fired": _timer_fired,
    "answered": _answered,
    "delivering": _delivering,
    "received": _arrived,
    "acknowledged": _arrived,
    "retry_scheduled": _retry_scheduled,
    "timed_out": _timed_out,
    "step_completed": _step_completed,
    "closed": _closed,
}
