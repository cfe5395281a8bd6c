"""``evolve``: how each event changes the state.

Total: an event of an unknown type changes nothing, and an entry with an event that no ``decide`` makes changes nothing but
the size and the time.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from tallystick.core.engine.draft import Draft
from tallystick.core.engine.names import block_of, frame_of, step_of, within
from tallystick.core.engine.state import Block, Closing, Done, State, Task, Timer, Wanted
from tallystick.core.entry import Entry

Event = dict[str, Any]
FIXED = frozenset({"instant", "due", "continue"})  # timers whose time no suspension moves


def evolve(state: State, entry: Entry) -> State:
    """The state after ``entry``, void ones included (they take a sequence number and time)."""
    draft = Draft(state, entry.at)
    draft.seq = entry.seq
    try:
        for event in entry.events:
            apply(draft, event)
    except (KeyError, TypeError, ValueError, AttributeError):
        draft = Draft(state, entry.at)
        draft.seq = entry.seq
    after = draft.finish()
    after.term = entry.term
    return after


def apply(draft: Draft, event: Event) -> None:
    """Take one event in."""
    handler = HANDLERS.get(event.get("type", ""))
    if handler is not None:
        handler(draft, event)


def _proposed(draft: Draft, event: Event) -> None:
    draft.state.status = "created"
    draft.state.consents = {**dict.fromkeys(event["participants"], "pending"), event["by"]: "accepted"}


def _consented(draft: Draft, event: Event) -> None:
    draft.own("consents")[event["org"]] = event["decision"]


def _readied(draft: Draft, event: Event) -> None:
    draft.state.status = "ready"


def _started(draft: Draft, event: Event) -> None:
    draft.state.status = "running"


def _step_entered(draft: Draft, event: Event) -> None:
    frame = frame_of(event["task"])
    frames = draft.own("frames")
    visits = frames.get(frame)
    frames[frame] = {**visits, event["step"]: event["visit"]} if visits else {event["step"]: event["visit"]}
    if visits is None and frame:
        block = block_of(frame)
        blocks = draft.own("blocks")
        blocks[block] = msgspec.structs.replace(blocks[block], begun=blocks[block].begun + 1)


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
    draft.change(task, timers=(*draft.state.tasks[task].timers, timer))


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


def _block_started(draft: Draft, event: Event) -> None:
    draft.drop(event["block"])
    draft.own("blocks")[event["block"]] = Block(step=step_of(event["block"]), total=event["total"])


def _branch_ended(draft: Draft, event: Event) -> None:
    blocks, name = draft.own("blocks"), event["block"]
    draft.own("frames").pop(f"{name}#{event['branch']}/", None)
    count = "done" if event["status"] == "completed" else "failed"
    blocks[name] = msgspec.structs.replace(blocks[name], **{count: getattr(blocks[name], count) + 1})


def _block_ended(draft: Draft, event: Event) -> None:
    block = draft.own("blocks").pop(event["block"])
    if block.running:  # only then anything stands inside
        inside = within(event["block"])
        for mapping in ("frames", "blocks"):
            kept = {name: one for name, one in getattr(draft.state, mapping).items() if not name.startswith(inside)}
            setattr(draft.state, mapping, kept)


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


def _suspended(draft: Draft, event: Event) -> None:
    draft.state.status = "suspended"
    draft.state.suspended_by = event["by"]
    if draft.state.suspended_at is None:
        draft.state.suspended_at = draft.at


def _resumed(draft: Draft, event: Event) -> None:
    """Every timer that counts a duration runs later by the time that the suspension took."""
    moved = event["moved_ms"]
    timers = draft.own("timers")
    for name, timer in timers.items():
        if timer.purpose in FIXED:
            continue
        timers[name] = msgspec.structs.replace(timer, due_at=timer.due_at + moved)
        if draft.state.tasks[timer.task].due_at == timer.due_at:
            draft.change(timer.task, due_at=timer.due_at + moved)
    draft.state.status, draft.state.suspended_at, draft.state.suspended_by = "running", None, None


def _deferred(draft: Draft, event: Event) -> None:
    draft.state.deferred = (*draft.state.deferred, *(tuple(one) for one in event["todo"]))


def _continued(draft: Draft, event: Event) -> None:
    draft.state.deferred = ()


def _closing(draft: Draft, event: Event) -> None:
    """Nothing goes on but compensation; what was open has been withdrawn."""
    state = draft.state
    state.closing = Closing(status=event["status"], outcome=event["outcome"])
    state.frames = {name: visits for name, visits in state.frames.items() if not name}
    state.blocks, state.signals, state.deferred = {}, {}, ()
    state.status, state.suspended_at, state.suspended_by = "running", None, None


def _compensating(draft: Draft, event: Event) -> None:
    draft.state.undo = draft.state.undo[:-1]


def _closed(draft: Draft, event: Event) -> None:
    state = draft.state
    state.status, state.outcome, state.closing = event["status"], event["outcome"], None
    state.tasks, state.timers, state.wanted, state.waits, state.signals = {}, {}, {}, {}, {}
    state.frames, state.blocks, state.undo, state.deferred = {}, {}, (), ()
    state.suspended_at, state.suspended_by = None, None


HANDLERS: dict[str, Callable[[Draft, Event], None]] = {
    "proposed": _proposed,
    "consented": _consented,
    "readied": _readied,
    "started": _started,
    "step_entered": _step_entered,
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
    "block_started": _block_started,
    "iterating": _block_started,
    "branch_ended": _branch_ended,
    "block_ended": _block_ended,
    "waiting": _waiting,
    "signalled": _signalled,
    "signal_taken": _signal_taken,
    "suspended": _suspended,
    "resumed": _resumed,
    "deferred": _deferred,
    "continued": _continued,
    "closing": _closing,
    "compensating": _compensating,
    "closed": _closed,
}
