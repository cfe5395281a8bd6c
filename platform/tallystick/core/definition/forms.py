"""Forms: typed fields, and what each type accepts."""

import datetime
from collections.abc import Callable
from typing import Any

from tallystick.core.definition.faults import at
from tallystick.core.definition.reading import MAX_NAME, MAX_TEXT, Members, is_integer
from tallystick.core.expression.decimals import is_decimal

Form = list[dict[str, Any]]
MAX_FIELDS = 100
APPROVAL_DECISION = "approval_decision"
_DATE_PARTS = (4, 2, 2)


def form(members: Members, name: str) -> Form:
    """The fields that stand under ``name``, each id once."""
    fields: Form = []
    for index, item in enumerate(members.items(name, most=MAX_FIELDS)):
        field = _field(Members(item, at(members.pointer, name, index), members.faults))
        if field["id"] and field["id"] in [one["id"] for one in fields]:
            members.faults.add(at(members.pointer, name, index, "id"), "repeated_id", f"the id {field['id']} is taken")
        fields.append(field)
    return fields


def approval_form() -> Form:
    """The form of every approval (names.md)."""
    return [
        _blank(APPROVAL_DECISION, "boolean", required=True),
        _blank("comments", "string", required=False),
    ]


def is_approval(fields: Form) -> bool:
    """Whether a form asks for approval."""
    return any(field["id"] == APPROVAL_DECISION for field in fields)


def accepts(property_type: str, value: Any) -> bool:
    """Whether ``value`` is of the type; decimals are strings, dates ``YYYY-MM-DD``, files ``{"$file": …}``."""
    return PROPERTY_TYPES[property_type](value)


def _field(members: Members) -> dict[str, Any]:
    identifier = members.identifier()
    property_type = members.choice("property_type", tuple(PROPERTY_TYPES), default="string")
    default = members.raw("default_value")
    if default is not None and not accepts(property_type, default):
        members.fault("default_value", "wrong_type", f"the default is not of type {property_type}")
    field = _blank(identifier, property_type, required=members.boolean("required", default=False))
    name = members.text("name", default=identifier, most=MAX_NAME)
    members.close()
    return {**field, "name": name, "default_value": default}


def _blank(identifier: str, property_type: str, *, required: bool) -> dict[str, Any]:
    return {
        "id": identifier,
        "name": identifier,
        "property_type": property_type,
        "required": required,
        "default_value": None,
    }


def _date(value: Any) -> bool:
    """Read by hand: what the standard library takes for an ISO date differs between versions of Python."""
    parts = value.split("-") if isinstance(value, str) and value.isascii() else []
    if tuple(map(len, parts)) != _DATE_PARTS or not all(map(str.isdigit, parts)):
        return False
    try:
        datetime.date(*map(int, parts))
    except ValueError:
        return False
    return True


PROPERTY_TYPES: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str) and len(value) <= MAX_TEXT,
    "integer": is_integer,
    "boolean": lambda value: isinstance(value, bool),
    "decimal": lambda value: isinstance(value, str) and is_decimal(value),
    "date": _date,
    "file": lambda value: isinstance(value, dict) and set(value) == {"$file"},
    "object": lambda value: isinstance(value, dict),
}
