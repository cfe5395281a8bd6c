"""Agreements: form, versions and references."""

import copy
from typing import Any

import pytest

from support.parties import BUYER, CARRIER, SUPPLIER, Parties
from tallystick.core import agreement as agreements
from tallystick.core.canonical import tagged
from tallystick.core.errors import Invalid, UnknownVersion
from tallystick.core.policy import DIRECT


@pytest.fixture
def document() -> dict[str, Any]:
    return copy.deepcopy(Parties().document)


def test_an_agreement_is_read(document: dict[str, Any]) -> None:
    agreement = agreements.read(document)
    assert [one.org_id for one in agreement.participants] == [BUYER, SUPPLIER, CARRIER]
    one = agreement.participant(SUPPLIER)
    assert one is not None
    kid = one.signing_keys[0].kid
    assert agreement.key(SUPPLIER, kid) == one.signing_keys[0].key
    assert agreement.key(BUYER, kid) is None
    assert agreement.key("mallory", kid) is None
    assert agreement.participant("mallory") is None


@pytest.fixture
def anchored(document: dict[str, Any]) -> dict[str, Any]:
    address = "0x" + "0" * 40
    document["anchoring"] = {
        "chain_id": 31337,
        "org_registry": address,
        "workflow_registry": address,
        "execution_ledger": address,
        "workflow_salt": "AAAAAAAAAAAAAAAAAAAAAA",
        **DIRECT,
        "also": [],
    }
    return document


def test_what_is_registered_is_salted_and_of_the_definition_alone(
    document: dict[str, Any], anchored: dict[str, Any]
) -> None:
    name = agreements.workflow_hash(agreements.read(anchored))
    assert name == tagged("tallystick/workflow/v1", "A" * 22, anchored["definition"])
    assert agreements.workflow_hash(agreements.read({**anchored, "salt": "B" * 22})) == name
    anchored["anchoring"]["workflow_salt"] = "B" * 21 + "A"
    assert agreements.workflow_hash(agreements.read(anchored)) != name
    assert agreements.workflow_hash(agreements.read({**document, "anchoring": None})) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"mode": "sometimes"},
        {"max_leaves": 2},
        {"max_age_seconds": 1},
        {"mode": "batched", "max_leaves": 1, "max_age_seconds": 1},
        {"mode": "batched", "max_leaves": 2, "max_age_seconds": 0},
        {"mode": "batched", "max_leaves": 65_537, "max_age_seconds": 1},
        {"padding": {"multiple_of": 1}},
        {"start_anchor": "sometimes"},
        {"finality": "latest"},
        {"finality": {"confirmations": 0}},
        {"finality": {}},
        {"also": [{"chain_id": 31337, "org_registry": "", "workflow_registry": "", "execution_ledger": ""}]},
    ],
)
def test_an_anchoring_policy_that_says_nothing_sensible(anchored: dict[str, Any], wrong: dict[str, Any]) -> None:
    agreements.read(anchored)
    anchored["anchoring"] |= wrong
    with pytest.raises(Invalid, match=r"^agreement"):
        agreements.read(anchored)


def test_no_member_of_the_anchoring_policy_may_be_left_out(anchored: dict[str, Any]) -> None:
    del anchored["anchoring"]["finality"]
    with pytest.raises(Invalid, match="leaves out"):
        agreements.read(anchored)


def test_hashes(document: dict[str, Any]) -> None:
    name = agreements.agreement_hash(document)
    assert name == tagged("tallystick/agreement/v1", document)
    assert agreements.agreement_hash({**document, "retention_days": 31}) != name
    assert agreements.execution_id(name, BUYER, "n") == tagged("tallystick/execution/v1", name, BUYER, "n")


@pytest.mark.parametrize("part", [None, *agreements.VERSIONS])
def test_unknown_versions_never_pass(document: dict[str, Any], part: str | None) -> None:
    target = document if part is None else document["versions"]
    target["v" if part is None else part] = 2
    with pytest.raises(UnknownVersion):
        agreements.read(document)


@pytest.mark.parametrize("value", [None, [], "agreement", 1, {}, {"v": 1}])
def test_what_is_no_agreement(value: Any) -> None:
    with pytest.raises(UnknownVersion):
        agreements.read(value)


@pytest.mark.parametrize(
    "change",
    [
        {"surplus": 1},
        {"kind": "contract"},
        {"created_at": "now"},
        {"sealing_suite": "rot13"},
        {"limits": {}},
        {"limits": {"skew_ms": 1, "sequencing_ms": 1_000, "max_entries": 1}},
        {"anchoring": {"chain_id": 1}},
        {"coordinator": "mallory"},
        {"initiator": "mallory"},
        {"participants": []},
        {"definition": []},
        {"definition": {"steps": []}},
        {"definition": {"steps": {"x": 1}}},
        {"definition": {"steps": {"x": {"assigned_org": "mallory"}}}},
        {"definition": {"steps": {"x": {"assigned_org": []}}}},
    ],
)
def test_changes_that_are_refused(document: dict[str, Any], change: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as caught:
        agreements.read({**document, **change})
    assert caught.value.code in {"bad_agreement", "bad_definition"}


def test_participants_and_keys_stand_once(document: dict[str, Any]) -> None:
    twice = {**document, "participants": [*document["participants"], document["participants"][0]]}
    with pytest.raises(Invalid, match="participant twice"):
        agreements.read(twice)
    document["participants"][1]["signing_keys"] = document["participants"][0]["signing_keys"]
    with pytest.raises(Invalid, match="key twice"):
        agreements.read(document)


def test_floats_have_no_place(document: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        agreements.read({**document, "retention_days": 30.0})
