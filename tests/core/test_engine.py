"""The engine: what each kind of statement does, in order and out of order."""

import msgspec
import pytest

from support.parties import BUYER, CARRIER, NOON, SUPPLIER, Parties
from tallystick.core.engine.decide import decide
from tallystick.core.engine.evolve import evolve
from tallystick.core.engine.state import initial


@pytest.fixture
def parties() -> Parties:
    return Parties()


def delivered(parties: Parties) -> None:
    """As far as the supplier's approval."""
    parties.begin()
    parties.answer(BUYER, "order.1", {"amount": "1"}, sealed=["ab" * 32])
    parties.say(SUPPLIER, "received", {"task": "order.1", "attempt": 1, "sealed": ["ab" * 32]})


def carrying(parties: Parties) -> None:
    """As far as the carrier's activity."""
    delivered(parties)
    parties.answer(SUPPLIER, "approve.1", {"approval_decision": True})
    parties.answer(SUPPLIER, "approve_decision.1", {}, outcome="true")


def result(task: str = "carry.1", attempt: int = 1, status: str = "failed", **facts: object) -> dict[str, object]:
    return {"task": task, "attempt": attempt, "status": status, **facts}


@pytest.mark.parametrize(("approve", "outcome"), [(True, "completed"), (False, "rejected")])
def test_both_branches_complete(parties: Parties, approve: bool, outcome: str) -> None:
    parties.run(approve=approve)
    assert (parties.log.state.status, parties.log.state.outcome) == ("completed", outcome)
    assert all(entry.applied for entry in parties.entries)
    assert not parties.log.state.timers


def test_ready_only_when_all_have_accepted(parties: Parties) -> None:
    parties.say(BUYER, "propose", {"nonce": parties.nonce})
    assert parties.say(BUYER, "start", {"input": {}}).outcome == "void:not_ready"
    parties.say(SUPPLIER, "consent", {"decision": "accepted"})
    assert parties.log.state.consents[CARRIER] == "pending"
    parties.say(CARRIER, "consent", {"decision": "accepted"})
    assert parties.log.state.status == "ready"
    assert parties.say(CARRIER, "start", {"input": {}}).outcome == "void:not_the_initiator"


def test_a_rejected_proposal_ends(parties: Parties) -> None:
    parties.say(BUYER, "propose", {"nonce": parties.nonce})
    parties.say(CARRIER, "consent", {"decision": "rejected"})
    assert (parties.log.state.status, parties.log.state.outcome) == ("terminated", "consent_rejected")
    assert parties.say(SUPPLIER, "consent", {"decision": "accepted"}).outcome == "void:closed"


def test_starting_and_proposing_twice_is_void(parties: Parties) -> None:
    parties.begin()
    assert parties.say(BUYER, "start", {"input": {}}).outcome == "void:already_started"
    assert parties.say(BUYER, "propose", {"nonce": parties.nonce}).outcome == "void:already_proposed"
    assert parties.say(SUPPLIER, "consent", {"decision": "rejected"}).outcome == "void:already_answered"


def test_nothing_comes_before_the_proposal(parties: Parties) -> None:
    assert parties.say(SUPPLIER, "propose", {"nonce": parties.nonce}).outcome == "void:not_the_initiator"
    assert Parties().say(BUYER, "start", {"input": {}}).outcome == "void:not_proposed"


@pytest.mark.parametrize(
    ("org", "body", "reason"),
    [
        (SUPPLIER, result(), "not_assigned"),
        (CARRIER, result(task="nothing.1"), "unknown_task"),
        (CARRIER, result(attempt=2), "wrong_attempt"),
        (CARRIER, result(status="completed"), "missing_property"),
        (CARRIER, result(status="completed", data={"weight": "0" * 64, "x": "0" * 64}), "unknown_property"),
        (CARRIER, result(status="completed", data={"weight": "0" * 64}, outcome="x"), "outcome_not_allowed"),
    ],
)
def test_results_that_change_nothing(parties: Parties, org: str, body: dict[str, object], reason: str) -> None:
    carrying(parties)
    before = parties.log.state
    entry = parties.say(org, "result", body)
    assert entry.outcome == f"void:{reason}"
    assert entry.events == []
    assert parties.log.state == msgspec.structs.replace(before, size=before.size + 1, at=entry.at)


def test_before_the_start_results_are_void(parties: Parties) -> None:
    parties.say(BUYER, "propose", {"nonce": parties.nonce})
    assert parties.say(CARRIER, "result", result()).outcome == "void:not_running"


def test_a_decision_names_a_route_that_exists(parties: Parties) -> None:
    delivered(parties)
    parties.answer(SUPPLIER, "approve.1", {"approval_decision": True})
    assert parties.answer(SUPPLIER, "approve_decision.1", {}, outcome="maybe").outcome == "void:no_route"


def test_data_must_be_sealed_and_received_as_it_was_sent(parties: Parties) -> None:
    parties.begin()
    assert parties.answer(BUYER, "order.1", {"amount": "1"}).outcome == "void:nothing_sealed"
    parties.answer(BUYER, "order.1", {"amount": "1"}, sealed=["ab" * 32])
    receipt = {"task": "order.1", "attempt": 1, "sealed": ["cd" * 32]}
    assert parties.say(SUPPLIER, "received", receipt).outcome == "void:other_data"
    assert parties.say(CARRIER, "received", receipt).outcome == "void:not_expected"
    assert parties.say(SUPPLIER, "received", {**receipt, "attempt": 2}).outcome == "void:wrong_attempt"
    assert parties.say(SUPPLIER, "received", {**receipt, "task": "x.1"}).outcome == "void:unknown_task"
    assert parties.say(BUYER, "result", result("order.1")).outcome == "void:already_answered"


def test_failures_are_retried_then_end_the_execution(parties: Parties) -> None:
    carrying(parties)
    for attempt in (1, 2):
        assert parties.say(CARRIER, "result", result(attempt=attempt, error={"code": "busy"})).applied
        assert parties.log.state.tasks["carry.1"].status == "retrying"
        due = parties.log.state.timers[f"carry.1/{attempt}/retry"].due_at
        assert due == parties.at + 10_000 * 2 ** (attempt - 1)
        parties.at = due
        assert parties.say(BUYER, "timer", {"timer": f"carry.1/{attempt}/retry"}).applied
        assert parties.log.state.tasks["carry.1"].attempt == attempt + 1
    parties.say(CARRIER, "result", result(attempt=3, error={"code": "busy"}))
    assert (parties.log.state.status, parties.log.state.outcome) == ("failed", "busy")


def test_some_errors_are_not_retried(parties: Parties) -> None:
    carrying(parties)
    parties.say(CARRIER, "result", result(error={"code": "lost"}))
    assert (parties.log.state.status, parties.log.state.outcome) == ("failed", "lost")


def test_a_cancelled_task_cancels_the_execution(parties: Parties) -> None:
    carrying(parties)
    parties.say(CARRIER, "result", result(status="cancelled"))
    assert (parties.log.state.status, parties.log.state.outcome) == ("cancelled", "task_cancelled")


def test_reminders_and_time_outs_come_from_the_coordinator_when_due(parties: Parties) -> None:
    carrying(parties)
    assert parties.say(CARRIER, "timer", {"timer": "carry.1/1/timeout"}).outcome == "void:not_the_coordinator"
    assert parties.say(BUYER, "timer", {"timer": "carry.1/1/timeout"}).outcome == "void:not_due"
    assert parties.say(BUYER, "timer", {"timer": "carry.1/9/timeout"}).outcome == "void:unknown_timer"
    parties.at += 50_000
    reminder = parties.say(BUYER, "timer", {"timer": "carry.1/1/reminder1"})
    assert reminder.events[-1] == {"type": "reminded", "task": "carry.1", "attempt": 1, "orgs": [CARRIER]}
    parties.at += 50_000
    parties.say(BUYER, "timer", {"timer": "carry.1/1/timeout"})
    assert parties.log.state.tasks["carry.1"].status == "retrying"
    assert parties.say(CARRIER, "result", result()).outcome == "void:already_answered"


def test_reminders_of_a_delivery_go_to_those_who_have_not_received(parties: Parties) -> None:
    parties.begin()
    parties.answer(BUYER, "order.1", {"amount": "1"}, sealed=["ab" * 32])
    parties.at = parties.log.state.timers["order.1/1/reminder1"].due_at
    assert parties.say(BUYER, "timer", {"timer": "order.1/1/reminder1"}).events[-1]["orgs"] == [SUPPLIER]


def test_only_who_may_terminate_terminates(parties: Parties) -> None:
    parties.begin()
    assert parties.say(SUPPLIER, "terminate", {"reason": "0" * 64}).outcome == "void:may_not_terminate"
    parties.say(BUYER, "terminate", {"reason": "0" * 64})
    assert parties.log.state.status == "terminated"


def test_the_agreed_number_of_entries_is_the_most() -> None:
    limits = {"skew_ms": 1, "sequencing_ms": 1_000, "max_entries": 4, "max_statement_bytes": 256_000}
    parties = Parties(limits=limits)
    parties.begin()
    assert parties.answer(BUYER, "order.1", {}).outcome == "void:too_many_entries"
    assert parties.say(BUYER, "terminate", {"reason": "0" * 64}).applied


def test_strangers_are_void(parties: Parties) -> None:
    said = parties.open(parties.token(BUYER, "propose", {"nonce": parties.nonce}))
    stranger = msgspec.structs.replace(said, iss="mallory")
    assert decide(parties.agreement, initial(parties.execution), stranger, NOON).outcome == "void:not_a_participant"


def test_deciding_and_evolving_give_the_same_state(parties: Parties) -> None:
    parties.run()
    state = initial(parties.execution)
    for entry in parties.entries:
        state = evolve(state, entry)
    assert state == parties.log.state
