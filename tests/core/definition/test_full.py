"""The full form, first cut: its step kinds, routes and faults."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from support.parties import BUYER, CARRIER, SUPPLIER
from tallystick.core.definition.compile import compile_definition
from tallystick.core.definition.compiled import check_compiled
from tallystick.core.definition.faults import DefinitionErrors

SOURCE: dict[str, Any] = {
    "id": "repair",
    "name": "Repair",
    "version": 3,
    "participants": [{"org_id": org} for org in (BUYER, SUPPLIER, CARRIER)],
    "steps": [
        {
            "id": "inspect",
            "name": "Inspect",
            "step_type": "user_task",
            "next_steps": ["grade"],
            "user_task": {
                "title": "Inspect the machine",
                "description": "Look closely.",
                "assignee": f"org:{SUPPLIER}",
                "form_properties": [{"id": "grade", "property_type": "string", "required": True}],
            },
        },
        {
            "id": "grade",
            "name": "Grade",
            "step_type": "decision",
            "assigned_org": SUPPLIER,
            "next_steps": [
                {"step": "fix", "outcome": "broken"},
                {"step": "cool", "outcome": True},
                {"step": "finalize_rejected"},
            ],
            "decision": {"expression": 'steps.inspect.grade == "hot" ? "true" : steps["inspect"].grade'},
        },
        {
            "id": "fix",
            "name": "Fix",
            "step_type": "activity",
            "assigned_org": CARRIER,
            "visible_to": [BUYER],
            "priority": "high",
            "next_steps": ["tell"],
            "activity": {"activity_type": "process_data", "input": {"a": 1}, "timeout_seconds": 60},
        },
        {"id": "cool", "name": "Cool", "step_type": "timer", "next_steps": ["fix"], "timer": {"duration_seconds": 5}},
        {
            "id": "tell",
            "name": "Tell",
            "step_type": "activity",
            "assigned_org": CARRIER,
            "activity": {"activity_type": "notification", "input": {"target_orgs": [BUYER], "message": "done"}},
        },
    ],
}


def changed(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    source = copy.deepcopy(SOURCE)
    change(source)
    return source


def faults(source: Any) -> list[tuple[str, str]]:
    """(pointer, code) of everything that is wrong."""
    with pytest.raises(DefinitionErrors) as caught:
        compile_definition(source)
    return [(one.pointer, one.code) for one in caught.value.errors]


def test_what_it_compiles_to() -> None:
    compiled = compile_definition(SOURCE)
    steps = compiled["steps"]
    assert (compiled["version"], "source_form" in compiled) == ("3", False)
    assert steps["initialize_collaboration"]["next_steps"] == [{"step": "inspect"}]
    assert (steps["inspect"]["name"], steps["inspect"]["assigned_org"]) == ("Inspect the machine", SUPPLIER)
    assert steps["grade"]["next_steps"] == [
        {"outcome": "broken", "step": "fix"},
        {"outcome": "true", "step": "cool"},
        {"step": "finalize_rejected"},
    ]
    assert (steps["fix"]["visible_to"], steps["fix"]["reminder_seconds"]) == (sorted([CARRIER, BUYER]), [30, 54])
    assert ("assigned_org" in steps["cool"], steps["cool"]["duration_seconds"]) == (False, 5)
    assert steps["tell"]["next_steps"] == [{"step": "finalize_collaboration"}]
    assert steps["finalize_rejected"]["result"] == "rejected"
    check_compiled(compiled)


def test_an_approval_by_its_task_type() -> None:
    source = changed(lambda one: one["steps"][0]["user_task"].pop("form_properties"))
    source["steps"][0]["user_task"]["task_type"] = "approval"
    source["steps"][1]["decision"]["expression"] = "steps.inspect.approval_decision"
    assert [one["id"] for one in compile_definition(source)["steps"]["inspect"]["form"]] == [
        "approval_decision",
        "comments",
    ]


CASES: dict[str, tuple[Callable[[dict[str, Any]], Any], list[tuple[str, str]]]] = {
    "no steps": (lambda one: one.update(steps=[]), [("/steps", "required")]),
    "an unknown step kind": (
        lambda one: one["steps"][3].update(step_type="tymer"),
        [("/steps/3/step_type", "unknown_value")],
    ),
    "an assignee that takes no part": (
        lambda one: one["steps"][0]["user_task"].update(assignee="org:mallory"),
        [("/steps/0/user_task/assignee", "unknown_organisation")],
    ),
    "two assignees": (
        lambda one: one["steps"][0].update(assigned_org=BUYER),
        [("/steps/0/user_task/assignee", "contradiction")],
    ),
    "no duration": (
        lambda one: one["steps"][3].update(timer={}),
        [("/steps/3/timer/duration_seconds", "required")],
    ),
    "a route to nowhere": (
        lambda one: one["steps"][2].update(next_steps=["tel"]),
        [("/steps/2/next_steps/0", "unknown_step")],
    ),
    "a step that nothing leads to": (
        lambda one: one["steps"].append({**one["steps"][4], "id": "lost"}) or one["steps"][4].update(next_steps=[]),
        [("/steps/5", "unreachable_step")],
    ),
    "a circle": (
        lambda one: one["steps"][4].update(next_steps=["fix"]),
        [("/steps/2", "no_end"), ("/steps/3", "no_end"), ("/steps/4", "no_end")],
    ),
    "an outcome without a decision": (
        lambda one: one["steps"][2].update(next_steps=[{"step": "tell", "outcome": "x"}]),
        [("/steps/2/next_steps/0/outcome", "outcome_not_allowed")],
    ),
    "one outcome twice": (
        lambda one: one["steps"][1]["next_steps"].append({"step": "fix", "outcome": "broken"}),
        [("/steps/1/next_steps/3", "repeated_route")],
    ),
    "two routes for the rest": (
        lambda one: one["steps"][1]["next_steps"].append({"step": "fix"}),
        [("/steps/1/next_steps/3", "repeated_route")],
    ),
    "an outcome that is no word": (
        lambda one: one["steps"][1]["next_steps"][0].update(outcome=[1]),
        [("/steps/1/next_steps/0/outcome", "bad_outcome"), ("/steps/1/next_steps/2", "repeated_route")],
    ),
    "an expression that cannot be read": (
        lambda one: one["steps"][1].update(decision={"expression": "1 +"}),
        [("/steps/1/decision/expression", "bad_expression")],
    ),
    "an expression over nothing known": (
        lambda one: one["steps"][1].update(decision={"expression": "inputt.a"}),
        [("/steps/1/decision/expression", "unknown_name")],
    ),
    "an expression over no variable": (
        lambda one: one["steps"][1].update(decision={"expression": "quantity"}),
        [("/steps/1/decision/expression", "unknown_name")],
    ),
    "an expression over a step that is not there": (
        lambda one: one["steps"][1].update(decision={"expression": "steps.inspekt.grade"}),
        [("/steps/1/decision/expression", "unknown_step")],
    ),
    "an expression over a field that is not there": (
        lambda one: one["steps"][1].update(decision={"expression": "steps.inspect.grad"}),
        [("/steps/1/decision/expression", "unknown_field")],
    ),
    "an expression over what one may not see": (
        lambda one: (
            one["steps"][0].update(visible_to=[BUYER], user_task=one["steps"][0]["user_task"])
            or one["steps"][1].update(assigned_org=CARRIER)
        ),
        [("/steps/1/decision/expression", "not_visible")],
    ),
    "visible to strangers": (
        lambda one: one["steps"][2].update(visible_to=["mallory"]),
        [("/steps/2/visible_to/0", "unknown_organisation")],
    ),
    "a route of no form": (
        lambda one: one["steps"][2].update(next_steps=[7]),
        [
            ("/steps/2/next_steps/0", "wrong_type"),
            ("/steps/2/next_steps/0/step", "required"),
            ("/steps/2/next_steps/0", "unknown_step"),
        ],
    ),
    "details that are no object": (
        lambda one: one["steps"][3].update(timer=5),
        [("/steps/3/timer", "wrong_type"), ("/steps/3/timer/duration_seconds", "required")],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_every_fault_has_its_place(name: str) -> None:
    change, expected = CASES[name]
    assert faults(changed(change)) == expected
