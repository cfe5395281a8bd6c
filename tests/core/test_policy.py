"""Anchoring policies: what may be asked for, everything that is wrong at once, and the times of the cadence."""

from typing import Any

import pytest

from tallystick.core import policy
from tallystick.core.definition.faults import DefinitionErrors


def faults(given: Any, before: dict[str, Any] | None = None) -> list[tuple[str, str]]:
    with pytest.raises(DefinitionErrors) as caught:
        policy.terms(given, before)
    return [(one.pointer, one.code) for one in caught.value.errors]


def test_who_asks_for_nothing_gets_what_was_before() -> None:
    assert policy.terms({}) == policy.DIRECT
    before = policy.terms({"mode": "batched", "padding": "power_of_two"})
    assert policy.terms({}, before) == before
    assert policy.terms({"finality": "safe"}, before) == before | {"finality": "safe"}


def test_another_mode_brings_its_own_numbers() -> None:
    batched = policy.terms({"mode": "batched", "max_leaves": 10})
    assert (batched["max_leaves"], batched["max_age_seconds"]) == (10, 60)
    assert policy.terms({"mode": "direct"}, batched) == policy.DIRECT


def test_all_that_is_wrong_is_told_with_its_place() -> None:
    assert faults(
        {
            "mode": "sometimes",
            "max_leaves": 0,
            "max_age_seconds": 604_801,
            "padding": {"multiple_of": 1},
            "start_anchor": True,
            "finality": {"confirmations": 1_001},
            "fee": 1,
        }
    ) == [
        ("/fee", "unknown_member"),
        ("/mode", "ill_typed"),
        ("/max_leaves", "out_of_range"),
        ("/max_age_seconds", "out_of_range"),
        ("/padding/multiple_of", "out_of_range"),
        ("/start_anchor", "ill_typed"),
        ("/finality/confirmations", "out_of_range"),
    ]


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"max_leaves": 2}, "/max_leaves"),
        ({"max_age_seconds": 60}, "/max_age_seconds"),
        ({"mode": "batched", "max_leaves": 1}, "/max_leaves"),
        ({"mode": "batched", "max_age_seconds": 0}, "/max_age_seconds"),
    ],
)
def test_numbers_that_do_not_go_with_the_mode(given: dict[str, Any], place: str) -> None:
    assert faults(given) == [(place, "contradictory")]


@pytest.mark.parametrize("given", [[], "direct", 7, None])
def test_what_is_no_policy(given: Any) -> None:
    assert faults(given) == [("", "ill_typed")]


@pytest.mark.parametrize(("since", "due"), [(0, 60_000), (59_999, 60_000), (60_000, 120_000), (60_001, 120_000)])
def test_a_batch_is_due_at_times_that_do_not_depend_on_its_leaves(since: int, due: int) -> None:
    assert policy.due_at(since, 60) == due
    assert policy.due_at(since, 0) == since
