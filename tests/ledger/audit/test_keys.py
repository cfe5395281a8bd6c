"""Keys that come and go: the verifier recomputes where each of them speaks."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ledger.audit.world import Bundle, bundle_of, checks, finding, trust_of
from support.parties import BUYER, CARRIER, NAMES, SUPPLIER, Parties, new_key, root_of
from tallystick.core import jws
from tallystick.core.head import sign_attestation, sign_head
from tallystick.core.keys import SigningKey
from tallystick.core.statement import STATEMENT
from tallystick.ledger.audit.trust import Trust

FAIL, UNKNOWN = "FAIL", "INDETERMINATE"
OFF_CHAIN = {13, 14, 15, 16, 17, 18}


def rotated(overlap: int = 0) -> tuple[Parties, dict[str, SigningKey]]:
    """A run in which all three rotate while it runs, and the carrier revokes its first key."""
    parties = Parties()
    old = dict(parties.keys)
    parties.begin()
    parties.answer(BUYER, "order.1", {"amount": "12.50"}, sealed=["ab" * 32])
    for org in NAMES:
        parties.rotate(org, 1, overlap)
    parties.revoke(CARRIER, old[CARRIER].kid)
    parties.say(SUPPLIER, "received", {"task": "order.1", "attempt": 1, "sealed": ["ab" * 32]})
    parties.answer(SUPPLIER, "approve.1", {"approval_decision": True})
    parties.answer(SUPPLIER, "approve_decision.1", {}, outcome="true")
    parties.answer(CARRIER, "carry.1", {"weight": "3.5"})
    parties.answer(BUYER, "closing.1", {})
    parties.say(SUPPLIER, "acknowledge", {"task": "closing.1", "attempt": 1})
    return parties, old


def case(parties: Parties) -> tuple[Bundle, Trust]:
    return bundle_of(parties, [], documents=()), trust_of(parties)


def failures(bundle: Bundle, trust: Trust) -> dict[int, str]:
    return {number: one.code for number, one in checks(bundle, trust).items() if one.status == FAIL}


def test_all_three_rotate_and_the_evidence_passes() -> None:
    bundle, trust = case(rotated()[0])
    found = checks(bundle, trust)
    assert {number for number, one in found.items() if one.status != "PASS"} == OFF_CHAIN


@pytest.mark.parametrize("org", NAMES)
def test_no_head_or_attestation_by_a_key_that_has_gone(org: str) -> None:
    parties, old = rotated()
    bundle, trust = case(parties)
    if org == BUYER:
        bundle["heads"] = [sign_head(old[org], parties.head(org))]
        assert failures(bundle, trust) == {7: "head_key_ended"}
    else:
        others = [one for one in bundle["attestations"] if jws.peek(one)["iss"] != org]
        bundle["attestations"] = [*others, sign_attestation(old[org], parties.head(org))]
        assert failures(bundle, trust) == {8: "attestation_key_ended"}


def cheated(parties: Parties, key: SigningKey, seq: int) -> Bundle:
    """The statement of an entry, signed by another key of its author; the coordinator sequences it all the same."""
    bundle = copy.deepcopy(bundle_of(parties, [], documents=()))
    name = bundle["entries"][seq]["statement_id"]
    token = jws.sign(key, STATEMENT, jws.read(bundle["statements"].pop(name), STATEMENT).payload)
    bundle["statements"][jws.read(token, STATEMENT).id] = token
    bundle["entries"][seq]["statement_id"] = jws.read(token, STATEMENT).id
    return bundle


def test_an_applied_statement_by_a_key_that_has_gone_fails() -> None:
    parties, old = rotated()
    last = len(parties.entries) - 1
    assert failures(cheated(parties, old[SUPPLIER], last), trust_of(parties))[3] == "key_retired"
    assert failures(cheated(parties, old[CARRIER], last - 2), trust_of(parties))[3] == "key_revoked"


def test_a_statement_by_a_key_that_nobody_knew_yet_fails() -> None:
    parties, _ = rotated()
    found = failures(cheated(parties, new_key(SUPPLIER, 1), 1), trust_of(parties))
    assert found[3] == "key_not_yet"


def test_a_statement_by_a_key_that_is_nobodys_fails() -> None:
    parties, _ = rotated()
    assert failures(cheated(parties, root_of(SUPPLIER), 1), trust_of(parties))[3] == "bad_statement"


@pytest.mark.parametrize("key", [new_key(SUPPLIER, 1), root_of(CARRIER)])
def test_a_rotation_that_the_root_key_did_not_sign_fails(key: SigningKey) -> None:
    parties, _ = rotated()
    bundle = cheated(parties, key, next(one.seq for one in parties.entries if _rotates(one.events, SUPPLIER)))
    assert failures(bundle, trust_of(parties))[3] == "bad_statement"


def test_a_key_that_only_the_coordinator_announces_fails() -> None:
    parties, _ = rotated()
    bundle, trust = case(parties)
    event = next(one for entry in bundle["entries"] for one in entry["events"] if one["type"] == "key_rotated")
    bundle = copy.deepcopy(bundle)
    bundle["entries"][4]["events"].append({**event, "org": CARRIER})
    assert failures(bundle, trust)[3] == "key_event_alone"


def test_a_withheld_rotation_leaves_signatures_open() -> None:
    parties, _ = rotated()
    bundle, trust = case(parties)
    name = next(one.statement_id for one in parties.entries if _rotates(one.events, SUPPLIER))
    del bundle["statements"][name]
    bundle["scope"]["withheld_statements"] = [name]
    assert finding(3, bundle, trust) == (UNKNOWN, "keys_withheld")
    assert failures(bundle, trust) == {}


def test_what_the_old_key_said_in_its_overlap_passes() -> None:
    parties, old = rotated(overlap=1000)
    parties.keys[SUPPLIER] = old[SUPPLIER]
    bundle, trust = case(parties)
    assert failures(bundle, trust) == {}


def _rotates(events: list[dict[str, Any]], org: str) -> bool:
    return any((one["type"], one.get("org")) == ("key_rotated", org) for one in events)
