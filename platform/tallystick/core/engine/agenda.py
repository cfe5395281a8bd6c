"""What follows, worked off in order within an entry's bounds; the rest waits in the state."""

from collections.abc import Callable
from typing import Any

from tallystick.core.engine import flow
from tallystick.core.engine.entering import enter
from tallystick.core.engine.names import block_of
from tallystick.core.engine.timers import set_timer
from tallystick.core.engine.work import Work

# An entry must fit into one message: what a for-each of thousands or a parallel of fifty begins is spread over entries.
MAX_EVENTS = 400
CONTINUE = "continue"


def run(work: Work) -> None:
    """Let follow what follows; it waits while the execution is suspended or its start unanchored, or when full."""
    todo = work.todo
    while todo and len(work.events) < MAX_EVENTS and _goes_on(work):
        name, *rest = todo.popleft()
        action, guard = ACTIONS[name]
        if guard(work, rest):
            action(work, *rest)
    if not todo:
        return
    work.emit({"type": "deferred", "todo": [list(one) for one in todo]})
    todo.clear()
    if _goes_on(work) and f"/{CONTINUE}" not in work.state.timers:
        set_timer(work, "", CONTINUE, work.at, CONTINUE)


def _goes_on(work: Work) -> bool:
    return work.state.status == "running" and work.state.unanchored is None


def resume(work: Work) -> None:
    """Take up what was deferred, before whatever else is to follow."""
    deferred = work.state.deferred
    if deferred:
        work.emit({"type": "continued"})
        work.todo.extendleft(reversed(deferred))


def _frame(work: Work, rest: list[Any]) -> bool:
    return not rest[0] or block_of(rest[0]) in work.state.blocks


def _task(work: Work, rest: list[Any]) -> bool:
    return rest[0] in work.state.tasks


def _block(work: Work, rest: list[Any]) -> bool:
    return rest[0] in work.state.blocks


def _always(work: Work, rest: list[Any]) -> bool:
    return True


# Each with what must still be there when its turn comes: a block that ended meanwhile takes along what was to follow.
ACTIONS: dict[str, tuple[Callable[..., None], Callable[[Work, list[Any]], bool]]] = {
    "enter": (enter, _frame),
    "completed": (flow.complete, _task),
    "failed": (flow.fail, _task),
    "cancelled": (flow.cancelled, _task),
    "again": (flow.again, _task),
    "iterate": (flow.iterate, _block),
    "compensate": (flow.undo, _always),
}
