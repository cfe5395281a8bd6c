"""The drafting table of ``decide``: events so far, and the state that they lead to."""

from typing import Any

from tallystick.core.agreement import Agreement
from tallystick.core.engine.evolve import apply
from tallystick.core.engine.state import State

Step = dict[str, Any]


class Work:
    """Collects events; each one is applied at once, so that what follows sees it."""

    def __init__(self, agreement: Agreement, state: State, at: int) -> None:
        self.agreement = agreement
        self.state = state
        self.at = at
        self.events: list[dict[str, Any]] = []

    def emit(self, type: str, **facts: Any) -> None:
        """Add an event and apply it."""
        event = {"type": type, **facts}
        self.events.append(event)
        self.state = apply(self.state, event)

    def step(self, step_id: str) -> Step:
        """The compiled step."""
        step: Step = self.agreement.definition["steps"][step_id]
        return step
