"""What a JSON Schema of definitions is made of: how to say text, a list or an object, and what recurs everywhere."""

from typing import Any

from tallystick.core.definition import model
from tallystick.core.definition.words import PRIORITIES

Schema = dict[str, Any]


def ref(name: str) -> Schema:
    """One of the schema's own definitions."""
    return {"$ref": f"#/$defs/{name}"}


def text(most: int = model.MAX_TEXT) -> Schema:
    """A text that must say something."""
    return {"type": "string", "maxLength": most, "pattern": "\\S"}


def whole(least: int, most: int) -> Schema:
    """A whole number between two others, both allowed."""
    return {"type": "integer", "minimum": least, "maximum": most}


def list_of(item: str | Schema, most: int, least: int = 0) -> Schema:
    """A list of things of one kind, which a text names."""
    found: Schema = {"type": "array", "items": ref(item) if isinstance(item, str) else item, "maxItems": most}
    return found | ({"minItems": least} if least else {})


def one_of(*words: str) -> Schema:
    """One of these words."""
    return {"enum": list(words)}


def maybe(schema: Schema) -> Schema:
    """Absence and null mean the same."""
    if not schema:
        return schema
    if isinstance(schema.get("type"), str):
        return {**schema, "type": [schema["type"], "null"]}
    if "enum" in schema:
        return {**schema, "enum": [*schema["enum"], None]}
    return {"anyOf": [schema, {"type": "null"}]}


def object_of(needed: list[str], /, **members: Schema) -> Schema:
    """An object of these members and no others; those that are not required may be null."""
    properties = {name: one if name in needed else maybe(one) for name, one in members.items()}
    return {"type": "object", "additionalProperties": False, "required": needed, "properties": properties}


ANY: Schema = {"type": "object"}
EXPRESSION = text()
SECONDS = whole(1, model.TEN_YEARS)
NAME = text(model.MAX_NAME)
FREE: Schema = {"type": "string", "maxLength": model.MAX_NAME}
LONG: Schema = {"type": "string", "maxLength": model.MAX_TEXT}
WORDS = {
    **list_of({"type": "string", "minLength": 1, "maxLength": model.MAX_NAME}, model.MAX_CODES),
    "uniqueItems": True,
}
ORGS: Schema = {"type": "array", "items": {"type": "string"}, "maxItems": 200, "uniqueItems": True}
MAPPING: Schema = {"type": "object", "propertyNames": ref("id"), "additionalProperties": EXPRESSION}
AUDIENCE: Schema = {"anyOf": [{"const": model.SHARED}, ORGS, {"type": "null"}]}
PRIORITY: Schema = {"anyOf": [one_of(*PRIORITIES), whole(0, 10)]}
