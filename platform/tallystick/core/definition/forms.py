"""Forms: typed fields, and what each of them accepts."""

import datetime
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from tallystick.core.definition.faults import at, shown
from tallystick.core.definition.model import MAX_FIELDS, MAX_NAME, MAX_TEXT, Field, Validation
from tallystick.core.definition.reading import Members, is_integer
from tallystick.core.expression.decimals import is_decimal

APPROVAL_DECISION = "approval_decision"
MAX_OPTIONS = 200
_DATE_PARTS = (4, 2, 2)
_BOUNDED = ("integer", "decimal", "date")  # types with a least and a most


def form(members: Members, name: str) -> list[Field]:
    """The fields that stand under ``name``, each id once."""
    fields: list[Field] = []
    for index, item in enumerate(members.items(name, most=MAX_FIELDS)):
        pointer = at(members.pointer, name, index)
        field = _field(Members(item, pointer, members.faults))
        if field.id and field.id in [one.id for one in fields]:
            members.faults.add(at(pointer, "id"), "repeated_id", f"the id {field.id} is taken")
        fields.append(field)
    return fields


def approval_form() -> list[Field]:
    """The form of every approval (names.md)."""
    return [
        Field(id=APPROVAL_DECISION, name=APPROVAL_DECISION, property_type="boolean", required=True),
        Field(id="comments", name="comments"),
    ]


def is_approval(fields: Sequence[Field]) -> bool:
    """Whether a form asks for approval."""
    return any(field.id == APPROVAL_DECISION for field in fields)


def accepts(property_type: str, value: Any) -> bool:
    """Whether ``value`` is of the type; decimals are strings, dates ``YYYY-MM-DD``, files ``{"$file": …}``."""
    return PROPERTY_TYPES[property_type](value)


def objection(field: Field, value: Any) -> str:
    """What a field has against ``value``, in words that follow its name; empty when it takes it."""
    if not accepts(field.property_type, value):
        return f"must be of type {field.property_type}"
    bounds = field.validation
    if bounds is None:
        return ""
    if bounds.least is not None and _rank(field, value) < _rank(field, bounds.least):
        return f"must be at least {bounds.least}"
    if bounds.most is not None and _rank(field, value) > _rank(field, bounds.most):
        return f"must be at most {bounds.most}"
    if bounds.min_length is not None and len(value) < bounds.min_length:
        return f"must have at least {bounds.min_length} characters"
    if bounds.max_length is not None and len(value) > bounds.max_length:
        return f"must have at most {bounds.max_length} characters"
    if bounds.options and value not in bounds.options:
        return f"must be one of {', '.join(map(str, bounds.options))}"
    return ""


def field_fault(field: Field) -> tuple[str, str]:
    """What is wrong with a field's bounds and default: the member and why; two empty texts when nothing is."""
    bounds = field.validation
    if bounds is not None and bounds == Validation():
        return "validation", "validation says nothing"
    for member, types in _APPLIES.items():
        if bounds and getattr(bounds, member) not in (None, []) and field.property_type not in types:
            return f"validation/{member}", f"{member} is not for the type {field.property_type}"
    for member in ("least", "most"):
        bound = getattr(bounds, member, None)
        if bound is not None and not accepts(field.property_type, bound):
            return f"validation/{member}", f"{member} must be of type {field.property_type}, not {shown(bound)}"
    if any(not accepts(field.property_type, one) for one in (bounds.options if bounds else ())):
        return "validation/options", f"every option must be of type {field.property_type}"
    if bounds and not _ordered(field, bounds):
        return "validation", "the upper bound lies below the lower one"
    if field.default_value is not None and (why := objection(field, field.default_value)):
        return "default_value", f"the default {why}"
    return "", ""


def _field(members: Members) -> Field:
    identifier = members.identifier()
    kind: Any = members.choice("property_type", tuple(PROPERTY_TYPES), default="string")
    field = Field(
        id=identifier,
        name=members.text("name", default=identifier, most=MAX_NAME),
        property_type=kind,
        required=members.boolean("required", default=False),
        default_value=members.raw("default_value"),
        validation=_validation(members),
    )
    member, why = field_fault(field)
    if member:
        members.faults.add(at(members.pointer, *member.split("/")), "wrong_type", why)
    members.close()
    return field


def _validation(members: Members) -> Validation | None:
    if members.raw("validation") is None:
        return None
    given = members.inner("validation")
    least, most = (_bound(given, name) for name in ("least", "most"))
    shortest, longest = (
        given.integer(name, default=None, least=0, most=MAX_TEXT) for name in ("min_length", "max_length")
    )
    options = given.items("options", most=MAX_OPTIONS)
    given.close()
    if any(not isinstance(one, str) and not is_integer(one) for one in options):
        given.fault("options", "wrong_type", "options are strings or whole numbers")
        options = []
    return Validation(least=least, most=most, min_length=shortest, max_length=longest, options=options)


def _bound(members: Members, name: str) -> int | str | None:
    value = members.raw(name)
    if value is None or isinstance(value, str) or is_integer(value):
        return value  # type: ignore[no-any-return]  # of these types
    members.fault(name, "wrong_type", f"{name} must be a whole number or a string")
    return None


def _ordered(field: Field, bounds: Validation) -> bool:
    if bounds.least is not None and bounds.most is not None and _rank(field, bounds.least) > _rank(field, bounds.most):
        return False
    return bounds.min_length is None or bounds.max_length is None or bounds.min_length <= bounds.max_length


def _rank(field: Field, value: Any) -> Any:
    """What values of a bounded type are compared by; dates are in order as they are written."""
    return Decimal(value) if field.property_type == "decimal" else value


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


_APPLIES = {
    "least": _BOUNDED,
    "most": _BOUNDED,
    "min_length": ("string",),
    "max_length": ("string",),
    "options": ("string", "integer", "decimal"),
}

PROPERTY_TYPES: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str) and len(value) <= MAX_TEXT,
    "integer": is_integer,
    "boolean": lambda value: isinstance(value, bool),
    "decimal": lambda value: isinstance(value, str) and is_decimal(value),
    "date": _date,
    "file": lambda value: isinstance(value, dict) and set(value) == {"$file"},
    "object": lambda value: isinstance(value, dict),
}
