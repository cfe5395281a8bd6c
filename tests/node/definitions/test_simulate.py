"""Definitions run through the real engine: every example, and the industrial workflows along every branch."""

import itertools
from typing import Any

import pytest

from support.examples import NAMES, changed, example
from tallystick.core.definition.compile import compile_typed
from tallystick.core.definition.sound import targets
from tallystick.core.errors import Invalid
from tallystick.node.definitions.script import Script
from tallystick.node.definitions.simulate import simulate
from tallystick.node.definitions.trace import Ended


def run(name: str | dict[str, Any], answers: dict[str, Any] | None = None, begin: int = 0) -> Ended:
    definition = compile_typed(example(name) if isinstance(name, str) else name)
    return simulate(definition, Script(answers, definition), begin=begin)


def path(ended: Ended) -> list[str]:
    """The steps in the order in which they were done."""
    return [line.task.rpartition("/")[2].rpartition(".")[0] for line in ended.lines if line.event != "timed out"]


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"production_control"}))
def test_every_example_runs_to_its_end_by_itself(name: str) -> None:
    ended = run(name)
    assert (ended.status, ended.stuck) == ("completed", "")


SAFETY: dict[str, tuple[dict[str, Any], list[str]]] = {
    "high, acknowledged": (
        {"input": {"level": 90}},
        [
            *("validate_event", "assess_severity", "severity_decision", "emergency_response"),
            *("activate_safety_systems", "notify_authorities", "wait_for_acknowledgment", "record_incident"),
        ],
    ),
    "high, and nobody answers for 300 seconds": (
        {"input": {"level": 90}, "steps": {"wait_for_acknowledgment": {"$timeout": True}}},
        [
            *("validate_event", "assess_severity", "severity_decision", "emergency_response"),
            *("activate_safety_systems", "notify_authorities", "record_incident"),
        ],
    ),
    "medium, worse": (
        {"input": {"level": 60}, "steps": {"situation_assessment": {"situation": "worsened"}}},
        [
            *("validate_event", "assess_severity", "severity_decision", "alert_operators", "monitor_situation"),
            *("situation_assessment", "situation_assessment_route", "emergency_response", "activate_safety_systems"),
            *("notify_authorities", "wait_for_acknowledgment", "record_incident"),
        ],
    ),
    "medium, stable, then better": (
        {
            "input": {"level": 60},
            "steps": {"situation_assessment": [{"situation": "stable"}, {"situation": "improved"}]},
        },
        [
            *("validate_event", "assess_severity", "severity_decision", "alert_operators", "monitor_situation"),
            *("situation_assessment", "situation_assessment_route", "continue_monitoring", "monitor_situation"),
            *("situation_assessment", "situation_assessment_route", "restore_normal", "record_incident"),
        ],
    ),
    "low": (
        {"input": {"level": 5}},
        ["validate_event", "assess_severity", "severity_decision", "log_event", "record_incident"],
    ),
}
THRESHOLDS = {"safety_level": "low", "severity_thresholds": {"high": 80, "medium": 50, "low": 20}, "sensor_ids": []}


def safety(name: str) -> Ended:
    answers, _ = SAFETY[name]
    return run("safety_monitoring", {**answers, "input": {**THRESHOLDS, **answers["input"]}})


@pytest.mark.parametrize("name", SAFETY)
def test_safety_monitoring(name: str) -> None:
    ended = safety(name)
    assert path(ended) == SAFETY[name][1]
    assert ended.status == "completed"


def test_the_times_of_safety_monitoring() -> None:
    assert safety("high, and nobody answers for 300 seconds").lines[-1].at == 300_000
    assert safety("medium, stable, then better").lines[-1].at == (600 + 300 + 600) * 1000


PASSED = {"verify_configuration": {"verification": "passed"}, "monitor_production": {"produced": 500}}
BEGIN = ["prepare_production", "check_materials", "materials_decision"]
READY = ["configure_machines", "verify_configuration", "configuration_decision"]
GO = ["start_production", "monitor_production", "production_complete_check"]
PRODUCTION: dict[str, tuple[dict[str, Any], list[str]]] = {
    "materials are there": (
        {"check_materials": {"availability": "sufficient"}, **PASSED},
        [*BEGIN, *READY, *GO, "complete_production"],
    ),
    "materials have to come": (
        {"check_materials": {"$result": {"json": {"availability": "insufficient"}}}, **PASSED},
        [*BEGIN, "request_materials", "wait_for_materials", *READY, *GO, "complete_production"],
    ),
    "the first configuration fails": (
        {
            "check_materials": {"availability": "sufficient"},
            **PASSED,
            "verify_configuration": [{"verification": "failed"}, {"verification": "passed"}],
        },
        [*BEGIN, *READY, "reconfigure_machines", *READY[1:], *GO, "complete_production"],
    ),
    "half of the batch, then the rest": (
        {
            "check_materials": {"availability": "sufficient"},
            **PASSED,
            "monitor_production": [{"produced": 250}, {"produced": 500}],
        },
        [*BEGIN, *READY, *GO, *GO[1:], "complete_production"],
    ),
}


def production(name: str) -> Ended:
    given = {"product_type": "6204", "batch_size": 500, "quality_level": "standard"}
    return run("production_control", {"input": given, "steps": PRODUCTION[name][0]})


@pytest.mark.parametrize("name", PRODUCTION)
def test_production_control(name: str) -> None:
    ended = production(name)
    assert path(ended) == PRODUCTION[name][1]
    assert ended.status == "completed"


def taken(ended: Ended) -> set[tuple[str, str]]:
    """The routes and catches that a run took: from each step to the one that was done after it."""
    steps = ["initialize_collaboration", *_done(ended), "finalize_collaboration"]
    return set(itertools.pairwise(steps))


def _done(ended: Ended) -> list[str]:
    return [line.task.rpartition(".")[0] for line in ended.lines]


@pytest.mark.parametrize(
    ("of", "runs"),
    [
        ("safety_monitoring", [safety(name) for name in SAFETY]),
        ("production_control", [production(name) for name in PRODUCTION]),
    ],
)
def test_every_branch_was_taken(of: str, runs: list[Ended]) -> None:
    definition = compile_typed(example(of))
    ways = {(name, target) for name, step in definition.steps.items() for target in targets(step)}
    assert ways <= set().union(*(taken(one) for one in runs))


def test_a_failure_is_tried_again_then_caught() -> None:
    ended = run("activity", {"steps": {"weigh": {"$fail": "broken"}}})
    assert [line.event for line in ended.lines[:5]] == ["failed: broken"] * 5
    assert [line.at for line in ended.lines[:5]] == [0, 2000, 6000, 14000, 30000]
    assert path(ended)[5:] == ["weigh_by_hand", "label"]
    ended = run("activity", {"steps": {"weigh": {"$fail": "no_such_parcel"}}})
    assert (len(ended.lines), ended.status, ended.outcome) == (1, "completed", "rejected")


def test_a_held_failure_is_where_it_stops() -> None:
    ended = run("activity", {"steps": {"label": {"$fail": "no_paper"}}})
    assert (ended.status, ended.stuck) == ("suspended", "held: label.1 (no_paper)")


def test_a_result_that_mappings_read() -> None:
    ended = run("activity", {"steps": {"weigh": {"$result": {"reading": {"value": "3.5"}}}}})
    assert ended.lines[0].data == {"weight": "3.5"}
    ended = run("activity", {"steps": {"weigh": {"$result": {}}}})
    assert ended.lines[0].event == "failed: unknown_field"


def test_conditions_and_time_outs() -> None:
    assert path(run("wait", {"steps": {"arrival": {"$data": {"damaged": True}}}}))[-2:] == ["inspect", "unload"]
    late = run("wait", {"steps": {"arrival": [{"$timeout": True}, {}]}})
    assert path(late) == ["trace", "arrival", "arrival_route", "unload"]
    assert late.lines[-1].at == 1_209_600_000
    assert path(run("notification", {"steps": {"announce": {"$timeout": True}}}))[-1] == "call"


def test_the_losers_of_a_threshold_are_withdrawn() -> None:
    ended = run("parallel")
    assert "quote_rail" not in path(ended)
    ended = run("parallel", {"steps": {"quote_sea": {"$fail": "full"}, "quote_own": {"$fail": "full"}}})
    assert (ended.status, ended.outcome) == ("completed", "rejected")


def test_loops_read_their_item_and_what_follows_reads_their_results() -> None:
    lines = [{"article": f"a{number}", "quantity": number} for number in range(1, 6)]
    ended = run("for_each", {"input": {"lines": lines}, "steps": {"pick": {"picked": 3}}})
    assert path(ended).count("backorder") == 2
    assert ended.scope["steps"]["lines"]["results"][4]["pick"] == {"picked": 3}


def test_completed_steps_are_undone_in_reverse_order() -> None:
    ended = run("compensation", {"steps": {"customs": {"$fail": "closed"}}})
    assert path(ended)[-2:] == ["refund", "release"]
    assert (ended.status, ended.outcome) == ("failed", "closed")
    assert path(run("compensation", {"steps": {"customs": {"$cancel": True}}}))[-2:] == ["refund", "release"]


def test_sub_workflows_have_answers_of_their_own() -> None:
    within = {"delivery-by-carrier": {"steps": {"deliver": {"signed_by": "Li"}}}}
    ended = run("sub_workflow", {"definitions": within})
    assert ended.scope["steps"]["delivery"] == {"signed_by": "Li"}
    assert [line.level for line in ended.lines] == [0, 1, 1, 0, 0]
    within = {"delivery-by-carrier": {"steps": {"deliver": {"$fail": "lost"}}}}
    assert run("sub_workflow", {"definitions": within}).outcome == "rejected"


def test_cron_is_due_in_its_time_zone() -> None:
    begin = 1_795_500_000_000  # a Tuesday
    ended = run("timer", begin=begin)
    monday = next(line for line in ended.lines if line.task == "monday.1")
    assert (begin + monday.at) % (7 * 86_400_000) == 4 * 86_400_000  # Monday, 0:00 in UTC, 8:00 in Shanghai


def test_circles_end() -> None:
    source = changed(
        "routes",
        lambda one: (
            one["steps"][0].update(
                next_steps=[{"step": "finalize_collaboration", "condition": "steps.measure.level > 90"}, "service"]
            )
            or one["steps"].pop(1)
        ),
    )
    assert run(source).stuck == "no end in sight after measure.501"


@pytest.mark.parametrize(
    "answers",
    [
        [],
        {"step": {}},
        {"steps": {"wiegh": {}}},
        {"steps": {"weigh": 5}},
        {"steps": {"weigh": {"$faul": "x"}}},
        {"steps": {"weigh": {"$fail": 5}}},
        {"definitions": {"x": {}}},
        {"input": []},
    ],
)
def test_answers_that_mean_nothing_are_refused(answers: Any) -> None:
    with pytest.raises(Invalid) as caught:
        run("activity", answers)
    assert "answers" in caught.value.detail


def test_decisions_take_no_answer() -> None:
    with pytest.raises(Invalid):
        run("decision", {"steps": {"credit": {"x": 1}}})


def test_a_decision_without_a_route_fails() -> None:
    assert run("production_control").outcome == "no_route"
