"""Keys that come and go: each place of the log knows which of them speak."""

from typing import Any

import pytest
from nacl.bindings import crypto_scalarmult_base

from support.parties import BUYER, CARRIER, NOON, SUPPLIER, Parties, new_key, root_of, rotation
from tallystick.core import replay, statement
from tallystick.core.engine import keyring
from tallystick.core.errors import BadSignature
from tallystick.core.head import read_head, sign_head
from tallystick.core.jws import read as read_token
from tallystick.core.jws import sign as sign_token
from tallystick.core.keys import SigningKey, key_id
from tallystick.core.replay import IllegalEntry, Replay
from tallystick.core.statement import HEAD, STATEMENT, Payload

X25519 = "x25519-hkdf-sha256-chacha20poly1305"


@pytest.fixture
def parties() -> Parties:
    made = Parties()
    made.begin()
    return made


def by(key: SigningKey, token: str, **changes: Any) -> str:
    """The same statement, signed by another key, with changes."""
    return sign_token(key, STATEMENT, read_token(token, STATEMENT).payload | changes)


def signal(parties: Parties, org: str, name: str = "go") -> str:
    parties.at += 1000
    return parties.token(org, "signal", {"name": name})


def refused(parties: Parties, token: str, code: str) -> None:
    with pytest.raises(BadSignature) as error:
        parties.open(token)
    assert error.value.code == code


def test_the_new_key_speaks_and_the_old_one_for_as_long_as_was_said(parties: Parties) -> None:
    old = parties.keys[SUPPLIER]
    entry = parties.rotate(SUPPLIER, 1, overlap=2)
    assert entry.events == [
        {
            "type": "key_rotated",
            "org": SUPPLIER,
            "kid": new_key(SUPPLIER, 1).kid,
            "key": new_key(SUPPLIER, 1).public_hex,
            "serial": 1,
            "retires": [old.kid],
            "until": entry.seq + 2,
            "sealing_key": None,
        }
    ]
    outcomes = [parties.sequence(by(old, signal(parties, SUPPLIER))).outcome for _ in range(3)]
    assert outcomes == ["applied", "applied", "void:key_retired"]
    assert parties.sequence(signal(parties, SUPPLIER)).applied
    kids = [one.kid for one in keyring.speaking(parties.agreement, parties.log.state, SUPPLIER)]
    assert kids == [parties.keys[SUPPLIER].kid]


def test_in_the_overlap_the_newest_key_is_named_last(parties: Parties) -> None:
    old = parties.keys[SUPPLIER]
    parties.rotate(SUPPLIER, 1, overlap=10)
    kids = [one.kid for one in keyring.speaking(parties.agreement, parties.log.state, SUPPLIER)]
    assert kids == [old.kid, parties.keys[SUPPLIER].kid]


def test_a_later_rotation_lengthens_no_overlap(parties: Parties) -> None:
    first = parties.rotate(SUPPLIER, 1, overlap=1)
    old = first.events[0]["retires"][0]
    parties.rotate(SUPPLIER, 2, overlap=100)
    assert parties.log.state.keys[old].until == first.seq + 1


def test_a_revoked_key_speaks_no_more_and_what_it_said_stays(parties: Parties) -> None:
    old = parties.keys[SUPPLIER]
    assert parties.sequence(signal(parties, SUPPLIER)).applied
    parties.rotate(SUPPLIER, 1, overlap=100)
    entry = parties.revoke(SUPPLIER, old.kid)
    assert entry.events == [{"type": "key_revoked", "org": SUPPLIER, "kid": old.kid, "reason": "compromised"}]
    assert parties.sequence(by(old, signal(parties, SUPPLIER))).outcome == "void:key_revoked"
    walk = Replay(parties.agreement, parties.hash, parties.execution)
    for one in parties.entries:
        walk.step(one, walk.open(parties.tokens[one.statement_id]))
    assert walk.root == parties.log.root


def test_a_coordinator_cannot_apply_what_a_revoked_key_says(parties: Parties) -> None:
    old = parties.keys[SUPPLIER]
    parties.rotate(SUPPLIER, 1)
    parties.revoke(SUPPLIER, old.kid)
    before = parties.log.copy()
    token = by(old, signal(parties, SUPPLIER))
    said = parties.open(token)
    honest = before.copy().sequence(said, parties.at)
    cheat = type(honest)(**{name: getattr(honest, name) for name in honest.__struct_fields__} | {"outcome": "applied"})
    with pytest.raises(IllegalEntry, match="replay gives void:key_revoked"):
        before.step(cheat, said)


def test_the_root_key_signs_rotations_and_nothing_else(parties: Parties) -> None:
    rotate = parties.token(SUPPLIER, "rotate_key", rotation(new_key(SUPPLIER, 1), 1))
    revoke = parties.token(SUPPLIER, "revoke_key", {"kid": parties.keys[SUPPLIER].kid, "reason": "lost"})
    for token in (rotate, revoke):
        assert parties.open(token).iss == SUPPLIER
        refused(parties, by(parties.keys[SUPPLIER], token), "unknown_key")  # the key that speaks
        refused(parties, by(root_of(CARRIER), token), "unknown_key")  # another's root
        refused(parties, by(root_of(SUPPLIER), token, iss=CARRIER), "unknown_key")  # for another
    refused(parties, by(root_of(SUPPLIER), signal(parties, SUPPLIER)), "unknown_key")


def test_a_rotation_is_for_one_execution(parties: Parties) -> None:
    token = parties.token(SUPPLIER, "rotate_key", rotation(new_key(SUPPLIER, 1), 1))
    other = Parties(salt="B" * 21 + "A")
    with pytest.raises(Exception, match="addressed to another agreement"):
        other.open(token)
    with pytest.raises(Exception, match="for another execution"):
        parties.open(by(root_of(SUPPLIER), token, execution="0" * 64))


def test_a_key_is_not_known_before_its_rotation(parties: Parties) -> None:
    refused(parties, by(new_key(SUPPLIER, 1), signal(parties, SUPPLIER)), "unknown_key")
    parties.rotate(SUPPLIER, 1)
    refused(parties, by(new_key(SUPPLIER, 1), signal(parties, CARRIER)), "unknown_key")


SMALL = bytes(32).hex()
GOOD = crypto_scalarmult_base(b"\x42" * 32).hex()


def sealing(key: str, suite: str = X25519) -> dict[str, Any]:
    return {"suite": suite, "key": key, "kid": key_id(bytes.fromhex(key))}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"serial": 3}, "stale_rotation"),
        ({"serial": 2}, "stale_rotation"),
        ({"overlap": -1}, "bad_overlap"),
        ({"overlap": 10_001}, "bad_overlap"),
        ({"key": {"kid": "0" * 16, "key": new_key(SUPPLIER, 9).public_hex}}, "bad_key"),
        ({"key": {"kid": key_id(bytes(32)), "key": "00" * 32}}, "bad_key"),
        ({"key": {"kid": "0" * 16, "key": "z" * 64}}, "bad_key"),
        ({"sealing_key": {**sealing(GOOD), "kid": "0" * 16}}, "bad_sealing_key"),
        ({"sealing_key": sealing(SMALL)}, "bad_sealing_key"),
        ({"sealing_key": sealing("01" + "00" * 31)}, "bad_sealing_key"),
        ({"sealing_key": sealing("00")}, "bad_sealing_key"),
        ({"sealing_key": sealing("ff" * 1216, "mlkem768x25519-hkdf-sha256-chacha20poly1305")}, "bad_sealing_key"),
    ],
)
def test_a_rotation_that_nobody_can_follow_is_void(parties: Parties, changes: dict[str, Any], reason: str) -> None:
    assert parties.rotate(SUPPLIER, 3).applied
    entry = parties.say(SUPPLIER, "rotate_key", rotation(new_key(SUPPLIER, 9), 9) | changes)
    assert entry.outcome == f"void:{reason}"


def test_a_key_id_names_one_key_for_good(parties: Parties) -> None:
    first = parties.keys[SUPPLIER]
    parties.rotate(SUPPLIER, 1)
    for number, key in enumerate((first, parties.keys[SUPPLIER], parties.keys[BUYER], root_of(CARRIER)), 2):
        entry = parties.say(SUPPLIER, "rotate_key", rotation(key, number))
        assert entry.outcome == "void:key_known"


def test_an_older_rotation_comes_too_late(parties: Parties) -> None:
    older = parties.token(SUPPLIER, "rotate_key", rotation(new_key(SUPPLIER, 1), 1))
    parties.rotate(SUPPLIER, 2)
    assert parties.sequence(older).outcome == "void:stale_rotation"


def test_the_only_key_cannot_be_revoked(parties: Parties) -> None:
    first = parties.keys[SUPPLIER].kid
    assert parties.revoke(SUPPLIER, first).outcome == "void:last_key"
    parties.rotate(SUPPLIER, 1, overlap=5)
    assert parties.revoke(SUPPLIER, parties.keys[SUPPLIER].kid).outcome == "void:last_key"
    assert parties.revoke(SUPPLIER, first).applied
    assert parties.revoke(SUPPLIER, first).outcome == "void:already_revoked"
    assert parties.revoke(SUPPLIER, parties.keys[CARRIER].kid).outcome == "void:unknown_key"


def test_keys_are_bounded(parties: Parties) -> None:
    outcomes = [parties.rotate(SUPPLIER, number).outcome for number in range(1, 34)]
    assert outcomes == ["applied"] * 32 + ["void:too_many_keys"]


def test_a_new_sealing_key_is_what_others_seal_to(parties: Parties) -> None:
    before = keyring.sealing(parties.agreement, parties.log.state, SUPPLIER)
    body = rotation(new_key(SUPPLIER, 1), 1, sealing_key=sealing(GOOD))
    assert parties.say(SUPPLIER, "rotate_key", body).applied
    after = keyring.sealing(parties.agreement, parties.log.state, SUPPLIER)
    assert after is not None
    assert (after.key, before == after) == (GOOD, False)
    assert keyring.sealing(parties.agreement, parties.log.state, CARRIER) is not None


def test_heads_are_signed_by_the_new_key_once_the_old_one_has_gone(parties: Parties) -> None:
    old = parties.keys[BUYER]
    state = parties.log.state
    parties.rotate(BUYER, 1, overlap=1)
    sizes = [state.size, state.size + 1, state.size + 2]
    parties.sequence(signal(parties, SUPPLIER))
    parties.sequence(signal(parties, SUPPLIER))
    for size in sizes:  # over the rotation's own entry, and over one more
        _head(parties, old, size)
    with pytest.raises(BadSignature) as error:
        _head(parties, old, size + 1)
    assert error.value.code == "key_retired"
    _head(parties, parties.keys[BUYER], size + 1)
    with pytest.raises(BadSignature):
        _head(parties, root_of(BUYER), size + 1)


def _head(parties: Parties, key: SigningKey, size: int) -> None:
    head = parties.head(BUYER)
    token = sign_head(key, type(head)(**{n: getattr(head, n) for n in head.__struct_fields__} | {"size": size}))
    raw, read = read_head(token)
    assert raw.typ == HEAD
    replay.verify_head(raw, parties.agreement, BUYER, read.size, parties.log.state)


def test_a_statement_says_who_it_is_by_in_its_own_bytes(parties: Parties) -> None:
    body = rotation(new_key(SUPPLIER, 1), 1)
    facts = Payload(
        v=1,
        iss=SUPPLIER,
        aud=parties.hash,
        kind="rotate_key",
        execution=parties.execution,
        basis=None,
        iat=NOON,
        body=body,
    )
    said = parties.open(statement.sign(root_of(SUPPLIER), facts))
    assert (said.kind, said.kid, said.commitments, said.sealed) == ("rotate_key", root_of(SUPPLIER).kid, {}, [])
