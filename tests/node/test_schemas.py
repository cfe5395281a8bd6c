"""Values against the schemas that definitions carry."""

from typing import Any

import pytest

from tallystick.core.errors import Invalid
from tallystick.node.schemas import MAX_ERRORS, SchemaMismatch, check_schema, check_value, definition_faults

ORDER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "number": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]+$"},
        "lines": {"type": "array", "items": {"type": "object", "required": ["sku"]}, "minItems": 1},
    },
    "required": ["number"],
    "additionalProperties": False,
}


def test_a_value_that_fits() -> None:
    check_value(ORDER, {"number": "PO-17", "lines": [{"sku": "滚珠"}]}, "/data")
    check_value(None, {"anything": 1}, "/data")


def test_everything_wrong_is_told_with_its_place() -> None:
    with pytest.raises(SchemaMismatch) as caught:
        check_value(ORDER, {"number": "17", "lines": [{}]}, "/data")
    assert {one.pointer for one in caught.value.errors} == {"/data/number", "/data/lines/0"}
    assert caught.value.code == "schema_mismatch"


def test_faults_are_bounded() -> None:
    with pytest.raises(SchemaMismatch) as caught:
        check_value(ORDER, {"number": "PO-1", "lines": [{}] * 1000}, "/data")
    assert len(caught.value.errors) == MAX_ERRORS


def test_a_pattern_that_backtracks_elsewhere_ends_here() -> None:
    schema = {"type": "string", "pattern": "^(a+)+$"}
    with pytest.raises(SchemaMismatch):
        check_value(schema, "a" * 50_000 + "!", "/data")


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "strin"},
        {"$ref": "https://example.com/schema.json"},
        {"$ref": "file:///etc/passwd"},
        {"pattern": "("},
        {"pattern": "(?=look)ahead"},
        {"minimum": "1"},
    ],
)
def test_what_is_no_schema_or_leads_elsewhere(schema: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as caught:
        check_schema(schema, "/definition/input_schema")
    assert caught.value.code == "bad_schema"
    assert caught.value.pointer == "/definition/input_schema"


def test_every_schema_of_a_definition_is_looked_at_and_named_where_it_stands() -> None:
    bad = {"minimum": "1"}
    task = {"id": "a", "activity": {"result_schema": bad}}
    inner = {"id": "inner", "input_schema": {"type": "strin"}}
    source = {"steps": [task], "definitions": [inner], "input_schema": ORDER}
    compiled = {
        "steps": {"a": {"result_schema": bad}},
        "input_schema": ORDER,
        "definitions": {"inner": {**inner, "steps": {}}},
    }
    found = definition_faults(compiled, source, "/definition")
    assert [(one.pointer, one.code) for one in found] == [
        ("/definition/steps/0/activity/result_schema", "bad_schema"),
        ("/definition/definitions/0/input_schema", "bad_schema"),
    ]
