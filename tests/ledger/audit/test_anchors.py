"""Checks 13 to 18: each has a bundle that contradicts it, and one that leaves it open."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.audit.world import Bundle, World, bundle_of, finding, trust_of, unanchored
from support.parties import BUYER, SUPPLIER, Parties
from tallystick.core.merkle import leaf_hash
from tallystick.core.policy import DIRECT
from tallystick.ledger import leaf as leaves
from tallystick.ledger.hashing import keccak, to_hex, unhex

Change = Callable[[Bundle], Any]


def changed(world: World, change: Change) -> Bundle:
    """The honest bundle, after ``change``."""
    bundle = copy.deepcopy(world.bundle)
    change(bundle)
    return bundle


def releaf(index: int, **facts: Any) -> Change:
    """Say something else in a leaf; the log's own proof no longer leads to it, which is for check 15."""

    def change(bundle: Bundle) -> None:
        anchor = bundle["anchors"][index]
        leaf = leaves.decode(unhex(anchor["leaf"]))
        anchor["leaf"] = to_hex(replace(leaf, **facts).encode())

    return change


def without(*indexes: int) -> Change:
    def change(bundle: Bundle) -> None:
        bundle["anchors"] = [one for index, one in enumerate(bundle["anchors"]) if index not in indexes]

    return change


CASES: list[tuple[int, Change, tuple[str, str]]] = [
    (13, releaf(0, size=3), ("FAIL", "other_head_anchored")),
    (13, releaf(0, root=bytes([1]) * 32), ("FAIL", "other_head_anchored")),
    (13, releaf(0, agreement=bytes([1]) * 32), ("FAIL", "other_head_anchored")),
    (13, releaf(0, execution=bytes([1]) * 32), ("FAIL", "other_head_anchored")),
    (13, releaf(0, input=bytes([1]) * 32), ("FAIL", "other_facts_anchored")),
    (13, releaf(0, status=1), ("FAIL", "other_facts_anchored")),
    (13, releaf(0, org=bytes([1]) * 32), ("FAIL", "foreign_anchor")),
    (13, lambda bundle: bundle["anchors"].append(bundle["anchors"][0]), ("FAIL", "anchored_twice")),
    (13, releaf(0, kind=leaves.AUDIT), ("INDETERMINATE", "unknown_anchor")),
    (13, without(0), ("INDETERMINATE", "anchors_missing")),
    (14, releaf(1, size=11), ("FAIL", "other_head_anchored")),
    (14, releaf(1, result=bytes([1]) * 32), ("FAIL", "other_facts_anchored")),
    (14, releaf(1, status=2), ("FAIL", "other_facts_anchored")),
    (14, releaf(1, start_index=7), ("FAIL", "other_start_anchored")),
    (14, without(1, 3), ("INDETERMINATE", "anchors_missing")),
    (15, releaf(0, salt=bytes(32)), ("FAIL", "not_in_log")),
    (15, lambda bundle: bundle["anchors"][0].update(index=1), ("FAIL", "not_in_log")),
    (15, lambda bundle: bundle["anchors"][0].update(path=["0x" + "11" * 32] * 65), ("FAIL", "malformed")),
    (15, lambda bundle: bundle.update(anchors=[]), ("INDETERMINATE", "no_anchors")),
    (16, lambda bundle: bundle["anchors"][0].update(log_size=5), ("FAIL", "other_record")),
    (16, lambda bundle: bundle["anchors"][0].update(log_epoch=1), ("FAIL", "other_record")),
    (16, lambda bundle: bundle["anchors"][0].update(block_number=1), ("FAIL", "other_record")),
    (16, lambda bundle: bundle.update(anchors=[]), ("INDETERMINATE", "no_anchors")),
    (17, lambda bundle: bundle["anchors"][0].update(chain_id=1), ("FAIL", "other_ledger")),
    (17, lambda bundle: bundle.update(anchors=[]), ("INDETERMINATE", "no_anchors")),
    (18, without(1, 3, 5), ("INDETERMINATE", "time_unbounded")),
]


@pytest.mark.parametrize("number", range(len(CASES)))
def test_each_check_has_what_contradicts_it(world: World, number: int) -> None:
    check, change, expected = CASES[number]
    assert finding(check, changed(world, change), world.trust) == expected


@pytest.mark.parametrize("part", ["header", "account_proof", "storage_proof"])
def test_a_broken_state_proof_proves_nothing(world: World, part: str) -> None:
    def spoil(bundle: Bundle) -> None:
        state = bundle["anchors"][0]["state"]
        held = state[part] if part == "header" else state[part][0]
        other = held[:10] + ("0" if held[10] != "0" else "1") + held[11:]
        state[part] = other if part == "header" else [other, *state[part][1:]]

    status, _ = finding(16, changed(world, spoil), world.trust)
    assert status == "FAIL" or (part == "header" and status == "INDETERMINATE")  # the hash of no block that is trusted


@pytest.mark.parametrize(
    "spelling", [lambda text: text.upper(), lambda text: "0x" + "00" * 300_000, lambda text: text[2:]]
)
def test_other_spellings_of_hex_are_refused(world: World, spelling: Callable[[str], str]) -> None:
    change: Change = lambda bundle: bundle["anchors"][0].update(log_root=spelling(bundle["anchors"][0]["log_root"]))  # noqa: E731
    assert finding(15, changed(world, change), world.trust) == ("FAIL", "malformed")


def test_the_auditor_decides_which_blocks_count(world: World) -> None:
    untrusted = replace(world.trust, trusted_blocks=[])
    assert finding(16, world.bundle, untrusted) == ("INDETERMINATE", "untrusted_blocks")
    other = [replace(one, hash="0x" + "11" * 32) for one in world.trust.trusted_blocks]
    assert finding(16, world.bundle, replace(world.trust, trusted_blocks=other)) == ("FAIL", "other_block")


def test_the_auditor_decides_which_contracts_count(world: World) -> None:
    trust, contracts = world.trust, world.trust.contracts
    assert contracts is not None
    assert finding(17, world.bundle, replace(trust, contracts=None)) == ("INDETERMINATE", "no_chain_trusted")
    assert finding(17, world.bundle, replace(trust, chain_id=1)) == ("FAIL", "other_contracts")
    moved = replace(contracts, execution_ledger="0x" + "11" * 20)
    assert finding(17, world.bundle, replace(trust, contracts=moved)) == ("FAIL", "other_contracts")
    unknown = replace(contracts, code_hashes={})
    assert finding(17, world.bundle, replace(trust, contracts=unknown)) == ("INDETERMINATE", "no_code_hash")
    other = replace(contracts, code_hashes={"execution_ledger": "0x" + "11" * 32})
    assert finding(17, world.bundle, replace(trust, contracts=other)) == ("FAIL", "other_code")


def test_an_agreement_may_anchor_nowhere() -> None:
    _, bundle, trust = unanchored()
    for number in (13, 14, 17):
        assert finding(number, bundle, trust) == ("INDETERMINATE", "anchors_nowhere")


def test_what_is_dated_after_its_anchor_is_backdated_or_worse(world: World) -> None:
    """Entries a day ahead of the block: re-signed by nobody, so other checks fail as well."""
    day = 24 * 3_600_000
    change: Change = lambda bundle: [one.update(at=one["at"] + day) for one in bundle["entries"]]  # noqa: E731
    assert finding(18, changed(world, change), world.trust) == ("FAIL", "dated_after")


ANCHORING = {
    "chain_id": 31337,
    "workflow_salt": "A" * 22,
    **DIRECT,
    "also": [],
    **dict.fromkeys(("org_registry", "workflow_registry", "execution_ledger"), "0x" + "11" * 20),
}


def begun(*, start: bool, end: bool) -> tuple[Bundle, Any]:
    """A run that never started, or never ended, under an agreement that anchors."""
    parties = Parties(anchoring=ANCHORING)
    parties.say(BUYER, "propose", {"nonce": parties.nonce})
    if start:
        parties.say(SUPPLIER, "consent", {"decision": "accepted"})
        parties.say("blueline", "consent", {"decision": "accepted"})
        parties.say(BUYER, "start", {"input": {}})
    if end:
        parties.say(SUPPLIER, "consent", {"decision": "rejected"})
    return bundle_of(parties, [], documents=()), trust_of(parties)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (False, False, ("INDETERMINATE", "not_started", "INDETERMINATE", "unfinished")),
        (False, True, ("PASS", "never_started", "PASS", "never_started")),
        (True, False, ("INDETERMINATE", "anchors_missing", "INDETERMINATE", "unfinished")),
    ],
)
def test_what_never_started_or_ended(start: bool, end: bool, expected: tuple[str, ...]) -> None:
    bundle, trust = begun(start=start, end=end)
    assert (*finding(13, bundle, trust), *finding(14, bundle, trust)) == expected


def test_nothing_is_anchored_of_what_never_happened(world: World) -> None:
    bundle, trust = begun(start=False, end=False)
    agreement = bundle["agreement"]
    foreign = copy.deepcopy(world.bundle["anchors"][:2])
    for anchor in foreign:
        leaf = leaves.decode(unhex(anchor["leaf"]))
        chain_org = agreement["participants"][0]["chain_org"]
        anchor.update(org=chain_org, leaf=to_hex(replace(leaf, org=unhex(chain_org)).encode()))
    bundle["anchors"] = foreign
    assert finding(13, bundle, trust) == ("FAIL", "anchored_unstarted")
    assert finding(14, bundle, trust) == ("FAIL", "anchored_unfinished")


def test_withheld_statements_leave_the_commitments_open(world: World) -> None:
    def withhold(kind: str) -> Bundle:
        bundle = copy.deepcopy(world.bundle)
        seq = 3 if kind == "start" else 4
        name = bundle["entries"][seq]["statement_id"]
        del bundle["statements"][name]
        bundle["openings"] = [one for one in bundle["openings"] if one["statement_id"] != name]
        bundle["scope"]["withheld_statements"] = [name]
        return bundle

    assert finding(13, withhold("start"), world.trust) == ("INDETERMINATE", "start_withheld")
    assert finding(14, withhold("result"), world.trust) == ("INDETERMINATE", "statements_withheld")


def test_a_leaf_is_hashed_apart_from_nodes() -> None:
    assert leaf_hash(b"x", keccak) == keccak(b"\x00x")
