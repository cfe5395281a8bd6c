"""Replay: what an honest participant accepts, and each thing that it refuses."""

from typing import Any

import msgspec
import pytest

from support.parties import BUYER, CARRIER, SUPPLIER, Parties
from tallystick.core.errors import BadSignature, Invalid
from tallystick.core.replay import IllegalEntry, Replay, anchored_commitments


def walk(parties: Parties) -> Replay:
    replay = Replay(parties.agreement, parties.hash, parties.execution)
    for entry in parties.entries:
        replay.step(entry, parties.open(parties.tokens[entry.statement_id]))
    return replay


def test_a_participant_arrives_where_the_coordinator_is() -> None:
    parties = Parties()
    parties.run()
    replay = walk(parties)
    assert (replay.state, replay.root) == (parties.log.state, parties.log.root)


@pytest.mark.parametrize(
    "changes",
    [
        {"seq": 9},
        {"at": 0},
        {"term": 1},
        {"execution": "0" * 64},
        {"statement_id": "0" * 64},
        {"outcome": "void:because"},
        {"events": []},
    ],
)
def test_an_entry_that_differs_is_illegal(changes: dict[str, Any]) -> None:
    parties = Parties()
    parties.run()
    parties.entries[3] = msgspec.structs.replace(parties.entries[3], **changes)
    parties.tokens.setdefault("0" * 64, next(iter(parties.tokens.values())))
    with pytest.raises(IllegalEntry) as caught:
        walk(parties)
    assert caught.value.seq == parties.entries[3].seq


def test_the_proposal_gives_the_execution_its_id() -> None:
    parties = Parties()
    parties.nonce = "b" * 22
    parties.run()
    with pytest.raises(IllegalEntry, match="its id"):
        walk(parties)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"aud": "0" * 64}, "wrong_audience"),
        ({"execution": "0" * 64}, "wrong_execution"),
        ({"iss": SUPPLIER}, "unknown_key"),
        ({"iss": "mallory"}, "unknown_key"),
        ({"v": 2}, "unknown_version"),
        ({"kind": "sing"}, "unknown_kind"),
        ({"body": {"nonce": 1}}, "bad_statement"),
        ({"body": {"nonce": "x" * 256_000}}, "too_large"),
    ],
)
def test_statements_that_are_not_for_this_execution(changes: dict[str, Any], code: str) -> None:
    parties = Parties()
    with pytest.raises(Invalid) as caught:
        parties.open(parties.token(BUYER, "propose", {"nonce": parties.nonce}, changes))
    assert caught.value.code == code


def test_a_changed_signature_is_refused() -> None:
    parties = Parties()
    token = parties.token(BUYER, "propose", {"nonce": parties.nonce})
    head, _, tail = token.rpartition(".")
    with pytest.raises(BadSignature):
        parties.open(f"{head}.{'A' * len(tail)}")


def test_commitments_for_the_leaf_are_those_of_applied_statements() -> None:
    parties = Parties()
    parties.run()
    void = parties.answer(CARRIER, "carry.1", {"weight": "9"})
    assert not void.applied
    pairs = [(entry, parties.open(parties.tokens[entry.statement_id])) for entry in parties.entries]
    inputs, results = anchored_commitments(pairs)
    assert inputs == []
    assert len(results) == 3
