"""Envelopes: opened by whom they name, for what they were made, and by nobody else."""

import hashlib
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from tallystick.core import b64, canonical
from tallystick.core.errors import Invalid, UnknownVersion
from tallystick.tenants import hpke, sealing
from tallystick.tenants.hpke import SealBroken, SealingKey
from tallystick.tenants.openings import MAX_OPENINGS
from tallystick.tenants.sealing import MAX_RECIPIENTS, NotARecipient, Recipient, UnknownSealingKey

DATA = "订单 a!b@c$d()e*_,/:;=?@ff[]22".encode()
FOR = {"issuer": "huaxia", "execution": "ab" * 32, "kind": "result"}
SUITES = [hpke.X25519, hpke.HYBRID]


def recipient(org_id: str, key: SealingKey) -> Recipient:
    return Recipient(org_id, key.kid, key.suite, key.public_hex)


def opened(envelope: Any, key: SealingKey, digest: str, **changes: str) -> bytes:
    return sealing.open_envelope(envelope, **{"me": "nordic", **FOR, **changes}, keys=[key], expected_hash=digest)


@pytest.fixture(params=SUITES)
def key(request: pytest.FixtureRequest) -> SealingKey:
    return SealingKey.generate(request.param)


def test_every_recipient_opens_it_and_no_other(key: SealingKey) -> None:
    second, stranger = SealingKey.generate(key.suite), SealingKey.generate(key.suite)
    recipients = [recipient("nordic", key), recipient("blueline", second)]
    envelope, digest = sealing.seal(DATA, **FOR, recipients=recipients)
    assert opened(envelope, key, digest) == opened(envelope, second, digest, me="blueline") == DATA
    with pytest.raises(NotARecipient) as caught:
        opened(envelope, stranger, digest, me="stranger")
    assert caught.value.org_id == "stranger"
    with pytest.raises(UnknownSealingKey) as unknown:
        opened(envelope, stranger, digest)
    assert unknown.value.kid == key.kid


def test_an_older_key_still_opens(key: SealingKey) -> None:
    envelope, digest = sealing.seal(DATA, **FOR, recipients=[recipient("nordic", key)])
    keys = [SealingKey.generate(key.suite), key, SealingKey.generate(key.suite)]
    assert sealing.open_envelope(envelope, keys=keys, me="nordic", **FOR, expected_hash=digest) == DATA


def test_the_wire_form_is_that_of_the_record() -> None:
    """Opened step by step as RECORD.md words it, with the pieces rather than with this module."""
    key = SealingKey.generate()
    envelope, digest = sealing.seal(DATA, **FOR, recipients=[("nordic", key.kid, key.suite, key.public_hex)])
    assert set(envelope) == {"v", "suite", "ciphertext", "recipients"}
    assert [set(wrap) for wrap in envelope["recipients"]] == [{"org_id", "kid", "sealed_key"}]
    ciphertext = b64.decode(envelope["ciphertext"])
    assert digest == hashlib.sha256(ciphertext).hexdigest() == sealing.ciphertext_hash(envelope)
    info = canonical.encode(["tallystick/hpke/v1", "huaxia", "nordic", "result", "ab" * 32, digest])
    content_key = key.open(b64.decode(envelope["recipients"][0]["sealed_key"]), info=info)
    bound_to = canonical.tagged("tallystick/sealed/v1", "huaxia", "ab" * 32, "result").encode()
    assert ChaCha20Poly1305(content_key).decrypt(bytes(12), ciphertext, bound_to) == DATA


@pytest.mark.parametrize("changed", [{"issuer": "mallory"}, {"execution": "cd" * 32}, {"kind": "start"}])
def test_it_opens_only_for_its_issuer_execution_and_kind(key: SealingKey, changed: dict[str, str]) -> None:
    envelope, digest = sealing.seal(DATA, **FOR, recipients=[recipient("nordic", key)])
    with pytest.raises(SealBroken):
        opened(envelope, key, digest, **changed)


def test_a_wrap_readdressed_to_another_recipient_does_not_open(key: SealingKey) -> None:
    envelope, digest = sealing.seal(DATA, **FOR, recipients=[recipient("nordic", key)])
    envelope["recipients"][0]["org_id"] = "blueline"
    with pytest.raises(SealBroken):
        opened(envelope, key, digest, me="blueline")


def test_a_wrap_moved_to_another_ciphertext_does_not_open(key: SealingKey) -> None:
    one, _ = sealing.seal(DATA, **FOR, recipients=[recipient("nordic", key)])
    other, digest = sealing.seal(DATA, **FOR, recipients=[recipient("nordic", key)])
    with pytest.raises(SealBroken):
        opened({**other, "recipients": one["recipients"]}, key, digest)


def test_another_ciphertext_than_the_committed_one_is_refused(key: SealingKey) -> None:
    envelope, digest = sealing.seal(DATA, **FOR, recipients=[recipient("nordic", key)])
    ciphertext = bytearray(b64.decode(envelope["ciphertext"]))
    ciphertext[0] ^= 1
    forged = {**envelope, "ciphertext": b64.encode(bytes(ciphertext))}
    with pytest.raises(Invalid) as caught:
        opened(forged, key, digest)
    assert caught.value.code == "wrong_ciphertext"
    with pytest.raises(SealBroken):  # even if the statement committed to the forged one
        opened(forged, key, sealing.ciphertext_hash(forged))


def test_sealing_twice_gives_different_ciphertexts(key: SealingKey) -> None:
    digests = {sealing.seal(DATA, **FOR, recipients=[recipient("nordic", key)])[1] for _ in range(3)}
    assert len(digests) == 3


def test_readers_added_later_change_no_hash(key: SealingKey) -> None:
    later = SealingKey.generate(key.suite)
    envelope, digest = sealing.seal(DATA, **FOR, recipients=[recipient("nordic", key)])
    added = [recipient("blueline", later), recipient("nordic", later)]
    wider = sealing.add_recipients(envelope, keys=[key], me="nordic", **FOR, recipients=added)
    assert sealing.ciphertext_hash(wider) == digest
    assert [wrap["org_id"] for wrap in wider["recipients"]] == ["nordic", "blueline"]
    assert opened(wider, later, digest, me="blueline") == DATA
    with pytest.raises(NotARecipient):
        sealing.add_recipients(envelope, keys=[later], me="blueline", **FOR, recipients=added)


def test_readers_added_later_use_the_envelopes_suite() -> None:
    key, hybrid = SealingKey.generate(), SealingKey.generate(hpke.HYBRID)
    envelope, _ = sealing.seal(DATA, **FOR, recipients=[recipient("nordic", key)])
    with pytest.raises(Invalid, match="suite"):
        sealing.add_recipients(envelope, keys=[key], me="nordic", **FOR, recipients=[recipient("blueline", hybrid)])


def test_recipients_must_be_some_different_and_of_one_suite() -> None:
    key = SealingKey.generate()
    hybrid = SealingKey.generate(hpke.HYBRID)
    many = [recipient(f"org-{number}", key) for number in range(MAX_RECIPIENTS + 1)]
    for recipients in ([], many, [recipient("a", key)] * 2, [recipient("a", key), recipient("b", hybrid)]):
        with pytest.raises(Invalid):
            sealing.seal(DATA, **FOR, recipients=recipients)
    with pytest.raises(Invalid):
        sealing.seal(DATA, **FOR, recipients=[("a", "kid", "rot13", key.public_hex)])


def test_size_is_bounded_and_the_largest_fits_a_message() -> None:
    key = SealingKey.generate(hpke.HYBRID)
    with pytest.raises(Invalid) as caught:
        sealing.seal(bytes(MAX_OPENINGS + 1), **FOR, recipients=[recipient("nordic", key)])
    assert caught.value.code == "too_large"
    everyone = [recipient(f"organisation-with-a-long-name-number-{n:02}", key) for n in range(MAX_RECIPIENTS)]
    envelope, digest = sealing.seal(bytes(MAX_OPENINGS), **FOR, recipients=everyone)
    assert len(canonical.encode(envelope)) < 900_000
    assert opened(envelope, key, digest, me=everyone[-1].org_id) == bytes(MAX_OPENINGS)


MUTATIONS: list[Callable[[dict[str, Any]], Any]] = [
    lambda e: e.update(v=2),
    lambda e: e.update(v="1"),
    lambda e: e.update(more=1),
    lambda e: e.pop("suite"),
    lambda e: e.update(suite="rot13"),
    lambda e: e.update(suite=hpke.HYBRID),
    lambda e: e.update(ciphertext=e["ciphertext"] + "="),
    lambda e: e.update(ciphertext=1),
    lambda e: e.update(ciphertext="A" * 1_000_000),
    lambda e: e.update(ciphertext=""),
    lambda e: e.update(recipients=[]),
    lambda e: e.update(recipients=e["recipients"] * 2),
    lambda e: e.update(recipients=[{**e["recipients"][0], "org_id": f"o{n}"} for n in range(65)]),
    lambda e: e["recipients"][0].update(sealed_key="AAAA"),
    lambda e: e["recipients"][0].update(sealed_key="*"),
    lambda e: e["recipients"][0].update(kid="0" * 16),
    lambda e: e["recipients"][0].update(more=1),
]


@pytest.mark.parametrize("mutate", MUTATIONS)
def test_every_mutation_is_refused(mutate: Callable[[dict[str, Any]], Any]) -> None:
    key = SealingKey.generate()
    envelope, digest = sealing.seal(DATA, **FOR, recipients=[recipient("nordic", key)])
    forged = deepcopy(envelope)
    mutate(forged)
    with pytest.raises(Invalid):
        opened(forged, key, digest)


@pytest.mark.parametrize("envelope", [None, [], "x", {}, {"v": 0}])
def test_what_is_no_envelope_is_of_no_known_version(envelope: Any) -> None:
    with pytest.raises(UnknownVersion):
        sealing.read(envelope)


def test_a_content_key_of_another_length_is_refused() -> None:
    key = SealingKey.generate()
    envelope, digest = sealing.seal(DATA, **FOR, recipients=[recipient("nordic", key)])
    info = sealing.Purpose(**FOR).info("nordic", digest)
    short = hpke.seal(key.suite, key.public_hex, bytes(16), info=info)
    envelope["recipients"][0]["sealed_key"] = b64.encode(short)
    with pytest.raises(SealBroken, match="length"):
        opened(envelope, key, digest)


def test_a_ciphertext_made_for_another_kind_is_refused_though_its_wrap_fits() -> None:
    key, content_key = SealingKey.generate(), bytes(range(32))
    other = sealing.Purpose(**{**FOR, "kind": "start"})
    ciphertext = ChaCha20Poly1305(content_key).encrypt(bytes(12), DATA, other.associated())
    digest = hashlib.sha256(ciphertext).hexdigest()
    info = sealing.Purpose(**FOR).info("nordic", digest)
    wrap = hpke.seal(key.suite, key.public_hex, content_key, info=info)
    envelope = {
        "v": 1,
        "suite": key.suite,
        "ciphertext": b64.encode(ciphertext),
        "recipients": [{"org_id": "nordic", "kid": key.kid, "sealed_key": b64.encode(wrap)}],
    }
    with pytest.raises(SealBroken, match="not made for this statement"):
        opened(envelope, key, digest)
