"""The published schema of the language: it is what the module gives, and the compiler and it do not contradict."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.definition.test_full import CASES as FULL
from core.definition.test_full import changed as changed_full
from core.definition.test_kinds import CASES as KINDS
from core.definition.test_kinds import json_values, put
from core.definition.test_short import CASES as SHORT
from core.definition.test_short import changed as changed_short
from support.examples import NAMES, changed, example
from support.parties import DEFINITION
from tallystick.core.definition import model
from tallystick.core.definition.compile import compile_definition
from tallystick.core.definition.faults import DefinitionErrors
from tallystick.node.definitions.grammar import grammar

FILE = Path(model.__file__).with_name("schema.json")
DEMO = Path(__file__).resolve().parents[3] / "deploy" / "demo" / "definitions" / "order-to-remittance.json"
VALIDATOR = jsonschema.Draft202012Validator(grammar())
# Faults of form, all of which a schema can tell.
FORM = {"unknown_field", "required", "wrong_type", "unknown_value", "out_of_range", "bad_id", "too_many", "too_long"}
# What looks like a fault of form and hangs on another member, on what a text says, or on a name.
BEYOND = {
    "an expression over a field that is not there",
    "an input that is not there",
    "a condition on what is not there",
    "a reminder after the time-out",
    "a retry policy of nonsense",
    "data for nobody",
    "a default of another type",
    "an option of another type",
    "bounds that cross",
    "a default out of bounds",
    "a length of a number",
    "a validation that says nothing",
    "more branches than there are",
    "conditions that nobody decides",
    "nobody's loop",
    "nobody's task",
    "no duration",
    "a schedule without times",
    "a topic of an API call",
    "a field shown to strangers",
    "an approval with too long an id",
}


def test_the_file_is_what_the_module_gives() -> None:
    assert json.loads(FILE.read_text(encoding="utf-8")) == grammar()
    jsonschema.Draft202012Validator.check_schema(grammar())


@pytest.mark.parametrize("name", NAMES)
def test_every_example_is_valid(name: str) -> None:
    VALIDATOR.validate(example(name))


def test_the_short_form_is_valid() -> None:
    VALIDATOR.validate(DEFINITION)
    VALIDATOR.validate(json.loads(DEMO.read_text(encoding="utf-8")))


MUTATIONS: list[tuple[str, Any, list[tuple[str, str]]]] = [
    *((name, lambda change=change: changed_short(change), expected) for name, (change, expected) in SHORT.items()),
    *((name, lambda change=change: changed_full(change), expected) for name, (change, expected) in FULL.items()),
    *(
        (name, lambda of=of, change=change: changed(of, change), expected)
        for name, (of, change, expected) in KINDS.items()
    ),
]
TOLD = [one for one in MUTATIONS if {code for _, code in one[2]} <= FORM and one[0] not in BEYOND]


@pytest.mark.parametrize(("name", "source", "expected"), TOLD, ids=[one[0] for one in TOLD])
def test_faults_of_form_are_told_by_both(name: str, source: Any, expected: Any) -> None:
    assert not VALIDATOR.is_valid(source())


@given(name=st.sampled_from(NAMES), place=st.integers(0, 2000), value=json_values)
def test_what_compiles_is_valid(name: str, place: int, value: Any) -> None:
    source = example(name)
    put(source, place, value)
    try:
        compile_definition(source)
    except DefinitionErrors:
        return
    VALIDATOR.validate(source)
