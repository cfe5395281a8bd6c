"""JSON Schemas in definitions: bounded, without anything that leads out of them, and in a form that validators take."""

import re
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.definition.patterns import is_pattern
from tallystick.core.definition.schemas import MAX_SCHEMA_DEPTH, schema_faults

GOOD: list[dict[str, Any]] = [
    {},
    {"type": "object", "properties": {"a": {"type": ["string", "null"]}}, "required": ["a"]},
    {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "T", "additionalProperties": False},
    {"$defs": {"one": {"type": "integer"}}, "properties": {"a": {"$ref": "#/$defs/one"}}},
    {"$defs": {"a": {"items": {"$ref": "#/$defs/b"}}, "b": {"minimum": 0}}, "$ref": "#/$defs/a"},
    {"if": {"required": ["a"]}, "then": {"minProperties": 2}, "else": True, "not": {"const": {}}},
    {"properties": {"a": {"pattern": "^[A-Z]{2}-[0-9]+$", "format": "date", "maxLength": 9, "default": "x"}}},
    {"prefixItems": [{}, True], "items": False, "contains": {}, "minContains": 0, "uniqueItems": True},
    {"dependentRequired": {"a": ["b"]}, "dependentSchemas": {"a": {}}, "propertyNames": {"maxLength": 3}},
    {"allOf": [{}], "anyOf": [{}], "oneOf": [{}], "enum": [None, 1], "examples": [1], "multipleOf": 5},
]


@pytest.mark.parametrize("document", GOOD)
def test_what_schemas_may_say(document: dict[str, Any]) -> None:
    assert list(schema_faults(document)) == []
    jsonschema.Draft202012Validator.check_schema(document)


def nested(levels: int) -> dict[str, Any]:
    inner: dict[str, Any] = {}
    for _ in range(levels):
        inner = {"items": inner}
    return inner


BAD: dict[str, tuple[dict[str, Any], tuple[object, ...]]] = {
    "a misspelt keyword": ({"propertys": {}}, ("propertys",)),
    "a keyword of another dialect": ({"definitions": {}}, ("definitions",)),
    "another dialect": ({"$schema": "http://json-schema.org/draft-07/schema#"}, ("$schema",)),
    "a reference elsewhere": ({"items": {"$ref": "https://example.com/a.json"}}, ("items", "$ref")),
    "a reference to the whole": ({"items": {"$ref": "#"}}, ("items", "$ref")),
    "a reference to nothing": ({"$ref": "#/$defs/a"}, ("$ref",)),
    "a reference to itself": ({"$defs": {"a": {"not": {"$ref": "#/$defs/a"}}}}, ("$defs", "a")),
    "an anchor": ({"$anchor": "a"}, ("$anchor",)),
    "an id": ({"$id": "a"}, ("$id",)),
    "an unknown type": ({"type": "text"}, ("type",)),
    "no type": ({"type": []}, ("type",)),
    "a type twice": ({"type": ["null", "null"]}, ("type",)),
    "an empty enum": ({"enum": []}, ("enum",)),
    "a negative length": ({"minLength": -1}, ("minLength",)),
    "a truth for a number": ({"minimum": True}, ("minimum",)),
    "a name twice": ({"required": ["a", "a"]}, ("required",)),
    "a schema that is none": ({"properties": {"a": 5}}, ("properties", "a")),
    "properties that are none": ({"properties": []}, ("properties",)),
    "definitions inside": ({"items": {"$defs": {}}}, ("items", "$defs")),
    "too deep": (nested(MAX_SCHEMA_DEPTH + 1), ()),
    "too many": ({"anyOf": [{}] * 501}, ()),
    "a pattern that is none": ({"pattern": "("}, ("pattern",)),
    "a long pattern": ({"pattern": "a" * 201}, ("pattern",)),
    "a quantified group": ({"pattern": "(a+)+$"}, ("pattern",)),
    "a group quantified by number": ({"pattern": "(a|aa){30}$"}, ("pattern",)),
    "three open quantifiers": ({"pattern": ".*.*.*x"}, ("pattern",)),
    "many bounded quantifiers": ({"pattern": "a{0,9}a{0,9}a{0,9}$"}, ("pattern",)),
    "look-ahead": ({"pattern": "(?=a)"}, ("pattern",)),
    "a reference back": ({"pattern": r"(a)\1"}, ("pattern",)),
}


@pytest.mark.parametrize("name", BAD)
def test_what_schemas_may_not_say(name: str) -> None:
    document, parts = BAD[name]
    assert [where for where, _ in schema_faults(document)] == [parts]


@pytest.mark.parametrize(
    "pattern",
    [
        *("", "^PO-[0-9]{4,10}$", r"\d+\.\d{2}", "[^a-z-]", "[-a]", r"[\]\-\w]*", "(a|b)c", "a{3}b{3}c{3}d{3}", "订+"),
        r"^(EUR|USD|CNY) [1-9][0-9]{0,8}$",
    ],
)
def test_patterns_of_the_subset(pattern: str) -> None:
    assert is_pattern(pattern)
    re.compile(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        *(
            "[[a]]",
            "[a&&b]",
            "[a--b]",
            "[z-a]",
            r"[\d-z]",
            "[]",
            "[^]",
            "[a",
            "a]",
            "a{2,1}",
            "a{1001}",
            "a{",
            "{",
            "*a",
        ),
        *(
            "^*",
            "a**",
            "a+?",
            "()*",
            "(" * 21 + ")" * 21,
            ")(",
            "(",
            r"\b",
            r"\1",
            r"\x41",
            "\\",
            "(?i)a",
            "(?:a)",
            r"\p{L}",
        ),
    ],
)
def test_patterns_outside_the_subset(pattern: str) -> None:
    assert not is_pattern(pattern)


@given(st.text(alphabet="ab*+?{}0,9()[]|^$.-&\\", max_size=40))
def test_patterns_that_are_taken_can_be_read_and_end(pattern: str) -> None:
    """Nodes apply them to texts of their partners: 2,000 characters that match nearly to their end."""
    if is_pattern(pattern):
        re.compile(pattern).search("a" * 2000 + "!")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 9) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
keywords = st.sampled_from(sorted({key for one in GOOD for key in one} | {"x", "pattern", "$ref"}))


@given(st.dictionaries(keywords, json_values | st.sampled_from(GOOD), max_size=4))
def test_what_is_taken_is_a_schema(document: dict[str, Any]) -> None:
    if not list(schema_faults(document)):
        jsonschema.Draft202012Validator.check_schema(document)
        jsonschema.Draft202012Validator(document).is_valid({"a": ["b"]})
