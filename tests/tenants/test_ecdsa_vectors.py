"""Wycheproof's ECDSA over secp256k1, by the libraries that make and check chain signatures.

The product itself checks none: keys of chain accounts sign transactions and log heads, which contracts verify. These
are the libraries that it makes keys and signatures with; where one is stricter or laxer than the vectors, the table
says so.
"""

import hashlib
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError

from tallystick.tenants.secp256k1 import ORDER

VECTORS = Path(__file__).parents[1] / "core" / "vectors" / "ecdsa_secp256k1_sha256_test.json"


def _by_cryptography(public: bytes, message: bytes, signature: bytes) -> bool:
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256K1(), public)
    try:
        key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _by_recovery(public: bytes, message: bytes, signature: bytes) -> bool:
    """As a contract does it: does one of the two points that (r, s) can be of belong to the key?"""
    try:
        r, s = decode_dss_signature(signature)
    except ValueError:
        return False
    for v in (0, 1):
        try:
            found = Signature(vrs=(v, r, s)).recover_public_key_from_msg_hash(hashlib.sha256(message).digest())
        except (BadSignature, ValidationError, ValueError):
            continue
        if found.to_bytes() == public[1:]:
            return True
    return False


def _by_coincurve(public: bytes, message: bytes, signature: bytes) -> bool:
    import coincurve

    try:
        return bool(coincurve.PublicKey(public).verify(signature, message))
    except ValueError:
        return False


VERIFIERS: dict[str, Callable[[bytes, bytes, bytes], bool]] = {
    "cryptography": _by_cryptography,
    "recovery": _by_recovery,
    "coincurve": _by_coincurve,
}


def _high_s(case: dict[str, Any]) -> bool:
    try:
        return bool(decode_dss_signature(bytes.fromhex(case["sig"]))[1] > ORDER // 2)
    except ValueError:
        return False


# Valid vectors that a library refuses, and why. None takes an invalid one.
STRICTER: dict[str, Callable[[dict[str, Any]], bool]] = {
    "cryptography": lambda case: False,
    # v of 27 and 28 names points whose x is below the order; one above it occurs once in 2^127 signatures.
    "recovery": lambda case: case["tcId"] in {350, 471},
    # libsecp256k1 refuses the second spelling of a signature, s above half the order, which Ethereum forbids too.
    "coincurve": _high_s,
}


@pytest.mark.parametrize("name", VERIFIERS)
def test_wycheproof_secp256k1(name: str) -> None:
    if name == "coincurve" and importlib.util.find_spec("coincurve") is None:
        pytest.skip("coincurve is not installed; enable: pip install -r requirements/fast.txt")
    wrong, refused = [], 0
    for group in json.loads(VECTORS.read_bytes())["testGroups"]:
        public = bytes.fromhex(group["publicKey"]["uncompressed"])
        for case in group["tests"]:
            holds = VERIFIERS[name](public, bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"]))
            if not holds and case["result"] == "valid" and STRICTER[name](case):
                refused += 1
            elif holds != (case["result"] == "valid"):
                wrong.append((case["tcId"], case["result"], case["comment"]))
    assert wrong == []
    assert (refused > 0) == (name != "cryptography")
