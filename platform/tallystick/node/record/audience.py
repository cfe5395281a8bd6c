"""Who may read what a statement opens."""

from typing import Any

from tallystick.core.agreement import Agreement, Participant
from tallystick.node.record.store import step_of


def of_step(agreement: Agreement, step_id: str) -> list[Participant]:
    """The participants that a step's results are opened to."""
    return _named(agreement, agreement.visibility.get(step_id, "shared"))


def of_fields(agreement: Agreement, step_id: str) -> dict[str, list[Participant]]:
    """The participants that single properties are opened to, where that differs from the step's."""
    step = step_of(agreement, step_id)
    return {name: _named(agreement, readers) for name, readers in step.field_audiences.items()}


def of_everyone(agreement: Agreement) -> list[Participant]:
    """All participants but observers: reasons, and the input of an execution."""
    return [one for one in agreement.participants if not one.observes]


def _named(agreement: Agreement, audience: Any) -> list[Participant]:
    if audience == "shared":
        return of_everyone(agreement)
    return [one for one in agreement.participants if one.org_id in audience]
