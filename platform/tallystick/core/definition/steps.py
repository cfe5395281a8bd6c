"""The compiled step: one form for every kind, every field present, no floats (RECORD.md)."""

from typing import Any

from tallystick.core.definition.faults import at
from tallystick.core.definition.reading import MAX_NAME, Members

Step = dict[str, Any]
PRIORITIES = ("low", "normal", "high", "critical")
PROPERTY_TYPES = ("string", "integer", "boolean", "decimal", "date", "file", "object")
TEN_YEARS = 315_360_000
MAX_FIELDS = 100
APPROVAL_FORM = [
    {"id": "approval_decision", "name": "approval_decision", "property_type": "boolean", "required": True},
    {"id": "comments", "name": "comments", "property_type": "string", "required": False},
]


def blank(step_id: str, name: str, step_type: str) -> Step:
    """A step with nothing said about it."""
    return {
        "id": step_id,
        "name": name,
        "description": "",
        "step_type": step_type,
        "next_steps": [],
        "assigned_org": None,
        "priority": "normal",
        "timeout_seconds": None,
        "reminder_seconds": [],
        "retry_policy": retry_policy(None),
        "activity_type": None,
        "input": {},
        "form": [],
        "expression": None,
        "targets": [],
        "notification_type": "",
        "message": "",
        "requires_acknowledgment": False,
        "encryption_required": True,
        "data_schema": None,
        "duration_seconds": None,
        "visible_to": "shared",
    }


def system(step_id: str, result: str | None = None) -> Step:
    """A step that the engine itself takes."""
    step = blank(step_id, step_id, "system")
    return {**step, "result": result} if result else step


def retry_policy(members: Members | None) -> dict[str, Any]:
    """The policy in whole numbers: the coefficient 2.0 stands as 200 percent."""
    policy: dict[str, Any] = {
        "max_attempts": 1,
        "initial_interval_seconds": 1,
        "max_interval_seconds": 3600,
        "backoff_percent": 200,
        "non_retryable_errors": [],
    }
    if members is None:
        return policy
    policy["max_attempts"] = members.integer("max_attempts", default=3, least=1, most=100)
    policy["initial_interval_seconds"] = members.integer("initial_interval_seconds", default=1, least=1, most=TEN_YEARS)
    policy["max_interval_seconds"] = members.integer("max_interval_seconds", default=3600, least=1, most=TEN_YEARS)
    policy["backoff_percent"] = _percent(members)
    codes = members.items("non_retryable_errors", most=50)
    policy["non_retryable_errors"] = [code for code in codes if isinstance(code, str)]
    members.close()
    return policy


def timing(members: Members, step: Step, *, default: int | None) -> None:
    """Time-out and reminders; reminders come at half and at nine tenths of the time unless they are given."""
    timeout = members.integer("timeout_seconds", default=default, least=1, most=TEN_YEARS)
    step["timeout_seconds"] = timeout
    if timeout and timeout >= 10:
        step["reminder_seconds"] = [timeout // 2, timeout * 9 // 10]


def form(members: Members, name: str) -> list[dict[str, Any]]:
    """The fields of a form, each id once."""
    fields: list[dict[str, Any]] = []
    for index, item in enumerate(members.items(name, most=MAX_FIELDS)):
        field = Members(item, at(members.pointer, name, index), members.faults)
        identifier = field.identifier()
        if identifier in {one["id"] for one in fields}:
            members.faults.add(field.pointer, "repeated_id", f"field {identifier} is there twice")
        fields.append(
            {
                "id": identifier,
                "name": field.text("name", default=identifier, most=MAX_NAME),
                "property_type": field.choice("property_type", PROPERTY_TYPES, default="string"),
                "required": field.boolean("required", default=False),
                "default_value": field.document("default_value"),
            }
        )
        field.close()
    return fields


def approval_form() -> list[dict[str, Any]]:
    """The form of names.md."""
    return [{**field, "default_value": None} for field in APPROVAL_FORM]


def _percent(members: Members) -> int:
    value = members.raw("backoff_coefficient")
    if value is None:
        return 200
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= 100:
        members.faults.add(at(members.pointer, "backoff_coefficient"), "bad_value", "must be a number from 1 to 100")
        return 200
    return round(value * 100)
