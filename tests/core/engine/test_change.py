"""A changed proposal in the log of the one that it replaces: who may, when, and what follows."""

from typing import Any

import pytest

from support.parties import BUYER, CARRIER, SUPPLIER, Parties
from tallystick.core import agreement as agreements
from tallystick.core.errors import Invalid

CHANGE = {"agreement": "ab" * 32, "nonce": "AAAA", "reason": "cd" * 32}


@pytest.fixture
def parties() -> Parties:
    found = Parties()
    found.say(BUYER, "propose", {"nonce": found.nonce})
    return found


def test_a_change_closes_the_proposal_and_names_the_execution_that_follows(parties: Parties) -> None:
    entry = parties.say(SUPPLIER, "change", CHANGE)
    execution = agreements.execution_id("ab" * 32, SUPPLIER, "AAAA")
    assert entry.events == [
        {"type": "replaced", "by": SUPPLIER, "agreement": "ab" * 32, "execution": execution},
        {"type": "closed", "status": "terminated", "outcome": "replaced"},
    ]
    assert (parties.log.state.status, parties.log.state.outcome) == ("terminated", "replaced")
    assert parties.open(parties.tokens[entry.statement_id]).commitments == {"$reason": "cd" * 32}


@pytest.mark.parametrize("late", ["change", "consent"])
def test_whatever_comes_after_it_is_void(parties: Parties, late: str) -> None:
    parties.say(SUPPLIER, "change", CHANGE)
    body = {**CHANGE, "nonce": "BBBB"} if late == "change" else {"decision": "accepted"}
    assert parties.say(CARRIER, late, body).outcome == "void:closed"


def test_the_proposer_may_change_and_who_has_answered_may_not(parties: Parties) -> None:
    parties.say(CARRIER, "consent", {"decision": "accepted"})
    assert parties.say(CARRIER, "change", CHANGE).outcome == "void:already_answered"
    assert parties.say(BUYER, "change", {**CHANGE, "agreement": parties.hash}).outcome == "void:same_agreement"
    assert parties.say(BUYER, "change", CHANGE).applied


def test_what_all_have_accepted_is_not_changed(parties: Parties) -> None:
    for org in (SUPPLIER, CARRIER):
        parties.say(org, "consent", {"decision": "accepted"})
    for org in (BUYER, SUPPLIER):
        assert parties.say(org, "change", CHANGE).outcome == "void:already_agreed"
    parties.say(BUYER, "start", {"input": {}})
    assert parties.say(BUYER, "change", CHANGE).outcome == "void:already_agreed"


def replacing(**changes: Any) -> Parties:
    place = {"execution": "e" * 64, "agreement": "a" * 64, "version": 2, "by": SUPPLIER}
    return Parties(replaces={**place, **changes})


def test_who_proposes_the_change_has_accepted_it_and_the_initiator_starts_it() -> None:
    parties = replacing()
    assert parties.say(BUYER, "propose", {"nonce": parties.nonce}).outcome == "void:not_the_proposer"
    parties = replacing()
    parties.say(SUPPLIER, "propose", {"nonce": parties.nonce})
    assert parties.log.state.consents == {BUYER: "pending", SUPPLIER: "accepted", CARRIER: "pending"}
    parties.say(BUYER, "consent", {"decision": "accepted"})
    assert parties.say(SUPPLIER, "consent", {"decision": "accepted"}).outcome == "void:already_answered"
    parties.say(CARRIER, "consent", {"decision": "accepted"})
    assert parties.say(SUPPLIER, "start", {"input": {}}).outcome == "void:not_the_initiator"
    assert parties.say(BUYER, "start", {"input": {}}).applied


PARENT = {"execution": "e" * 64, "agreement": "a" * 64, "task": "x.1", "attempt": 1}


@pytest.mark.parametrize("wrong", [{"by": "stranger"}, {"version": 1}])
def test_a_place_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        replacing(**wrong)


def test_a_sub_workflow_replaces_nothing_and_is_not_replaced() -> None:
    parties = Parties(parent=PARENT)
    parties.say(BUYER, "propose", {"nonce": parties.nonce})
    assert parties.say(SUPPLIER, "change", CHANGE).outcome == "void:sub_workflow"
    with pytest.raises(Invalid):
        Parties(parent=PARENT, replaces={"execution": "", "agreement": "", "version": 2, "by": SUPPLIER})


def test_an_agreement_shows_values_to_those_whom_its_definition_names() -> None:
    document = Parties().document
    with pytest.raises(Invalid):
        agreements.read({**document, "visibility": {**document["visibility"], "order": [BUYER]}})
