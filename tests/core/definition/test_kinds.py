"""Every kind of step as its example shows it: what it compiles to, and each of its faults with its place."""

import contextlib
import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.examples import NAMES, changed, example
from tallystick.core.definition.compile import compile_definition, compile_typed
from tallystick.core.definition.compiled import check_compiled
from tallystick.core.definition.document import document
from tallystick.core.definition.faults import DefinitionErrors

Change = Callable[[dict[str, Any]], Any]


def faults(source: Any, time_zones: list[str] | None = None) -> list[tuple[str, str]]:
    """(pointer, code) of everything that is wrong."""
    with pytest.raises(DefinitionErrors) as caught:
        compile_definition(source, time_zones=time_zones)
    return [(one.pointer, one.code) for one in caught.value.errors]


@pytest.mark.parametrize("name", NAMES)
def test_the_examples_compile_to_the_one_form(name: str) -> None:
    compiled = compile_definition(example(name))
    assert document(check_compiled(compiled)) == compiled


def steps(name: str) -> dict[str, Any]:
    found: dict[str, Any] = compile_definition(example(name))["steps"]
    return found


def test_an_activity() -> None:
    weigh = steps("activity")["weigh"]
    assert weigh["catches"] == [
        {"code": "timed_out", "step": "weigh_by_hand"},
        {"code": "no_such_parcel", "step": "finalize_rejected"},
        {"step": "weigh_by_hand"},
    ]
    assert (weigh["assigned_org"], weigh["priority"], weigh["task_queue"]) == ("nordic", "high", "warehouse")
    assert (weigh["heartbeat_seconds"], weigh["output_mapping"]) == (30, {"weight": "result.reading.value"})
    assert steps("activity")["label"]["hold_on_failure"]


def test_a_user_task_with_conditions() -> None:
    found = steps("user_task")
    assert found["inspect"]["visible_to"] == ["huaxia"]
    assert found["inspect"]["field_audiences"] == {"grade": "shared"}
    assert found["inspect"]["due_date"] == "86400"
    assert found["accept"]["next_steps"] == [{"step": "accept_route"}]
    assert found["accept_route"]["expression"] == (
        '(steps.accept.approval_decision) ? "finalize_collaboration" : "finalize_rejected"'
    )
    assert found["accept_route"]["next_steps"] == [
        {"step": "finalize_collaboration", "outcome": "finalize_collaboration"},
        {"step": "finalize_rejected", "outcome": "finalize_rejected"},
    ]


def test_blocks() -> None:
    found = steps("parallel")
    assert [found[name]["block"] for name in ("quote_sea", "check_rail", "quote_rail")] == [
        "quotations/sea",
        "quotations/rail",
        "quotations/rail",
    ]
    assert (found["quotations"]["threshold"], "next_steps" in found["quote_rail"]) == (2, False)
    assert steps("for_each")["lines"]["body"] == "pick"
    assert steps("for_each")["pick_route"]["block"] == "lines"


def test_timers_and_waits() -> None:
    found = steps("timer")
    assert found["cool_down"]["duration_seconds"] == 900
    assert (found["monday"]["cron"], found["monday"]["time_zone"]) == ("0 8 * * mon", "Asia/Shanghai")
    assert found["season"]["until"] == 1_803_830_400_000
    arrival = steps("wait")["arrival"]
    assert (arrival["event_name"], arrival["senders"]) == ("ship_arrived", ["blueline"])
    assert steps("wait")["arrival_route"]["assigned_org"] == "huaxia"


def test_what_undoes_has_nothing_before_or_behind_it() -> None:
    found = steps("compensation")
    assert (found["reserve"]["compensate_with"], found["release"]["compensates"]) == ("release", True)
    assert "next_steps" not in found["release"]


def test_sub_workflows_inherit_the_participants() -> None:
    compiled = compile_definition(example("sub_workflow"))
    assert compiled["definitions"]["delivery-by-carrier"]["participants"] == compiled["participants"]


def step(index: int, **changes: Any) -> Change:
    return lambda one: one["steps"][index].update(changes)


def inner(index: int, kind: str, **changes: Any) -> Change:
    return lambda one: one["steps"][index][kind].update(changes)


CASES: dict[str, tuple[str, Change, list[tuple[str, str]]]] = {
    "a role that nobody has": (
        "activity",
        step(0, assigned_role="suplier"),
        [("/steps/0/assigned_role", "unknown_role")],
    ),
    "a role that two have": (
        "activity",
        lambda one: one["participants"][1].update(role="supplier") or one["steps"][2].update(assigned_role="supplier"),
        [(f"/steps/{index}/assigned_role", "ambiguous_role") for index in range(3)],
    ),
    "an organisation that has another role": (
        "activity",
        step(0, assigned_org="blueline"),
        [("/steps/0/assigned_role", "contradiction")],
    ),
    "a heartbeat of no length": (
        "activity",
        inner(0, "activity", heartbeat_seconds=0),
        [("/steps/0/activity/heartbeat_seconds", "out_of_range")],
    ),
    "a mapping to no name": (
        "activity",
        inner(2, "activity", input_mapping={"a b": "input.parcel"}),
        [("/steps/2/activity/input_mapping/a b", "bad_id")],
    ),
    "a mapping that cannot be read": (
        "activity",
        inner(2, "activity", input_mapping={"a": "1 +"}),
        [("/steps/2/activity/input_mapping/a", "bad_expression")],
    ),
    "an input that is not there": (
        "activity",
        inner(2, "activity", input_mapping={"a": "input.parcell"}),
        [("/steps/2/activity/input_mapping/a", "unknown_field")],
    ),
    "a result that nothing gives yet": (
        "activity",
        inner(2, "activity", input_mapping={"a": "result.x"}),
        [("/steps/2/activity/input_mapping/a", "unknown_name")],
    ),
    "an output beside a form": (
        "activity",
        inner(0, "activity", form_properties=[{"id": "weight"}]),
        [("/steps/0/activity/output_mapping", "contradiction")],
    ),
    "a schema of nonsense": (
        "activity",
        inner(0, "activity", result_schema={"typ": 1}),
        [("/steps/0/activity/result_schema/typ", "bad_schema")],
    ),
    "a failure caught twice": (
        "activity",
        lambda one: one["steps"][0]["on_error"].append({"code": "timed_out", "step": "label"}),
        [("/steps/0/on_error/2", "unreachable_catch")],
    ),
    "a failure that leads to nowhere": (
        "activity",
        step(0, on_timeout="weigh_by_hnd"),
        [("/steps/0/on_timeout", "unknown_step")],
    ),
    "an option of another type": (
        "user_task",
        lambda one: one["steps"][0]["user_task"]["form_properties"][0]["validation"].update(options=["A", 7]),
        [("/steps/0/user_task/form_properties/0/validation/options", "wrong_type")],
    ),
    "bounds that cross": (
        "user_task",
        lambda one: one["steps"][0]["user_task"]["form_properties"][1]["validation"].update(least=2000),
        [("/steps/0/user_task/form_properties/1/validation", "wrong_type")],
    ),
    "a default out of bounds": (
        "user_task",
        lambda one: one["steps"][0]["user_task"]["form_properties"][1].update(default_value=0),
        [("/steps/0/user_task/form_properties/1/default_value", "wrong_type")],
    ),
    "a length of a number": (
        "user_task",
        lambda one: one["steps"][0]["user_task"]["form_properties"][1].update(validation={"min_length": 1}),
        [("/steps/0/user_task/form_properties/1/validation/min_length", "wrong_type")],
    ),
    "a validation that says nothing": (
        "user_task",
        lambda one: one["steps"][0]["user_task"]["form_properties"][1].update(validation={}),
        [("/steps/0/user_task/form_properties/1/validation", "wrong_type")],
    ),
    "a field shown to strangers": (
        "user_task",
        step(0, visible_to={"grade": ["x"], "-": "shared"}),
        [("/steps/0/visible_to/-", "bad_id"), ("/steps/0/visible_to/grade/0", "unknown_organisation")],
    ),
    "a group twice": (
        "user_task",
        inner(0, "user_task", candidate_groups=["a", "a", ""]),
        [
            ("/steps/0/user_task/candidate_groups/1", "repeated_name"),
            ("/steps/0/user_task/candidate_groups/2", "wrong_type"),
        ],
    ),
    "a due date that cannot be read": (
        "user_task",
        inner(0, "user_task", due_date_expression="1 day"),
        [("/steps/0/user_task/due_date_expression", "bad_expression")],
    ),
    "conditions without a rest": (
        "user_task",
        lambda one: one["steps"][1]["next_steps"].pop(),
        [("/steps/1/next_steps", "no_default")],
    ),
    "a rest before a condition": (
        "user_task",
        lambda one: one["steps"][1]["next_steps"].reverse(),
        [("/steps/1/next_steps/0", "unreachable_route"), ("/steps/1/next_steps", "no_default")],
    ),
    "a condition on what is not there": (
        "user_task",
        lambda one: one["steps"][1]["next_steps"][0].update(condition="steps.accept.decision"),
        [("/steps/1/next_steps/0/condition", "unknown_field")],
    ),
    "a condition of a decision": (
        "decision",
        lambda one: one["steps"][0]["next_steps"][2].update(condition="true"),
        [("/steps/0/next_steps/2/condition", "condition_not_allowed")],
    ),
    "an outcome and a condition": (
        "decision",
        lambda one: one["steps"][0]["next_steps"][0].update(condition="true"),
        [("/steps/0/next_steps/0/condition", "contradiction")],
    ),
    "an expression and a table": (
        "decision_table",
        inner(0, "decision", expression="true"),
        [("/steps/0/decision/expression", "contradiction")],
    ),
    "a table without a default": (
        "decision_table",
        lambda one: one["steps"][0]["decision"]["decision_table"].pop("default"),
        [("/steps/0/decision/decision_table/default", "required")],
    ),
    "rows that overlap": (
        "decision_table",
        lambda one: one["steps"][0]["decision"]["decision_table"]["rows"][1].update(input_value=[None, True]),
        [("/steps/0/decision/decision_table/rows/1", "overlapping_rows")],
    ),
    "a row of another width": (
        "decision_table",
        lambda one: one["steps"][0]["decision"]["decision_table"]["rows"][1].update(input_value=[True]),
        [("/steps/0/decision/decision_table/rows/1/input_value", "bad_row")],
    ),
    "a row without outputs": (
        "decision_table",
        lambda one: one["steps"][2]["decision"]["decision_table"]["rows"][1].pop("output_values"),
        [("/steps/2/decision/decision_table/rows/1/output_values", "required")],
    ),
    "a route for no row": (
        "decision_table",
        lambda one: one["steps"][0]["next_steps"][0].update(outcome="specail"),
        [("/steps/0/next_steps/0", "unknown_outcome")],
    ),
    "a row without a route": (
        "decision_table",
        lambda one: (
            one["steps"][0]["next_steps"].pop()
            and one["steps"][0]["next_steps"].append({"step": "surcharges", "outcome": "heavy"})
        ),
        [("/steps/0/decision/decision_table/default", "no_route")],
    ),
    "one column and several": (
        "decision_table",
        lambda one: one["steps"][0]["decision"]["decision_table"].update(input_expression="input.weight"),
        [("/steps/0/decision/decision_table/columns", "contradiction")],
    ),
    "two times at once": (
        "timer",
        inner(0, "timer", cron="* * * * *"),
        [("/steps/0/timer/cron", "contradiction")],
    ),
    "a bad cron line": ("timer", inner(1, "timer", cron="0 25 * * *"), [("/steps/1/timer/cron", "bad_cron")]),
    "a bad instant": ("timer", inner(2, "timer", until="tomorrow"), [("/steps/2/timer/until", "bad_instant")]),
    "a time zone that cannot be": (
        "timer",
        inner(1, "timer", time_zone="../x"),
        [("/steps/1/timer/time_zone", "bad_time_zone")],
    ),
    "a timer that fails": ("timer", step(0, on_timeout="begin"), [("/steps/0/on_timeout", "unknown_field")]),
    "a signal from strangers": (
        "wait",
        inner(0, "wait", **{"from": ["x"]}),
        [("/steps/0/wait/from/0", "unknown_organisation")],
    ),
    "a signal that nobody waits for": (
        "wait",
        lambda one: one["steps"][0]["next_steps"][0].update(condition="signals.ship_arived.damaged"),
        [("/steps/0/next_steps/0/condition", "unknown_signal")],
    ),
    "conditions that nobody decides": (
        "wait",
        lambda one: one["steps"][0].pop("assigned_role"),
        [("/steps/0/assigned_org", "required")],
    ),
    "more branches than there are": (
        "parallel",
        inner(0, "parallel", threshold_count=4),
        [("/steps/0/parallel/threshold_count", "out_of_range")],
    ),
    "a count that says what is said": (
        "parallel",
        inner(0, "parallel", completion_type="any_branch"),
        [("/steps/0/parallel/threshold_count", "contradiction")],
    ),
    "no branches": (
        "parallel",
        lambda one: one["steps"][0].update(parallel={"branches": []}),
        [("/steps/0/parallel/branches", "required")],
    ),
    "a branch without steps": (
        "parallel",
        lambda one: one["steps"][0]["parallel"]["branches"][0].update(steps=[]),
        [("/steps/0/parallel/branches/0/steps", "required")],
    ),
    "a route out of its branch": (
        "parallel",
        lambda one: one["steps"][0]["parallel"]["branches"][0]["steps"][0].update(next_steps=["choose"]),
        [("/steps/0/parallel/branches/0/steps/0/next_steps/0", "leaves_block")],
    ),
    "a route into a branch": (
        "parallel",
        step(1, next_steps=["quote_sea"]),
        [("/steps/1/next_steps/0", "leaves_block")],
    ),
    "a look into the branch beside": (
        "parallel",
        lambda one: one["steps"][0]["parallel"]["branches"][1]["steps"][0]["activity"].update(
            input_mapping={"a": "steps.quote_own.price"}
        ),
        [("/steps/0/parallel/branches/1/steps/0/activity/input_mapping/a", "not_visible")],
    ),
    "an item outside a loop": (
        "for_each",
        lambda one: one["steps"][1]["activity"].update(input_mapping={"a": "item.article"}),
        [("/steps/1/activity/input_mapping/a", "unknown_name")],
    ),
    "too many at once": (
        "for_each",
        inner(0, "for_each", max_concurrency=1001),
        [("/steps/0/for_each/max_concurrency", "out_of_range")],
    ),
    "nobody's loop": (
        "for_each",
        lambda one: one["steps"][0].pop("assigned_role"),
        [("/steps/0/assigned_org", "required")],
    ),
    "a workflow that is not there": (
        "sub_workflow",
        inner(1, "sub_workflow", workflow_id="delivery-by-carier"),
        [("/steps/1/sub_workflow/workflow_id", "unknown_workflow")],
    ),
    "faults of the workflow within": (
        "sub_workflow",
        lambda one: one["definitions"][0]["steps"][1].update(assigned_role="carier", colour="red"),
        [
            ("/definitions/0/steps/1/assigned_role", "unknown_role"),
            ("/definitions/0/steps/1/colour", "unknown_field"),
        ],
    ),
    "a participant of the workflow within alone": (
        "sub_workflow",
        lambda one: one["definitions"][0].update(participants=[{"org_id": "mallory", "role": "carrier"}]),
        [("/definitions/0/participants/0/org_id", "unknown_organisation")],
    ),
    "a step that undoes and is not there": (
        "compensation",
        step(0, compensate_with="relese"),
        [("/steps/0/compensate_with", "unknown_handler"), ("/compensations/0", "unused_handler")],
    ),
    "a step that undoes, as a way": (
        "compensation",
        step(1, next_steps=["refund"]),
        [("/steps/1/next_steps/0", "route_to_handler")],
    ),
    "a step that undoes and leads on": (
        "compensation",
        lambda one: one["compensations"][0].update(next_steps=["pay"], hold_on_failure=True),
        [("/compensations/0/hold_on_failure", "not_for_handlers"), ("/compensations/0/next_steps", "unknown_field")],
    ),
    "a timer that undoes": (
        "compensation",
        lambda one: one["compensations"][0].update(step_type="timer"),
        [("/compensations/0/step_type", "unknown_value")],
    ),
    "a trigger of no kind": (
        "routes",
        lambda one: one["triggers"][0].update(trigger_type="ap"),
        [("/triggers/0/trigger_type", "unknown_value")],
    ),
    "a schedule without times": (
        "routes",
        lambda one: one["triggers"][1].pop("cron"),
        [("/triggers/1/cron", "required")],
    ),
    "a topic that is no filter": (
        "routes",
        lambda one: one["triggers"][2].update(topic="machines/#/vibration"),
        [("/triggers/2/topic", "bad_topic")],
    ),
    "a trigger that reads steps": (
        "routes",
        lambda one: one["triggers"][2].update(condition="steps.measure.level > 1"),
        [("/triggers/2/condition", "unknown_name")],
    ),
    "a topic of an API call": (
        "routes",
        lambda one: one["triggers"][0].update(topic="a"),
        [("/triggers/0/topic", "unknown_field")],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_every_fault_has_its_place(name: str) -> None:
    of, change, expected = CASES[name]
    assert sorted(faults(changed(of, change))) == sorted(expected)


def test_unknown_time_zones_are_told_where_somebody_knows_them() -> None:
    source = changed("timer", inner(1, "timer", time_zone="Asia/Shangai"))
    assert compile_typed(source)
    assert faults(source, ["Asia/Shanghai", "UTC"]) == [("/steps/1/timer/time_zone", "unknown_time_zone")]


def nest(levels: int) -> dict[str, Any]:
    """A loop in a loop in a loop …"""
    source = example("compensation")
    body: list[dict[str, Any]] = [source["steps"][1]]
    source.pop("compensations")
    body[0].pop("compensate_with")
    for level in range(levels):
        loop = {"items": "[1]", "steps": body}
        body = [{"id": f"l{level}", "name": "x", "step_type": "for_each", "assigned_org": "huaxia", "for_each": loop}]
    return {**source, "steps": body}


def test_five_blocks_in_one_another_and_no_more() -> None:
    check_compiled(compile_definition(nest(5)))
    assert [code for _, code in faults(nest(6))] == ["too_deep"]


def test_twenty_conditions_and_no_more() -> None:
    def source(count: int) -> dict[str, Any]:
        ways = [{"step": "service", "condition": f"steps.measure.level > {number}"} for number in range(count)]
        return changed("routes", step(0, next_steps=[*ways, "stop"]))

    check_compiled(compile_definition(source(20)))
    assert ("/steps/0/next_steps", "too_many") in faults(source(21))


def holders(value: Any) -> list[Any]:
    """Every object and list within a document."""
    found = []
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, dict | list) and one:
            found.append(one)
            todo += one.values() if isinstance(one, dict) else one
    return found


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 2**54)
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["huaxia", "input.x"]),
    lambda deeper: st.lists(deeper, max_size=3) | st.dictionaries(st.text(max_size=5), deeper, max_size=3),
    max_leaves=6,
)


def put(source: Any, place: int, value: Any) -> None:
    """Write a value in the place of any member or element."""
    holder = holders(source)[place % len(holders(source))]
    keys = sorted(holder) if isinstance(holder, dict) else range(len(holder))
    holder[keys[place % len(keys)]] = value


@given(name=st.sampled_from(NAMES), place=st.integers(0, 2000), value=json_values)
def test_any_value_anywhere_compiles_or_is_refused(name: str, place: int, value: Any) -> None:
    """Whatever is written anywhere: a definition that passes as compiled, in its one form, or faults."""
    source = example(name)
    put(source, place, value)
    with contextlib.suppress(DefinitionErrors):
        compiled = compile_definition(source)
        assert document(check_compiled(compiled)) == compiled


COMPILED = {name: compile_definition(example(name)) for name in NAMES}


@given(name=st.sampled_from(NAMES), place=st.integers(0, 2000), value=json_values)
def test_any_value_anywhere_in_a_compiled_definition_passes_or_is_refused(name: str, place: int, value: Any) -> None:
    compiled = copy.deepcopy(COMPILED[name])
    put(compiled, place, value)
    with contextlib.suppress(DefinitionErrors):
        assert document(check_compiled(compiled)) == compiled
