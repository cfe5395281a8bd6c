"""Values that fit: what a simulation answers where nobody says what."""

from typing import Any

from tallystick.core.definition.forms import APPROVAL_DECISION
from tallystick.core.definition.model import Field, Schema

_DEPTH = 12  # of schemas within schemas, references among them
_VALUES: dict[str, Any] = {
    "string": "x",
    "integer": 1,
    "boolean": False,
    "decimal": "1",
    "date": "2026-01-01",
    "file": {"$file": {}},
    "object": {},
}
_SAMPLES: dict[str, Any] = {"null": None, "boolean": False, "integer": 0, "number": 0, "string": "", "array": []}


def form_values(form: list[Field]) -> dict[str, Any]:
    """A value for every field: its default, or the first that it takes. Approvals approve."""
    return {field.id: field_value(field) for field in form}


def field_value(field: Field) -> Any:
    """The value of one field."""
    if field.default_value is not None or field.id == APPROVAL_DECISION:
        return True if field.default_value is None else field.default_value
    bounds = field.validation
    if bounds and bounds.options:
        return bounds.options[0]
    for bound in (bounds.least, bounds.most) if bounds else ():
        if bound is not None:
            return bound
    value = _VALUES[field.property_type]
    if bounds and isinstance(value, str) and bounds.min_length is not None:
        return value * bounds.min_length
    return value


def sample(schema: Schema | bool | None, defined: dict[str, Any] | None = None, depth: int = 0) -> Any:
    """A small value that a simple schema allows: defaults, first choices, required members only."""
    if not isinstance(schema, dict) or depth > _DEPTH:
        return {}
    defined = schema.get("$defs", {}) if defined is None else defined
    if "$ref" in schema:
        return sample(defined.get(schema["$ref"].rpartition("/")[2]), defined, depth + 1)
    for keyword in ("default", "const"):
        if keyword in schema:
            return schema[keyword]
    for keyword in ("examples", "enum"):
        if schema.get(keyword):
            return schema[keyword][0]
    kinds = schema.get("type", "object")
    kind = kinds[0] if isinstance(kinds, list) else kinds
    if kind == "object":
        properties = schema.get("properties", {})
        return {name: sample(properties.get(name), defined, depth + 1) for name in schema.get("required", [])}
    if kind == "array" and schema.get("minItems"):
        return [sample(schema.get("items"), defined, depth + 1)] * int(schema["minItems"])
    if kind == "string":
        return "x" * int(schema.get("minLength", 1))
    return schema.get("minimum", _SAMPLES[kind]) if kind in {"integer", "number"} else _SAMPLES[kind]
