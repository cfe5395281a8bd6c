"""A start whose anchor is required: nothing is entered, and no result counts, until the coordinator cites it."""

from typing import Any

import msgspec
import pytest

from support.engine_vectors import cited
from support.flows import Flow, activity
from support.parties import BUYER, CARRIER, SUPPLIER
from tallystick.core.agreement import Anchoring
from tallystick.core.policy import DIRECT

LEDGER = dict.fromkeys(("org_registry", "workflow_registry", "execution_ledger"), "0x" + "11" * 20)
HASH = "0" * 64


def flow(start_anchor: str = "required", **facts: Any) -> Flow:
    terms = {**DIRECT, "start_anchor": start_anchor, "workflow_salt": "A" * 22, "chain_id": 1, **LEDGER, **facts}
    return Flow(activity("work", timeout_seconds=100), anchoring=msgspec.convert(terms, Anchoring))


def right(talk: Flow) -> dict[str, Any]:
    return cited(talk.agreement, talk.state.unanchored or 0)


def test_nothing_is_entered_and_no_result_counts_before() -> None:
    talk = flow()
    assert (talk.state.status, talk.state.tasks, talk.state.timers) == ("running", {}, {})
    assert talk.answer("work.1").outcome == "void:start_not_anchored"
    talk.at += 10_000_000  # the chain may be down for as long as it likes: no time-out runs
    entry = talk.say(BUYER, "cite_start", **right(talk))
    assert [one["type"] for one in entry.events][:2] == ["start_anchored", "continued"]
    assert talk.state.tasks["work.1"].due_at == talk.at + 100_000
    assert talk.answer("work.1").outcome == "applied"
    assert talk.state.status == "completed"


def test_it_is_cited_once_by_the_coordinator_where_it_is_asked_for() -> None:
    talk = flow()
    for org in (SUPPLIER, CARRIER):
        assert talk.say(org, "cite_start", **right(talk)).outcome == "void:not_the_coordinator"
    citation = right(talk)
    assert talk.say(BUYER, "cite_start", **citation).outcome == "applied"
    assert talk.say(BUYER, "cite_start", **citation).outcome == "void:already_cited"
    other = flow("best_effort")
    assert "work.1" in other.state.tasks
    assert other.say(BUYER, "cite_start", **citation).outcome == "void:not_required"
    nowhere = Flow(activity("work"))
    assert nowhere.say(BUYER, "cite_start", **citation).outcome == "void:not_required"


def test_it_cannot_be_cited_before_the_start() -> None:
    talk = flow()
    citation = right(talk)
    early = Flow(activity("work"), begin=False, anchoring=talk.agreement.anchoring)
    early.say(BUYER, "propose", nonce="")
    assert early.say(BUYER, "cite_start", **citation).outcome == "void:not_running"


def word(leaf: str, place: int, value: str) -> str:
    start = 2 + 64 * place
    return leaf[:start] + value.zfill(64) + leaf[start + 64 :]


@pytest.mark.parametrize(
    ("place", "value"),
    [(0, "2"), (1, "2"), (2, "ab" * 32), (3, "ab" * 32), (4, "ab" * 32), (5, "1"), (6, "3"), (11, "6")],
)
def test_a_leaf_that_says_something_else(place: int, value: str) -> None:
    talk = flow()
    citation = right(talk)
    wrong = {**citation, "leaf": word(citation["leaf"], place, value)}
    assert talk.say(BUYER, "cite_start", **wrong).outcome == "void:other_start"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"leaf": ""}, "other_start"),
        ({"leaf": "0x" + "zz" * 416}, "other_start"),
        ({"leaf": "0x" + "ab" * 415}, "other_start"),
        ({"index": 8}, "other_start"),
        ({"index": -1}, "other_start"),
        ({"path": ["0x" + "00" * 32] * 65}, "other_start"),
        ({"chain_id": 2}, "other_chain"),
    ],
)
def test_what_is_no_citation(change: dict[str, Any], reason: str) -> None:
    talk = flow()
    assert talk.say(BUYER, "cite_start", **{**right(talk), **change}).outcome == f"void:{reason}"
    assert talk.state.unanchored is not None


def test_a_suspended_execution_goes_on_when_it_is_resumed() -> None:
    talk = flow()
    talk.say(BUYER, "suspend", reason=HASH)
    talk.say(BUYER, "cite_start", **right(talk))
    assert talk.state.tasks == {}
    talk.say(BUYER, "resume")
    assert list(talk.state.tasks) == ["work.1"]


def test_what_is_suspended_and_resumed_before_still_waits() -> None:
    talk = flow()
    talk.say(BUYER, "suspend", reason=HASH)
    talk.say(BUYER, "resume")
    assert (talk.state.tasks, len(talk.state.deferred)) == ({}, 1)
    talk.say(BUYER, "cite_start", **right(talk))
    assert list(talk.state.tasks) == ["work.1"]


@pytest.mark.parametrize("kind", ["cancel", "terminate"])
def test_it_can_be_ended_while_it_waits(kind: str) -> None:
    talk = flow()
    talk.say(BUYER, kind, reason=HASH)
    assert talk.state.status == {"cancel": "cancelled", "terminate": "terminated"}[kind]
    assert talk.say(BUYER, "cite_start", **cited(talk.agreement, 4)).outcome == "void:closed"


def test_a_further_chain_of_the_agreement_will_do() -> None:
    talk = flow(also=[{"chain_id": 2, **LEDGER}])
    assert talk.say(BUYER, "cite_start", **{**right(talk), "chain_id": 2}).outcome == "applied"
