"""Outcomes are frozen: whatever an execution's log led to, it leads to in every later build of this engine version."""

import json
from typing import Any

import pytest

from support.engine_vectors import PATH, Case, agreement_of, replay
from tallystick.core.agreement import VERSIONS
from tallystick.core.engine import flow
from tallystick.core.entry import APPLIED
from tallystick.core.statement import KINDS

FILE: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
CASES: dict[str, Case] = {one["name"]: one for one in FILE["cases"]}
KEPT = ("outcome", "events", "state")


def differs(case: Case) -> list[str]:
    """The places where this engine leads elsewhere."""
    entries, answers = replay(case, agreement_of(FILE["agreements"][case["agreement"]]))
    kept = [{name: one[name] for name in KEPT} for one in case["entries"]]
    asked = [{name: one[name] for name in ("outcome", "led_to")} for one in case["probes"]]
    found = [f"entry {place}" for place, (was, now) in enumerate(zip(kept, entries, strict=True)) if was != now]
    return found + [f"probe {place}" for place, (was, now) in enumerate(zip(asked, answers, strict=True)) if was != now]


@pytest.mark.parametrize("name", CASES)
def test_case(name: str) -> None:
    assert differs(CASES[name]) == []


def test_the_file_is_of_this_engine() -> None:
    assert (FILE["v"], FILE["versions"]) == (1, VERSIONS)


def test_every_kind_of_step_statement_and_event_is_there() -> None:
    steps = {step["step_type"] for one in FILE["agreements"] for step in one["definition"]["steps"].values()}
    assert steps == {
        *("begin", "end", "activity", "user_task", "data_exchange", "notification", "decision", "timer", "wait"),
        *("parallel", "for_each", "sub_workflow"),
    }
    entries = [entry for case in CASES.values() for entry in case["entries"]]
    assert {one["said"]["kind"] for one in entries if one["outcome"] == APPLIED} == set(KINDS)
    assert len({event["type"] for one in entries for event in one["events"]}) == 46
    void = {one["outcome"] for case in CASES.values() for one in (*case["entries"], *case["probes"])} - {APPLIED}
    assert len(void) >= 34


def test_a_changed_outcome_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "backoff_ms", lambda policy, attempt: 1)
    assert [name for name, case in CASES.items() if differs(case)]
