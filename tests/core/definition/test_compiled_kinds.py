"""What no compiler makes of steps of every kind is refused before the engine reads it."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from support.examples import example
from tallystick.core.definition.compile import compile_definition
from tallystick.core.definition.compiled import check_compiled
from tallystick.core.definition.faults import DefinitionErrors
from tallystick.core.definition.forms import objection
from tallystick.core.definition.model import Field, Validation

Change = Callable[[dict[str, Any]], Any]


def within(name: str, **changes: Any) -> Change:
    return lambda one: one["steps"][name].update(changes)


CASES: dict[str, tuple[str, Change]] = {
    "a step under the system's name": (
        "timer",
        lambda one: one["steps"].update(initialize_collaboration=one["steps"]["cool_down"]),
    ),
    "a beginning in the middle": ("timer", within("initialize_collaboration", next_steps=[])),
    "a route to the beginning": ("timer", within("begin", next_steps=[{"step": "initialize_collaboration"}])),
    "an end at the top that is none": ("timer", lambda one: one["steps"]["begin"].pop("next_steps")),
    "a timer with two times": ("timer", within("cool_down", until=1)),
    "a timer that fails": ("timer", within("cool_down", catches=[{"step": "begin"}])),
    "cron without its time zone": ("timer", lambda one: one["steps"]["monday"].pop("time_zone")),
    "a time zone that is a path": ("timer", within("monday", time_zone="../../etc/localtime")),
    "a cron line of nonsense": ("timer", within("monday", cron="0 0 31 2 *")),
    "a time before the beginning of time": ("timer", within("season", until="2027")),
    "a signal of strangers": ("wait", within("arrival", senders=["mallory"])),
    "a threshold beyond the branches": ("parallel", within("quotations", threshold=4)),
    "two branches of one name": (
        "parallel",
        lambda one: one["steps"]["quotations"]["branches"].append(one["steps"]["quotations"]["branches"][0]),
    ),
    "a branch that begins elsewhere": (
        "parallel",
        lambda one: one["steps"]["quotations"]["branches"][0].update(start="quote_own"),
    ),
    "a branch that begins nowhere": (
        "parallel",
        lambda one: one["steps"]["quotations"]["branches"][0].update(start="nowhere"),
    ),
    "a step of no branch": ("parallel", within("quote_sea", block="quotations/air")),
    "a step of an activity": ("parallel", within("quote_sea", block="choose")),
    "a step of itself": ("parallel", within("quote_sea", block="quote_sea/x")),
    "a loop in itself": ("for_each", within("lines", block="lines")),
    "a loop whose body is elsewhere": ("for_each", within("lines", body="despatch")),
    "items that cannot be read": ("for_each", within("lines", items="input.")),
    "an item at the top": ("for_each", within("despatch", input_mapping={"a": "item"})),
    "an output of a user task": ("user_task", within("inspect", output_mapping={"a": "result.a"})),
    "an output beside a form": ("for_each", within("pick", output_mapping={"a": "result.a"})),
    "an output of a decision": ("decision", within("credit", output_mapping={"a": "result.a"})),
    "data hidden from its author": ("user_task", within("inspect", visible_to=["nordic"])),
    "a field hidden from its author": ("user_task", within("inspect", field_audiences={"grade": ["nordic"]})),
    "a field shown to strangers": ("user_task", within("inspect", field_audiences={"grade": ["huaxia", "mallory"]})),
    "bounds that cross": (
        "user_task",
        lambda one: one["steps"]["inspect"]["form"][1].update(validation={"least": 2, "most": 1}),
    ),
    "an exchange with nobody": ("data_exchange", within("order", targets=[])),
    "an exchange with oneself": ("data_exchange", within("order", targets=["huaxia"])),
    "an expression and a table": ("decision_table", within("class", expression="true")),
    "neither of both": ("decision_table", lambda one: one["steps"]["class"].pop("table")),
    "a row that is too short": (
        "decision_table",
        lambda one: one["steps"]["class"]["table"]["rows"][0].update(input_value=[True]),
    ),
    "a column that cannot be read": (
        "decision_table",
        lambda one: one["steps"]["class"]["table"].update(columns=["(", "true"]),
    ),
    "a workflow that is not there": ("sub_workflow", within("delivery", definition="other")),
    "a workflow of another name": (
        "sub_workflow",
        lambda one: one["definitions"]["delivery-by-carrier"].update(id="other"),
    ),
    "strangers in the workflow within": (
        "sub_workflow",
        lambda one: one["definitions"]["delivery-by-carrier"]["participants"].append("mallory"),
    ),
    "faults in the workflow within": (
        "sub_workflow",
        lambda one: one["definitions"]["delivery-by-carrier"]["steps"]["collect"].update(assigned_org="mallory"),
    ),
    "a participant twice": ("timer", lambda one: one["participants"].append("huaxia")),
    "a step that undoes and waits": ("compensation", within("release", hold_on_failure=True)),
    "a step that undoes and leads on": ("compensation", within("release", next_steps=[{"step": "pay"}])),
    "a step that undoes nothing": ("compensation", lambda one: one["steps"]["reserve"].pop("compensate_with")),
    "a decision that undoes": ("decision", within("credit", compensates=True)),
    "a schema of the input that is none": ("routes", lambda one: one.update(input_schema={"typ": 1})),
    "a topic of a schedule": ("routes", lambda one: one["triggers"][1].update(topic="a")),
    "an event of no topic": ("routes", lambda one: one["triggers"][2].pop("topic")),
    "a topic that is no filter": ("routes", lambda one: one["triggers"][2].update(topic="a#")),
    "a condition of a schedule": ("routes", lambda one: one["triggers"][1].update(condition="true")),
    "a schedule of no time": ("routes", lambda one: one["triggers"][1].pop("cron")),
    "a condition that cannot be read": ("routes", lambda one: one["triggers"][2].update(condition="1 +")),
}


@pytest.mark.parametrize("name", CASES)
def test_what_no_compiler_makes(name: str) -> None:
    of, change = CASES[name]
    compiled = copy.deepcopy(compile_definition(example(of)))
    change(compiled)
    with pytest.raises(DefinitionErrors) as caught:
        check_compiled(compiled)
    assert caught.value.errors[0].detail


def field(kind: Any, **bounds: Any) -> Field:
    return Field(id="a", name="A", property_type=kind, validation=Validation(**bounds))


@pytest.mark.parametrize(
    ("one", "good", "bad"),
    [
        (field("integer", least=1, most=3), [1, 3], [0, 4, "2", None]),
        (field("decimal", least="-0.5", most="10"), ["-0.50", "9.99", "10.0"], ["-0.51", "10.01", "x"]),
        (field("date", least="2026-01-01", most="2026-12-31"), ["2026-06-01"], ["2025-12-31", "2027-01-01"]),
        (field("string", min_length=2, max_length=3), ["ab", "订单一"], ["a", "abcd"]),
        (field("string", options=["A", "B"]), ["A"], ["C", ""]),
        (field("integer", options=[1, 2]), [1], [3]),
        (Field(id="a", name="A"), ["x"], [7]),
    ],
)
def test_what_a_field_takes(one: Field, good: list[Any], bad: list[Any]) -> None:
    assert not any(objection(one, value) for value in good)
    assert all(objection(one, value) for value in bad)
