"""Bytes under a passphrase: every altered part is noticed."""

from typing import Any

import pytest

from tallystick.core import b64, canonical
from tallystick.core.errors import Invalid, UnknownVersion
from tallystick.tenants.vault import Locked, lock, unlock

PHRASE = "a!b@c$d()e*_,/:;=?@ff[]22 华夏"
CHEAP = {"time_cost": 1, "memory_kib": 64, "lanes": 1}


@pytest.fixture(scope="module")
def locked() -> dict[str, Any]:
    document: dict[str, Any] = canonical.parse(lock(b"the keys", PHRASE))
    return document


def test_what_is_locked_opens_with_the_passphrase_alone(locked: dict[str, Any]) -> None:
    assert unlock(canonical.encode(locked), PHRASE) == b"the keys"
    with pytest.raises(Locked):
        unlock(canonical.encode(locked), PHRASE + " ")


def test_a_new_one_costs_what_rfc_9106_recommends(locked: dict[str, Any]) -> None:
    """The second choice of its section 4: three passes over 64 MiB in four lanes."""
    cost = {name: value for name, value in locked["kdf"].items() if name != "salt"}
    assert cost == {"name": "argon2id", "time_cost": 3, "memory_kib": 65_536, "lanes": 4}


def test_salt_and_nonce_are_fresh(locked: dict[str, Any]) -> None:
    again = canonical.parse(lock(b"the keys", PHRASE))
    for one, other in ((again["nonce"], locked["nonce"]), (again["kdf"]["salt"], locked["kdf"]["salt"])):
        assert one != other


@pytest.mark.parametrize("member", ["nonce", "ciphertext"])
def test_altered_bytes_do_not_open(locked: dict[str, Any], member: str) -> None:
    raw = bytearray(b64.decode(locked[member]))
    raw[0] ^= 1
    with pytest.raises(Locked):
        unlock(canonical.encode({**locked, member: b64.encode(bytes(raw))}), PHRASE)


def test_a_short_ciphertext_or_nonce_does_not_open(locked: dict[str, Any]) -> None:
    for member in ("nonce", "ciphertext"):
        with pytest.raises(Locked):
            unlock(canonical.encode({**locked, member: "AAAA"}), PHRASE)


def test_a_weakened_derivation_does_not_open(locked: dict[str, Any]) -> None:
    with pytest.raises(Locked):
        unlock(canonical.encode({**locked, "kdf": {**locked["kdf"], **CHEAP}}), PHRASE)


@pytest.mark.parametrize(
    "change",
    [
        {"memory_kib": 2**31},
        {"time_cost": 10**6},
        {"lanes": 1000},
        {"time_cost": 0},
        {"memory_kib": -1},
        {"memory_kib": 1, "lanes": 16},
        {"salt": "AA"},
        {"name": "md5"},
        {"pepper": 1},
    ],
)
def test_a_derivation_beyond_the_bounds_is_refused(locked: dict[str, Any], change: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as caught:
        unlock(canonical.encode({**locked, "kdf": {**locked["kdf"], **change}}), PHRASE)
    assert caught.value.code == "bad_keystore"


@pytest.mark.parametrize("document", [[], {}, {"v": 2}, {"v": "1"}])
def test_unknown_versions_never_open(document: Any) -> None:
    with pytest.raises(UnknownVersion):
        unlock(canonical.encode(document), PHRASE)
