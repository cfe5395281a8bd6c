"""Checks 2 to 8 and 19: what the record says of itself."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from ledger.audit.world import Bundle, bundle_of, finding, judge, trust_of, unanchored
from support.parties import BUYER, CARRIER, SUPPLIER, Parties, agreement_document
from tallystick.core import b64, canonical, jws
from tallystick.core.head import sign_attestation, sign_head
from tallystick.core.statement import ATTESTATION, HEAD, Basis
from tallystick.ledger.audit.trust import Trust

FAIL, UNKNOWN, PASS = "FAIL", "INDETERMINATE", "PASS"


def ran() -> Parties:
    """A finished run without values."""
    parties = Parties()
    parties.run()
    return parties


def withheld(bundle: Bundle, seq: int) -> Bundle:
    """The bundle without one statement, which it names."""
    name = bundle["entries"][seq]["statement_id"]
    statements = {one: token for one, token in bundle["statements"].items() if one != name}
    openings = [one for one in bundle["openings"] if one["statement_id"] != name]
    scope = {**bundle["scope"], "withheld_statements": [name]}
    return {**bundle, "statements": statements, "openings": openings, "scope": scope}


# 2


@pytest.mark.parametrize("field", ["root_key", "chain_org"])
def test_an_organisation_is_who_the_auditor_knows(field: str) -> None:
    _, bundle, trust = unanchored()
    others = [replace(trust.organisations[0], **{field: "ab" * 32}), *trust.organisations[1:]]
    assert finding(2, bundle, replace(trust, organisations=others)) == (FAIL, "other_organisation")


def test_an_organisation_that_the_auditor_does_not_know_is_not_vouched_for() -> None:
    _, bundle, trust = unanchored()
    fewer = replace(trust, organisations=trust.organisations[1:])
    assert finding(2, bundle, fewer) == (UNKNOWN, "unexpected_organisations")


def test_without_its_proposal_an_execution_has_no_derived_id() -> None:
    _, bundle, trust = unanchored()
    assert finding(2, withheld(bundle, 0), trust) == (UNKNOWN, "no_proposal")


def test_a_proposal_of_another_execution_does_not_count() -> None:
    parties = ran()
    assert judge(2, parties, execution="ab" * 32) == (FAIL, "other_execution")


@pytest.mark.parametrize("change", [{"kid": "0" * 16}, {"key": "zz" * 32}])
def test_a_key_id_follows_from_its_key(change: dict[str, str]) -> None:
    keys = Parties().keys
    participants = agreement_document(keys)["participants"]
    participants[2]["signing_keys"][0] |= change
    parties = Parties(participants=participants)
    parties.say(BUYER, "propose", {"nonce": parties.nonce})
    assert judge(2, parties) == (FAIL, "wrong_key_id")


# 3


def test_a_statement_under_another_id_is_misfiled() -> None:
    parties = ran()
    token = next(iter(parties.tokens.values()))
    assert judge(3, parties, statements={**parties.tokens, "ab" * 32: token}) == (FAIL, "misfiled_statement")
    assert judge(4, parties, statements={**parties.tokens, "ab" * 32: token}) == (FAIL, "unsequenced_statements")


def test_a_statement_without_a_form_fails_once() -> None:
    parties = ran()
    broken = {**parties.tokens, next(iter(parties.tokens)): "a.b.c"}
    assert judge(3, parties, statements=broken) == (FAIL, "bad_statement")
    for number in (2, 5, 6, 9, 11, 12, 19):
        assert judge(number, parties, statements=broken) == (UNKNOWN, "rests_on"), number


# 4


def entries_of(parties: Parties) -> list[dict[str, Any]]:
    return [msgspec.to_builtins(entry) for entry in parties.entries]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"seq": 7}, "wrong_number"),
        ({"execution": "ab" * 32}, "foreign_entry"),
        ({"term": 1}, "foreign_entry"),
        ({"at": 1}, "time_runs_back"),
        ({"extra": 1}, "malformed"),
    ],
)
def test_entries_stand_in_order(change: dict[str, Any], code: str) -> None:
    parties = ran()
    entries = entries_of(parties)
    entries[3] |= change
    assert judge(4, parties, entries=entries) == (FAIL, code)


def test_a_statement_stands_in_one_entry() -> None:
    parties = ran()
    entries = entries_of(parties)
    entries[3]["statement_id"] = entries[2]["statement_id"]
    assert judge(4, parties, entries=entries) == (FAIL, "repeated_statement")


def test_there_are_entries() -> None:
    assert judge(4, ran(), entries=[]) == (FAIL, "no_entries")


def test_a_withheld_statement_is_named_and_leaves_questions_open() -> None:
    _, bundle, trust = unanchored()
    less = withheld(bundle, 9)
    expected = {
        4: (UNKNOWN, "withheld_statements"),
        5: (PASS, "consented"),
        6: (UNKNOWN, "replay_stops"),
        7: (PASS, "headed"),
        8: (PASS, "attested"),
        9: (UNKNOWN, "statements_withheld"),
        11: (UNKNOWN, "statements_withheld"),
        12: (UNKNOWN, "statements_withheld"),
        19: (PASS, "unforked"),
    }
    assert {number: finding(number, less, trust) for number in expected} == expected
    unnamed = {**less, "scope": bundle["scope"]}
    assert finding(4, unnamed, trust) == (FAIL, "missing_statements")


@pytest.mark.parametrize("twice", [True, False])
def test_what_is_named_as_withheld_is_withheld(twice: bool) -> None:
    _, bundle, trust = unanchored()
    less = withheld(bundle, 9)
    named = [*less["scope"]["withheld_statements"], less["entries"][9 if twice else 8]["statement_id"]]
    less["scope"]["withheld_statements"] = named
    assert finding(4, less, trust) == (FAIL, "wrongly_withheld")


# 5


def test_nothing_starts_before_all_have_accepted() -> None:
    parties = Parties()
    parties.begin()
    del parties.entries[2]
    assert judge(5, parties) == (FAIL, "no_consent")


def test_a_void_consent_is_none() -> None:
    parties = Parties()
    parties.begin()
    parties.entries[2] = replace(parties.entries[2], outcome="void:because")
    assert judge(5, parties) == (FAIL, "no_consent")


def test_who_is_asked_may_refuse() -> None:
    parties = Parties()
    parties.say(BUYER, "propose", {"nonce": parties.nonce})
    assert judge(5, parties) == (UNKNOWN, "not_started")
    parties.say(SUPPLIER, "consent", {"decision": "rejected"})
    assert judge(5, parties) == (PASS, "never_started")


def test_a_withheld_consent_is_not_presumed() -> None:
    _, bundle, trust = unanchored()
    assert finding(5, withheld(bundle, 1), trust) == (UNKNOWN, "consent_withheld")


# 6


def test_the_engine_must_give_the_same_events() -> None:
    parties = ran()
    parties.entries[4] = replace(parties.entries[4], events=[])
    assert judge(6, parties) == (FAIL, "illegal_entry")


# 7 and 8


def signed_again(token: str, typ: str, parties: Parties, org: str, **changes: Any) -> str:
    """A head or attestation that says something else."""
    return jws.sign(parties.keys[org], typ, {**jws.read(token, typ).payload, **changes})


@pytest.mark.parametrize("size", [0, -1, 2**31])
def test_a_head_of_no_size_that_a_log_has_is_none(size: int) -> None:
    parties = ran()
    head = signed_again(parties.heads[-1], HEAD, parties, BUYER, size=size)
    assert judge(7, parties, heads=[head]) == (FAIL, "malformed")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"execution": "ab" * 32}, "elsewhere"),
        ({"aud": "ab" * 32}, "elsewhere"),
        ({"term": 1}, "elsewhere"),
        ({"size": 99}, "beyond"),
        ({"root": "ab" * 32}, "other_root"),
    ],
)
def test_heads_and_attestations_are_of_these_entries(changes: dict[str, Any], code: str) -> None:
    parties = ran()
    head = signed_again(parties.heads[-1], HEAD, parties, BUYER, **changes)
    assert judge(7, parties, heads=[head]) == (FAIL, f"head_{code}")
    first, *rest = parties.attestations()
    attestation = signed_again(first, ATTESTATION, parties, SUPPLIER, **changes)
    assert judge(8, parties, attestations=[attestation, *rest]) == (FAIL, f"attestation_{code}")


def test_only_the_coordinator_signs_heads() -> None:
    parties = ran()
    head = sign_head(parties.keys[SUPPLIER], parties.head(SUPPLIER))
    assert judge(7, parties, heads=[head]) == (FAIL, "bad_head_signature")
    head = sign_head(parties.keys[SUPPLIER], parties.head(BUYER))
    assert judge(7, parties, heads=[head]) == (FAIL, "bad_head_signature")


def test_the_newest_head_covers_all_entries_and_heads_grow() -> None:
    parties = Parties()
    parties.begin()
    early = parties.heads[-1]
    parties.answer(BUYER, "order.1", {}, sealed=["ab" * 32])
    late = parties.heads[-1]
    assert judge(7, parties, heads=[early, late]) == (PASS, "headed")
    assert judge(7, parties, heads=[late, early]) == (FAIL, "heads_unordered")
    assert judge(7, parties, heads=[late, late]) == (FAIL, "heads_unordered")
    assert judge(7, parties, heads=[early]) == (FAIL, "head_missing")
    assert judge(7, parties, heads=[]) == (FAIL, "head_missing")
    assert judge(7, parties, heads=["a.b"]) == (FAIL, "malformed")


def test_a_participant_that_did_not_attest_shows_as_such() -> None:
    parties = Parties()
    parties.begin()
    early = sign_attestation(parties.keys[SUPPLIER], parties.head(SUPPLIER))
    parties.answer(BUYER, "order.1", {}, sealed=["ab" * 32])
    late = sign_attestation(parties.keys[CARRIER], parties.head(CARRIER))
    assert judge(8, parties, attestations=[early, late]) == (UNKNOWN, "attests_less")
    assert judge(8, parties, attestations=[late, late]) == (FAIL, "attestation_repeated")


def test_nobody_attests_for_another() -> None:
    parties = ran()
    first, second = parties.attestations()
    foreign = sign_attestation(parties.keys[CARRIER], parties.head(SUPPLIER))
    stranger = sign_attestation(parties.keys[CARRIER], parties.head("mallory"))
    for one in (foreign, stranger):
        assert judge(8, parties, attestations=[one, second]) == (FAIL, "bad_attestation_signature")
    assert judge(8, parties, attestations=[first, second]) == (PASS, "attested")


# 19


def test_two_roots_for_one_place_are_a_fork() -> None:
    parties = ran()
    first, second = parties.attestations()
    other = signed_again(second, ATTESTATION, parties, CARRIER, root="ab" * 32)
    assert judge(19, parties, attestations=[first, other]) == (FAIL, "forked")


@pytest.mark.parametrize("changes", [{"root": "ab" * 32}, {"size": 99}, {"size": -1}])
def test_a_statement_rests_on_this_history(changes: dict[str, Any]) -> None:
    parties = Parties()
    parties.begin()
    basis = {"term": 0, "size": 4, "root": parties.log.root, **changes}
    changed = {"basis": msgspec.convert(basis, Basis)}
    parties.sequence(parties.token(BUYER, "terminate", {"reason": "ab" * 32}, changed))
    assert judge(19, parties) == (FAIL, "other_history")


def test_a_later_term_is_not_known_here() -> None:
    parties = ran()
    first, second = parties.attestations()
    other = signed_again(second, ATTESTATION, parties, CARRIER, term=1)
    assert judge(19, parties, attestations=[first, other]) == (FAIL, "unknown_term")


def test_what_nobody_signed_is_nobodys_fork() -> None:
    parties = ran()
    head, _, signature = parties.heads[-1].split(".")
    forged = jws.read(parties.heads[-1], HEAD).payload | {"root": "ab" * 32}
    unsigned = f"{head}.{b64.encode(canonical.encode(forged))}.{signature}"
    assert judge(7, parties, heads=[unsigned]) == (FAIL, "bad_head_signature")
    assert judge(19, parties, heads=[unsigned]) == (PASS, "unforked")


def test_the_agreement_is_in_form() -> None:
    parties = ran()
    document = copy.deepcopy(parties.document)
    document["coordinator"] = "nobody"
    assert judge(2, parties, agreement=document) == (FAIL, "malformed")
    assert judge(7, parties, agreement=document) == (UNKNOWN, "rests_on")
    document["versions"]["engine"] = 2
    assert judge(2, parties, agreement=document) == (UNKNOWN, "unknown_version")
    assert judge(7, parties, agreement=document) == (UNKNOWN, "unknown_version")


def test_an_empty_trust_vouches_for_nobody() -> None:
    parties = ran()
    bundle = bundle_of(parties, [], documents=())
    assert finding(2, bundle, Trust(v=1, organisations=[])) == (UNKNOWN, "unexpected_organisations")
    assert finding(2, bundle, trust_of(parties)) == (PASS, "agreed")
