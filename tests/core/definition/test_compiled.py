"""What no compiler makes is refused before the engine reads it, wherever it comes from."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from support.parties import DEFINITION, SUPPLIER
from tallystick.core.definition.compile import compile_definition
from tallystick.core.definition.compiled import check_compiled
from tallystick.core.definition.faults import DefinitionErrors
from tallystick.core.definition.forms import accepts
from tallystick.core.definition.model import DataExchange

GOOD = compile_definition(DEFINITION)


def test_what_the_compiler_makes_is_good() -> None:
    assert check_compiled(GOOD).participants == GOOD["participants"]


CASES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "another version": lambda one: one.update(v=2),
    "an unknown member": lambda one: one.update(extra=1),
    "a member that is missing": lambda one: one.pop("participants"),
    "another start": lambda one: one.update(start="order"),
    "a step under another name": lambda one: one["steps"]["order"].update(id="odrer"),
    "a step without a member": lambda one: one["steps"]["order"].pop("assigned_org"),
    "a step with an unknown member": lambda one: one["steps"]["order"].update(extra=1),
    "no initialisation": lambda one: one["steps"].pop("initialize_collaboration"),
    "no end": lambda one: one["steps"].pop("finalize_collaboration"),
    "a system step of its own": lambda one: one["steps"]["order"].update({"step_type": "end"}),
    "a step of no type": lambda one: one["steps"]["order"].pop("step_type"),
    "a default spelt out": lambda one: one["steps"]["order"].update(priority="normal"),
    "a text's default spelt out": lambda one: one.update(version="1"),
    "a retry policy that says nothing": lambda one: one["steps"]["order"].update(retry_policy={}),
    "a step of a block that is not there": lambda one: one["steps"]["order"].update(block="nowhere"),
    "a handler that routes lead to": lambda one: one["steps"]["carry"].update(compensates=True),
    "a handler that is none": lambda one: one["steps"]["order"].update(compensate_with="carry"),
    "a reminder after the time-out": lambda one: one["steps"]["carry"].update(reminder_seconds=[100]),
    "a field twice": lambda one: one["steps"]["carry"]["form"].append({"id": "weight", "name": "w"}),
    "a schema that is none": lambda one: one["steps"]["order"].update(data_schema={"typ": "object"}),
    "an end that leads on": lambda one: one["steps"]["finalize_collaboration"].update(next_steps=[{"step": "order"}]),
    "an end with another result": lambda one: one["steps"]["finalize_rejected"].update(result="completed"),
    "a result in the middle": lambda one: one["steps"]["order"].update(result="completed"),
    "a stranger's step": lambda one: one["steps"]["order"].update(assigned_org="mallory"),
    "a stranger's data": lambda one: one["steps"]["order"].update(targets=["mallory"]),
    "a stranger who sees": lambda one: one["steps"]["order"].update(visible_to=["mallory"]),
    "an activity of nobody": lambda one: one["steps"]["carry"].update(assigned_org=None),
    "an activity of no type": lambda one: one["steps"]["carry"].pop("activity_type"),
    "a decision without an expression": lambda one: one["steps"]["approve_decision"].pop("expression"),
    "an expression without a decision": lambda one: one["steps"]["order"].update(expression="true"),
    "an expression that cannot be read": lambda one: one["steps"]["approve_decision"].update(expression="("),
    "a duration without a timer": lambda one: one["steps"]["order"].update(duration_seconds=5),
    "a route to nowhere": lambda one: one["steps"]["order"].update(next_steps=[{"step": "nowhere"}]),
    "an outcome without a decision": lambda one: one["steps"]["order"].update(
        next_steps=[{"step": "approve", "outcome": "x"}]
    ),
    "a step that nothing leads to": lambda one: one["steps"]["order"].update(next_steps=[{"step": "closing"}]),
    "too many attempts": lambda one: one["steps"]["carry"]["retry_policy"].update(max_attempts=101),
    "time without end": lambda one: one["steps"]["order"].update(timeout_seconds=10**9),
    "a floating-point number": lambda one: one["steps"]["carry"].update(input={"a": 0.5}),
    "no participants": lambda one: one.update(participants=[]),
}


@pytest.mark.parametrize("name", CASES)
def test_what_no_compiler_makes(name: str) -> None:
    document = copy.deepcopy(GOOD)
    CASES[name](document)
    with pytest.raises(DefinitionErrors) as caught:
        check_compiled(document)
    assert caught.value.errors[0].detail


@pytest.mark.parametrize("document", [None, [], "x", {}])
def test_what_is_no_definition(document: Any) -> None:
    with pytest.raises(DefinitionErrors):
        check_compiled(document)


@pytest.mark.parametrize(
    ("property_type", "good", "bad"),
    [
        ("string", ["", "订单"], [7, None, "x" * 4001]),
        ("integer", [0, -7], [True, "7", 1.0]),
        ("boolean", [True, False], [0, "true"]),
        ("decimal", ["0", "-12.50"], ["01", "1.", ".5", "1e3", 1, "+1", "1,5"]),
        (
            "date",
            ["2026-11-24", "2024-02-29"],
            ["2026-02-29", "2026-1-1", "20261124", "2026-11-24T00:00", 7, "٢٠٢٦-١١-٢٤"],
        ),
        ("file", [{"$file": {}}], [{}, {"$file": {}, "x": 1}, "f"]),
        ("object", [{}, {"a": 1}], [[], None]),
    ],
)
def test_what_each_type_of_field_takes(property_type: str, good: list[Any], bad: list[Any]) -> None:
    assert all(accepts(property_type, one) for one in good)
    assert not any(accepts(property_type, one) for one in bad)


def test_only_the_named_see_the_data() -> None:
    order = check_compiled(GOOD).steps["order"]
    assert isinstance(order, DataExchange)
    assert SUPPLIER in order.visible_to


def test_all_expressions_together_are_bounded() -> None:
    """Each is short enough; reading all of them would hold up whoever receives the proposal."""
    changed = copy.deepcopy(GOOD)
    changed["steps"]["carry"]["input_mapping"] = {f"a{number}": "1+" * 1_900 + "1" for number in range(60)}
    with pytest.raises(DefinitionErrors) as caught:
        check_compiled(changed)
    assert "characters together" in str(caught.value)
