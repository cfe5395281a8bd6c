"""Ed25519 keys, against Wycheproof's vectors."""

import hashlib
import json
from pathlib import Path

import pytest

from tallystick.core.errors import BadSignature
from tallystick.core.keys import SigningKey, key_id, verify

VECTORS = Path(__file__).parent / "vectors" / "ed25519_test.json"


def test_wycheproof_ed25519() -> None:
    seen = {"valid": 0, "invalid": 0}
    wrong = []
    for group in json.loads(VECTORS.read_bytes())["testGroups"]:
        for case in group["tests"]:
            try:
                verify(group["publicKey"]["pk"], bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"]))
                result = "valid"
            except BadSignature:
                result = "invalid"
            seen[result] += 1
            if result != case["result"]:
                wrong.append((case["tcId"], case["comment"]))
    assert wrong == []
    assert min(seen.values()) > 50


def test_rfc_8032_first_vector() -> None:
    key = SigningKey(bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
    assert key.public_hex == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert key.sign(b"").hex().startswith("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155")


def test_keys_are_named_by_their_hash_and_keep_their_secret() -> None:
    key = SigningKey.generate()
    assert SigningKey(key.seed).public == key.public
    assert key.kid == key_id(key.public) == hashlib.sha256(key.public).hexdigest()[:16]
    assert key.seed != SigningKey.generate().seed
    assert repr(key) == f"SigningKey({key.kid})"


@pytest.mark.parametrize("bit", [0, 100, 300, 511])
def test_a_changed_bit_is_a_bad_signature(bit: int) -> None:
    key = SigningKey(bytes(32))
    signature = bytearray(key.sign(b"message"))
    verify(key.public_hex, b"message", bytes(signature))
    signature[bit // 8] ^= 1 << bit % 8
    with pytest.raises(BadSignature):
        verify(key.public_hex, b"message", bytes(signature))


@pytest.mark.parametrize(("public", "length"), [("zz", 64), ("00", 64), ("00" * 33, 64), ("00" * 32, 63), ("", 64)])
def test_malformed_keys_and_signatures_are_bad_signatures(public: str, length: int) -> None:
    with pytest.raises(BadSignature):
        verify(public, b"", bytes(length))
