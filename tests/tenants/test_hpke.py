"""HPKE against a second implementation of RFC 9180, written here from the RFC alone."""

import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.core.errors import Invalid
from tallystick.core.keys import key_id
from tallystick.tenants import hpke
from tallystick.tenants.hpke import SealBroken, SealingKey

SUITES = [hpke.X25519, hpke.HYBRID]
KEM_ID = b"KEM" + (0x20).to_bytes(2, "big")
SUITE_ID = b"HPKE" + b"".join(number.to_bytes(2, "big") for number in (0x20, 0x01, 0x03))


def extract(suite: bytes, salt: bytes, label: bytes, material: bytes) -> bytes:
    return hmac.new(salt or bytes(32), b"HPKE-v1" + suite + label + material, hashlib.sha256).digest()


def expand(suite: bytes, secret: bytes, label: bytes, info: bytes, length: int) -> bytes:
    """One block is enough: nothing here is longer than SHA-256."""
    labelled = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac.new(secret, labelled + b"\x01", hashlib.sha256).digest()[:length]


def oracle_open(private: bytes, sealed: bytes, info: bytes) -> bytes:
    """DHKEM(X25519), base mode, first message (RFC 9180 §4.1, §5.1, §5.2)."""
    key = X25519PrivateKey.from_private_bytes(private)
    encapsulated, ciphertext = sealed[:32], sealed[32:]
    shared = key.exchange(X25519PublicKey.from_public_bytes(encapsulated))
    context = encapsulated + key.public_key().public_bytes_raw()
    secret = expand(KEM_ID, extract(KEM_ID, b"", b"eae_prk", shared), b"shared_secret", context, 32)
    schedule = b"\x00" + extract(SUITE_ID, b"", b"psk_id_hash", b"") + extract(SUITE_ID, b"", b"info_hash", info)
    prk = extract(SUITE_ID, secret, b"secret", b"")
    cipher = ChaCha20Poly1305(expand(SUITE_ID, prk, b"key", schedule, 32))
    return cipher.decrypt(expand(SUITE_ID, prk, b"base_nonce", schedule, 12), ciphertext, b"")


@settings(max_examples=30, deadline=None)
@given(plaintext=st.binary(max_size=64), info=st.binary(max_size=64))
def test_what_is_sealed_opens_by_the_rfc(plaintext: bytes, info: bytes) -> None:
    key = SealingKey.generate()
    sealed = hpke.seal(key.suite, key.public_hex, plaintext, info=info)
    assert oracle_open(key.private, sealed, info) == plaintext
    assert key.open(sealed, info=info) == plaintext


@pytest.mark.parametrize("suite", SUITES)
def test_each_suite_opens_what_it_sealed_and_only_that(suite: str) -> None:
    key, other = SealingKey.generate(suite), SealingKey.generate(suite)
    sealed = hpke.seal(suite, key.public_hex, b"content key", info=b"info")
    assert key.open(sealed, info=b"info") == b"content key"
    flipped = bytes([sealed[0] ^ 1]) + sealed[1:]
    for holder, what, info in [
        (other, sealed, b"info"),
        (key, flipped, b"info"),
        (key, sealed[:-1], b"info"),
        (key, b"", b"info"),
        (key, sealed, b"other"),
    ]:
        with pytest.raises(SealBroken):
            holder.open(what, info=info)


@pytest.mark.parametrize("suite", SUITES)
def test_keys_have_the_documented_lengths_and_ids(suite: str) -> None:
    key = SealingKey.generate(suite)
    assert (len(key.private), len(key.public)) == ((32, 32) if suite == hpke.X25519 else (96, 1216))
    assert key.kid == key_id(bytes.fromhex(key.public_hex))
    assert SealingKey(suite, key.private).public_hex == key.public_hex
    assert repr(key) == f"SealingKey({key.kid})"


def test_private_keys_of_wrong_length_or_suite_are_refused() -> None:
    for suite, private in [(hpke.X25519, bytes(31)), (hpke.HYBRID, bytes(32)), ("rot13", bytes(32))]:
        with pytest.raises(Invalid):
            SealingKey(suite, private)


@pytest.mark.parametrize("suite", SUITES)
def test_public_keys_of_wrong_form_are_refused(suite: str) -> None:
    good = SealingKey.generate(suite).public_hex
    for key in ("", "zz" * 32, good[:-2], good + "00", good.upper(), " " + good[:-1]):
        with pytest.raises(Invalid):
            hpke.read_public(suite, key)


def test_small_order_points_are_refused() -> None:
    for point in ("00" * 32, "01" + "00" * 31):
        with pytest.raises(Invalid, match="not a safe public key"):
            hpke.seal(hpke.X25519, point, b"x", info=b"")
