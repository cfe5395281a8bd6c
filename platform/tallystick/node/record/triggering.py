"""What triggers read of an event, and the input that they make of it."""

from typing import Any

from tallystick.core.deciding import mapped
from tallystick.core.definition.model import Trigger
from tallystick.core.errors import Invalid
from tallystick.core.expression.evaluate import evaluate
from tallystick.core.expression.values import kind

Happening = dict[str, Any]


def happening(topic: str, payload: Any) -> Happening:
    """The variables of a trigger's expressions."""
    return {"event": {"topic": topic, "payload": payload}}


def wants(trigger: Trigger, event: Happening) -> bool:
    """Whether the trigger's condition holds; :class:`Invalid` when that cannot be told."""
    if trigger.condition is None:
        return True
    found = evaluate(trigger.condition, event)
    if not isinstance(found, bool):
        raise Invalid(f"the condition is neither true nor false but a {kind(found)}", code="bad_condition")
    return found


def input_of(trigger: Trigger, event: Happening) -> dict[str, Any]:
    """By the mapping; without one the payload itself, which then must be an object."""
    if trigger.input_mapping:
        return mapped(trigger.input_mapping, event)
    payload = event["event"]["payload"]
    if not isinstance(payload, dict):
        raise Invalid("the payload is no object, and no input_mapping makes one of it", code="no_input")
    return payload


def check_no_documents(values: dict[str, Any]) -> None:
    """Raise when an event names documents: whoever may publish must not thereby show them to partners."""
    for name, value in values.items():
        if isinstance(value, dict) and "$file" in value:
            raise Invalid(f"an event names a document in {name}; only people do", code="document_in_event")
