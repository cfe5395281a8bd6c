"""How events about frames, blocks and the whole execution change the state."""

from collections.abc import Callable
from typing import Any

import msgspec

from tallystick.core.engine.draft import Draft
from tallystick.core.engine.names import block_of, frame_of, inner_frame, step_of, within
from tallystick.core.engine.state import Block, Closing

Event = dict[str, Any]
FIXED = frozenset({"instant", "due", "continue"})  # timers whose time no suspension moves


def _proposed(draft: Draft, event: Event) -> None:
    draft.state.status = "created"
    draft.state.consents = {**dict.fromkeys(event["participants"], "pending"), event["by"]: "accepted"}


def _consented(draft: Draft, event: Event) -> None:
    draft.own("consents")[event["org"]] = event["decision"]


def _readied(draft: Draft, event: Event) -> None:
    draft.state.status = "ready"


def _started(draft: Draft, event: Event) -> None:
    draft.state.status = "running"


def _start_held(draft: Draft, event: Event) -> None:
    draft.state.unanchored = event["size"]


def _start_anchored(draft: Draft, event: Event) -> None:
    draft.state.unanchored = None


def _step_entered(draft: Draft, event: Event) -> None:
    frame = frame_of(event["task"])
    frames = draft.own("frames")
    visits = frames.get(frame)
    frames[frame] = {**visits, event["step"]: event["visit"]} if visits else {event["step"]: event["visit"]}
    if visits is None and frame:
        block = block_of(frame)
        blocks = draft.own("blocks")
        blocks[block] = msgspec.structs.replace(blocks[block], begun=blocks[block].begun + 1)


def _block_started(draft: Draft, event: Event) -> None:
    draft.drop(event["block"])
    draft.own("blocks")[event["block"]] = Block(step=step_of(event["block"]), total=event["total"])


def _branch_ended(draft: Draft, event: Event) -> None:
    blocks, name = draft.own("blocks"), event["block"]
    draft.own("frames").pop(inner_frame(name, event["branch"]), None)
    count = "done" if event["status"] == "completed" else "failed"
    blocks[name] = msgspec.structs.replace(blocks[name], **{count: getattr(blocks[name], count) + 1})


def _block_ended(draft: Draft, event: Event) -> None:
    block = draft.own("blocks").pop(event["block"])
    if block.running:  # only then anything stands inside
        inside = within(event["block"])
        for mapping in ("frames", "blocks"):
            kept = {name: one for name, one in getattr(draft.state, mapping).items() if not name.startswith(inside)}
            setattr(draft.state, mapping, kept)


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
    "start_held": _start_held,
    "start_anchored": _start_anchored,
    "step_entered": _step_entered,
    "block_started": _block_started,
    "iterating": _block_started,
    "branch_ended": _branch_ended,
    "block_ended": _block_ended,
    "suspended": _suspended,
    "resumed": _resumed,
    "deferred": _deferred,
    "continued": _continued,
    "closing": _closing,
    "compensating": _compensating,
    "closed": _closed,
}
