"""The short form: what it compiles to, and every fault with its place."""

import contextlib
import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.parties import BUYER, CARRIER, DEFINITION, SUPPLIER
from tallystick.core.definition.compile import OrgFacts, compile_definition
from tallystick.core.definition.compiled import check_compiled
from tallystick.core.definition.faults import DefinitionErrors

Change = Callable[[dict[str, Any]], Any]


def changed(change: Change) -> dict[str, Any]:
    """The good definition, after ``change``."""
    source = copy.deepcopy(DEFINITION)
    change(source)
    return source


def faults(source: Any, organisations: dict[str, OrgFacts] | None = None) -> list[tuple[str, str]]:
    """(pointer, code) of everything that is wrong."""
    with pytest.raises(DefinitionErrors) as caught:
        compile_definition(source, organisations)
    return [(one.pointer, one.code) for one in caught.value.errors]


def test_what_it_compiles_to() -> None:
    compiled = compile_definition(DEFINITION)
    steps = compiled["steps"]
    assert list(steps) == [
        "initialize_collaboration",
        *("order", "approve", "approve_decision", "carry", "closing", "refused"),
        *("finalize_collaboration", "finalize_rejected"),
    ]
    assert {name: step.get("next_steps", []) for name, step in steps.items()} == {
        "initialize_collaboration": [{"step": "order"}],
        "order": [{"step": "approve"}],
        "approve": [{"step": "approve_decision"}],
        "approve_decision": [{"outcome": "true", "step": "carry"}, {"outcome": "false", "step": "refused"}],
        "carry": [{"step": "closing"}],
        "closing": [{"step": "finalize_collaboration"}],
        "refused": [{"step": "finalize_rejected"}],
        "finalize_collaboration": [],
        "finalize_rejected": [],
    }
    assert compiled["participants"] == [BUYER, SUPPLIER, CARRIER]
    assert (compiled["v"], compiled["source_form"], "version" in compiled) == (1, "short", False)
    check_compiled(compiled)


def test_an_approval_has_the_form_of_names_md() -> None:
    form = compile_definition(DEFINITION)["steps"]["approve"]["form"]
    assert [(one["id"], one.get("property_type", "string"), one.get("required", False)) for one in form] == [
        ("approval_decision", "boolean", True),
        ("comments", "string", False),
    ]


def test_time_outs_priorities_and_retries() -> None:
    source = changed(lambda one: one["tasks"][0].update(priority=9, timeout_seconds=10))
    source["tasks"][3]["retry_policy"] = {"backoff_coefficient": 1.5, "initial_interval_seconds": 2}
    steps = compile_definition(source)["steps"]
    assert (steps["order"]["priority"], steps["order"]["reminder_seconds"]) == ("critical", [5, 9])
    assert steps["approve"]["timeout_seconds"] == 3600
    assert steps["carry"]["retry_policy"]["non_retryable_errors"] == ["lost"]
    assert steps["closing"]["retry_policy"] == {
        "max_attempts": 3,
        "initial_interval_seconds": 2,
        "backoff_percent": 150,
    }


def test_data_goes_to_its_targets_and_the_rest_is_shared() -> None:
    steps = compile_definition(DEFINITION)["steps"]
    assert steps["order"]["visible_to"] == [BUYER, SUPPLIER]
    assert "visible_to" not in steps["carry"]
    limited = compile_definition(changed(lambda one: one["tasks"][2]["parameters"].update(visible_to=[SUPPLIER])))
    assert limited["steps"]["carry"]["visible_to"] == [CARRIER, SUPPLIER]


def test_a_rejection_without_a_path_ends_at_once() -> None:
    source = changed(lambda one: one["tasks"][1]["parameters"].pop("on_rejected"))
    steps = compile_definition(source)["steps"]
    assert steps["approve_decision"]["next_steps"][1] == {"outcome": "false", "step": "finalize_rejected"}
    assert steps["closing"]["next_steps"] == [{"step": "refused"}]


TASK = "/tasks/0"
CASES: dict[str, tuple[Change, list[tuple[str, str]]]] = {
    "no id": (lambda one: one.pop("id"), [("/id", "required")]),
    "an id of other letters": (lambda one: one.update(id="订单"), [("/id", "bad_id")]),
    "no name": (lambda one: one.pop("name"), [("/name", "required")]),
    "a blank name": (lambda one: one.update(name="  "), [("/name", "bad_value")]),
    "a long name": (lambda one: one.update(name="x" * 201), [("/name", "too_long")]),
    "a number for a name": (lambda one: one.update(name=7), [("/name", "wrong_type")]),
    "an unknown member": (lambda one: one.update(nmae="x"), [("/nmae", "unknown_field")]),
    "no participants": (lambda one: one.update(participants=[]), [("/participants", "required")]),
    "a participant twice": (
        lambda one: one["participants"].append(dict(one["participants"][0])),
        [("/participants/3/org_id", "repeated_id")],
    ),
    "a participant that is no object": (
        lambda one: one["participants"].append("x"),
        [("/participants/3", "wrong_type"), ("/participants/3/org_id", "required")],
    ),
    "participants that are no list": (
        lambda one: one.update(participants={}, tasks=[]),
        [("/participants", "wrong_type"), ("/tasks", "required")],
    ),
    "no tasks": (lambda one: one.update(tasks=[]), [("/tasks", "required")]),
    "metadata that are no object": (lambda one: one.update(metadata=[]), [("/metadata", "wrong_type")]),
    "a flag that is no boolean": (
        lambda one: one["participants"][0].update(can_terminate="yes"),
        [("/participants/0/can_terminate", "wrong_type")],
    ),
    "a task id twice": (lambda one: one["tasks"][2].update(id="order"), [("/tasks/2/id", "repeated_id")]),
    "a task with a step of the system's name": (
        lambda one: one["tasks"][2].update(id="finalize_collaboration"),
        [("/tasks/2/id", "repeated_id")],
    ),
    "an approval with too long an id": (
        lambda one: one["tasks"].append({"id": "a" * 60, "name": "x", "task_type": "approval", "assigned_org": BUYER}),
        [("/tasks/5/id", "too_long")],
    ),
    "no task type": (lambda one: one["tasks"][0].pop("task_type"), [(f"{TASK}/task_type", "required")]),
    "an unknown task type": (
        lambda one: one["tasks"][0].update(task_type="aproval"),
        [(f"{TASK}/task_type", "unknown_value")],
    ),
    "nobody's task": (
        lambda one: one["tasks"][0].pop("assigned_org"),
        [(f"{TASK}/assigned_org", "required")],
    ),
    "a stranger's task": (
        lambda one: one["tasks"][0].update(assigned_org="nordik"),
        [(f"{TASK}/assigned_org", "unknown_organisation")],
    ),
    "a priority beyond ten": (lambda one: one["tasks"][0].update(priority=11), [(f"{TASK}/priority", "unknown_value")]),
    "no time at all": (
        lambda one: one["tasks"][0].update(timeout_seconds=0),
        [(f"{TASK}/timeout_seconds", "out_of_range")],
    ),
    "time that is no number": (
        lambda one: one["tasks"][0].update(timeout_seconds=True),
        [(f"{TASK}/timeout_seconds", "wrong_type")],
    ),
    "a reminder after the time-out": (
        lambda one: one["tasks"][0].update(timeout_seconds=10, reminder_seconds=[3, 10, "x"]),
        [(f"{TASK}/reminder_seconds/1", "out_of_range"), (f"{TASK}/reminder_seconds/2", "out_of_range")],
    ),
    "too many reminders": (
        lambda one: one["tasks"][0].update(reminder_seconds=list(range(1, 12))),
        [(f"{TASK}/reminder_seconds", "too_many")],
    ),
    "a retry policy of nonsense": (
        lambda one: one["tasks"][0].update(
            retry_policy={
                "max_attempts": 0,
                "initial_interval_seconds": 9,
                "max_interval_seconds": 8,
                "backoff_coefficient": 0.5,
                "non_retryable_errors": ["", 7],
                "tries": 3,
            }
        ),
        [
            (f"{TASK}/retry_policy/max_attempts", "out_of_range"),
            (f"{TASK}/retry_policy/max_interval_seconds", "out_of_range"),
            (f"{TASK}/retry_policy/backoff_coefficient", "out_of_range"),
            (f"{TASK}/retry_policy/non_retryable_errors/0", "wrong_type"),
            (f"{TASK}/retry_policy/non_retryable_errors/1", "wrong_type"),
            (f"{TASK}/retry_policy/tries", "unknown_field"),
        ],
    ),
    "data for nobody": (
        lambda one: one["tasks"][0]["parameters"].pop("target_orgs"),
        [(f"{TASK}/parameters/target_orgs", "required")],
    ),
    "data for oneself": (
        lambda one: one["tasks"][0]["parameters"].update(target_orgs=[BUYER]),
        [(f"{TASK}/parameters/target_orgs", "no_targets")],
    ),
    "data for strangers": (
        lambda one: one["tasks"][0]["parameters"].update(target_orgs=["x", SUPPLIER, SUPPLIER, 7]),
        [
            (f"{TASK}/parameters/target_orgs/0", "unknown_organisation"),
            (f"{TASK}/parameters/target_orgs/2", "repeated_name"),
            (f"{TASK}/parameters/target_orgs/3", "unknown_organisation"),
        ],
    ),
    "an activity that is an exchange": (
        lambda one: one["tasks"][2]["parameters"].update(activity_type="notification"),
        [("/tasks/2/parameters/activity_type", "bad_value")],
    ),
    "a field twice": (
        lambda one: one["tasks"][2]["parameters"]["form_properties"].append({"id": "weight"}),
        [("/tasks/2/parameters/form_properties/1/id", "repeated_id")],
    ),
    "a field of no type": (
        lambda one: one["tasks"][2]["parameters"]["form_properties"].append({"id": "b", "property_type": "float"}),
        [("/tasks/2/parameters/form_properties/1/property_type", "unknown_value")],
    ),
    "a default of another type": (
        lambda one: one["tasks"][2]["parameters"]["form_properties"].append(
            {"id": "b", "property_type": "date", "default_value": "2026-02-30"}
        ),
        [("/tasks/2/parameters/form_properties/1/default_value", "wrong_type")],
    ),
    "a rejection that leads to nowhere": (
        lambda one: one["tasks"][1]["parameters"].update(on_rejected=["refussed"]),
        [("/tasks/1/parameters/on_rejected/0", "unknown_task")],
    ),
    "a rejection that follows itself": (
        lambda one: one["tasks"][1]["parameters"].update(on_rejected=["approve"]),
        [("/tasks/1", "circular_rejection")],
    ),
    "one task after two rejections": (
        lambda one: one["tasks"].insert(
            2,
            {
                "id": "second",
                "name": "x",
                "task_type": "approval",
                "assigned_org": BUYER,
                "parameters": {"on_rejected": ["refused"]},
            },
        ),
        [("/tasks/2/parameters/on_rejected/0", "shared_task")],
    ),
    "a floating-point number": (
        lambda one: one["tasks"][2]["parameters"].update(input={"rate": 1.5}),
        [("/tasks/2/parameters/input/rate", "float_refused")],
    ),
    "a number beyond 2^53": (
        lambda one: one.update(metadata={"a": 2**53}),
        [("/metadata/a", "integer_out_of_range")],
    ),
    "a lone surrogate": (lambda one: one.update(metadata={"a": "\ud800"}), [("/metadata/a", "not_json")]),
    "an override of direction": (lambda one: one.update(name="a\u202eb"), [("/name", "unreadable_text")]),
    "an isolate": (lambda one: one["tasks"][0].update(name="\u2067b"), [("/tasks/0/name", "unreadable_text")]),
    "an escape sequence": (lambda one: one.update(metadata={"a": "\x1b[2J"}), [("/metadata/a", "unreadable_text")]),
    "U+0000": (lambda one: one.update(metadata={"a": "\0"}), [("/metadata/a", "not_json")]),
    "a lone surrogate in a name": (lambda one: one.update(metadata={"\ud800": 1}), [("/metadata", "not_json")]),
    "bytes": (lambda one: one.update(metadata={"a": b"x"}), [("/metadata/a", "not_json")]),
}


# What follows from these is told as well: nobody is a participant, steps cannot be reached.
CASCADING = {"no participants", "a task with a step of the system's name", "a rejection that follows itself"}


@pytest.mark.parametrize("name", CASES)
def test_every_fault_has_its_place(name: str) -> None:
    change, expected = CASES[name]
    found = faults(changed(change))
    assert found[: len(expected)] == expected or set(expected) < set(found)
    assert len(found) == len(expected) or name in CASCADING


def test_all_faults_come_at_once_and_the_nearest_name_is_suggested() -> None:
    source = changed(lambda one: one["tasks"][0].update(task_type="aproval", assigned_org="nordik"))
    with pytest.raises(DefinitionErrors) as caught:
        compile_definition(source)
    assert [one.suggestion for one in caught.value.errors] == [f"did you mean {SUPPLIER}?", "did you mean approval?"]
    assert "(and 1 more)" in str(caught.value)


@pytest.mark.parametrize("source", [None, [], "x", 7])
def test_what_is_no_object(source: Any) -> None:
    assert faults(source) == [("", "wrong_type")]


def test_depth_and_count_are_bounded() -> None:
    deep: Any = 1
    for _ in range(50):
        deep = [deep]
    assert faults({"metadata": {"a": deep}}) == [("", "too_large")]
    assert faults({"metadata": {"a": [0] * 50_001}}) == [("", "too_large")]


def test_the_compiled_size_is_bounded() -> None:
    source = changed(lambda one: one.update(metadata={f"m{number}": "x" * 4000 for number in range(130)}))
    assert faults(source) == [("", "too_large")]


def test_at_most_a_hundred_faults_are_told() -> None:
    source = changed(lambda one: one.update({f"x{number}": 1 for number in range(300)}))
    assert len(faults(source)) == 100


ABLE = OrgFacts(capabilities=["data_exchange", "approval"])


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({BUYER: ABLE, SUPPLIER: ABLE}, [("/participants/2/org_id", "unknown_organisation")]),
        (
            {BUYER: ABLE, SUPPLIER: ABLE, CARRIER: OrgFacts(is_active=False)},
            [("/participants/2/org_id", "inactive_organisation")],
        ),
        (
            {BUYER: OrgFacts(), SUPPLIER: OrgFacts(capabilities=["data_exchange"]), CARRIER: ABLE},
            [("/tasks/0/assigned_org", "missing_capability"), ("/tasks/1/assigned_org", "missing_capability")],
        ),
    ],
)
def test_the_organisations_must_be_able(facts: dict[str, OrgFacts], expected: list[tuple[str, str]]) -> None:
    assert faults(DEFINITION, facts) == expected


def test_able_organisations() -> None:
    assert compile_definition(DEFINITION, dict.fromkeys((BUYER, SUPPLIER, CARRIER), ABLE))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**54) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(place=st.integers(0, 200), value=json_values)
def test_any_value_anywhere_compiles_or_is_refused(place: int, value: Any) -> None:
    """Whatever is written in the place of any member: a definition that the engine takes, or faults."""
    source = copy.deepcopy(DEFINITION)
    holders = [source, *source["participants"], *source["tasks"], *(one["parameters"] for one in source["tasks"])]
    holder = holders[place % len(holders)]
    names = sorted(holder)
    holder[names[place % len(names)]] = value
    with contextlib.suppress(DefinitionErrors):
        check_compiled(compile_definition(source))
