"""The drafting table of ``decide``: events so far, the state that they lead to, and what is still to follow.

What follows from an event is put on a list (``follow``) and not called, so that no definition, however it nests or
loops, makes Python recurse; the same list waits in the state while an execution is suspended.
"""

from collections import deque
from typing import Any

from tallystick.core.agreement import Agreement
from tallystick.core.definition.model import AnyStep
from tallystick.core.engine.draft import Draft
from tallystick.core.engine.evolve import HANDLERS
from tallystick.core.engine.state import State

Event = dict[str, Any]
Action = tuple[Any, ...]


class Work:
    """Collects events; each one is applied at once, so that what follows sees it."""

    __slots__ = ("agreement", "at", "draft", "events", "state", "steps", "todo")

    def __init__(self, agreement: Agreement, state: State, at: int) -> None:
        self.agreement = agreement
        self.steps: dict[str, AnyStep] = agreement.compiled.steps
        self.draft = Draft(state, at)
        self.state = self.draft.state
        self.at = at
        self.events: list[Event] = []
        self.todo: deque[Action] = deque()

    def emit(self, event: Event) -> None:
        """Add an event and apply it."""
        self.events.append(event)
        handler = HANDLERS.get(event["type"])
        if handler is not None:
            handler(self.draft, event)

    def follow(self, *action: Any) -> None:
        """Put something on the list of what follows; its name is one of :data:`.agenda.ACTIONS`."""
        self.todo.append(action)
