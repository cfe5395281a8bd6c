"""``evolve``: how each event changes the state.

Total: an event of an unknown type changes nothing, and an entry with an event that no ``decide`` makes changes nothing
but the size and the time.
"""

from collections.abc import Callable
from typing import Any

from tallystick.core.engine import flow_events, key_events, task_events
from tallystick.core.engine.draft import Draft
from tallystick.core.engine.state import State
from tallystick.core.entry import Entry

Event = dict[str, Any]
HANDLERS: dict[str, Callable[[Draft, Event], None]] = {
    **task_events.HANDLERS,
    **flow_events.HANDLERS,
    **key_events.HANDLERS,
}


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
