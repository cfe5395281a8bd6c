"""JSON Schemas in definitions: bounded documents of dialect 2020-12, checked for form here, applied by nodes.

Which values fit a schema never affects legality; its form does, as that of everything in a definition.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from tallystick.core.definition.faults import at, suggestion
from tallystick.core.definition.patterns import is_pattern
from tallystick.core.definition.reading import Members, is_integer

DIALECT = "https://json-schema.org/draft/2020-12/schema"
MAX_SCHEMA_DEPTH = 10  # schemas within schemas
MAX_SCHEMAS = 500  # in one document
_TYPES = {"null", "boolean", "integer", "number", "string", "array", "object"}
_LOCAL = re.compile(r"#/\$defs/[A-Za-z][A-Za-z0-9_-]{0,63}\Z")
Wrong = tuple[tuple[object, ...], str]  # place below the schema, what is wrong


def schema(members: Members, name: str) -> dict[str, Any] | None:
    """The schema that stands under ``name``; None when there is none."""
    found = members.document(name)
    for parts, detail in schema_faults(found):
        members.faults.add(at(members.pointer, name, *parts), "bad_schema", detail, _hint(parts, detail))
    return found


def schema_faults(document: dict[str, Any] | None) -> Iterator[Wrong]:
    """Everything that is wrong with a schema's form."""
    if document is None:
        return
    defined = set(document["$defs"]) if isinstance(document.get("$defs"), dict) else set()
    todo: list[tuple[Any, tuple[object, ...], int]] = [(document, (), 0)]
    count = 0
    while todo:
        one, parts, depth = todo.pop()
        count += 1
        if depth > MAX_SCHEMA_DEPTH or count > MAX_SCHEMAS:
            yield (), f"a schema holds at most {MAX_SCHEMAS} schemas, {MAX_SCHEMA_DEPTH} deep"
            return
        if isinstance(one, bool):
            continue
        if not isinstance(one, dict):
            yield parts, "a schema is an object, true or false"
            continue
        for keyword, value in one.items():
            yield from _keyword(keyword, value, (*parts, keyword), defined)
        todo += [(inner, (*parts, *place), depth + 1) for place, inner in _inner(one)]
    yield from _circles(document)


def _keyword(keyword: str, value: Any, parts: tuple[object, ...], defined: set[str]) -> Iterator[Wrong]:
    check = _KEYWORDS.get(keyword)
    if check is None:
        yield parts, f"the keyword {keyword[:80]} is not part of what schemas here may say"
    elif not check(value):
        yield parts, f"the keyword {keyword} does not have such a value"
    elif keyword == "$ref" and value.removeprefix("#/$defs/") not in defined:
        yield parts, "there is no such definition in $defs"
    elif keyword == "$defs" and len(parts) > 1:
        yield parts, "$defs stand at the top of a schema"


def _inner(one: dict[str, Any]) -> Iterator[tuple[tuple[object, ...], Any]]:
    """The schemas right inside a schema."""
    for keyword, value in one.items():
        if keyword in _ONE:
            yield (keyword,), value
        elif keyword in _LISTS and isinstance(value, list):
            yield from (((keyword, index), each) for index, each in enumerate(value))
        elif keyword in _NAMED and isinstance(value, dict):
            yield from (((keyword, name), each) for name, each in value.items())


def _circles(document: dict[str, Any]) -> Iterator[Wrong]:
    """References that lead back to themselves: no value of any depth would end them."""
    defined = document.get("$defs")
    edges = {name: _references(one) for name, one in defined.items()} if isinstance(defined, dict) else {}
    while free := [name for name, targets in edges.items() if not targets & edges.keys()]:
        for name in free:
            del edges[name]
    for name in edges:
        yield ("$defs", name), "a definition refers to itself"


def _references(one: Any) -> set[str]:
    found: set[str] = set()
    todo = [one]
    while todo:
        inner = todo.pop()
        if isinstance(inner, dict):
            if isinstance(inner.get("$ref"), str):
                found.add(inner["$ref"].removeprefix("#/$defs/"))
            todo += [each for _, each in _inner(inner)]
    return found


def _hint(parts: tuple[object, ...], detail: str) -> str:
    return suggestion(parts[-1], _KEYWORDS) if parts and "is not part" in detail else ""


def _is_type(value: Any) -> bool:
    names = value if isinstance(value, list) else [value]
    return (
        bool(names) and all(isinstance(one, str) and one in _TYPES for one in names) and len(set(names)) == len(names)
    )


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value) and len(set(value)) == len(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return is_integer(value) and value >= 0


def _is_positive(value: Any) -> bool:
    return is_integer(value) and value > 0


def _is_any(value: Any) -> bool:
    return True


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_full(value: Any) -> bool:
    return isinstance(value, list) and bool(value)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_reference(value: Any) -> bool:
    return isinstance(value, str) and _LOCAL.match(value) is not None


_ONE = (
    "additionalProperties", "propertyNames", "items", "contains", "not", "if", "then", "else",
)  # fmt: skip
_LISTS = ("prefixItems", "allOf", "anyOf", "oneOf")
_NAMED = ("properties", "$defs", "dependentSchemas")
_KEYWORDS: dict[str, Callable[[Any], bool]] = {
    "$schema": lambda value: value == DIALECT,
    "$ref": _is_reference,
    "type": _is_type,
    "enum": _is_full,
    "required": _is_names,
    "dependentRequired": lambda value: isinstance(value, dict) and all(map(_is_names, value.values())),
    "multipleOf": _is_positive,
    "pattern": is_pattern,
    "examples": _is_list,
    **dict.fromkeys(("const", "default"), _is_any),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), is_integer),
    **dict.fromkeys(
        (
            "minLength",
            "maxLength",
            "minItems",
            "maxItems",
            "minContains",
            "maxContains",
            "minProperties",
            "maxProperties",
        ),
        _is_count,
    ),
    **dict.fromkeys(("uniqueItems", "readOnly", "writeOnly", "deprecated"), _is_flag),
    **dict.fromkeys(("title", "description", "format", "$comment"), _is_text),
    **dict.fromkeys(_ONE, _is_any),  # read as schemas themselves
    **dict.fromkeys(_LISTS, _is_full),
    **dict.fromkeys(_NAMED, _is_object),
}
