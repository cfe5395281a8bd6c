"""Openings for those entitled: one ciphertext, its key wrapped for each recipient (RECORD.md, "Openings and sealing").

To open, in this order: form and bounds of the envelope; the ciphertext's hash against the statement that commits to
it; my wrap under my key, bound to issuer, me, kind, execution and that hash; the ciphertext, bound to issuer, execution
and kind. Whether the openings fit the statement's commitments is left to the caller.
"""

import hashlib
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from tallystick.core import b64, canonical
from tallystick.core.errors import Invalid, UnknownVersion
from tallystick.tenants import hpke
from tallystick.tenants.hpke import SealBroken, SealingKey
from tallystick.tenants.openings import MAX_OPENINGS

VERSION = 1
MAX_RECIPIENTS = 64
_KEY_BYTES = 32
_TAG_BYTES = 16
_NONCE = bytes(12)  # each content key encrypts once


class NotARecipient(Invalid):
    """The envelope holds no wrap for this organisation (``org_id``)."""

    default_code = "not_a_recipient"

    def __init__(self, org_id: str) -> None:
        super().__init__(f"the envelope is not sealed to {org_id}")
        self.org_id = org_id


class UnknownSealingKey(Invalid):
    """The wrap is for a key that this organisation does not hold (``kid``)."""

    default_code = "unknown_sealing_key"

    def __init__(self, kid: str) -> None:
        super().__init__(f"the envelope is sealed to key {kid}, which is not held here")
        self.kid = kid


class Recipient(NamedTuple):
    """Who may open, and the public key (hex) to seal to; a plain tuple serves too."""

    org_id: str
    kid: str
    suite: str
    key: str


class Wrap(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content key, sealed to one recipient."""

    org_id: str
    kid: str
    sealed_key: str


class Envelope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What travels beside a statement."""

    v: int
    suite: str
    ciphertext: str
    recipients: list[Wrap]


class Purpose(NamedTuple):
    """What a sealing is bound to besides its recipient."""

    issuer: str
    execution: str
    kind: str

    def associated(self) -> bytes:
        """Associated data of the ciphertext."""
        return canonical.tagged("tallystick/sealed/v1", self.issuer, self.execution, self.kind).encode("ascii")

    def info(self, audience: str, digest: str) -> bytes:
        """HPKE's ``info`` for one recipient of the ciphertext that has this hash."""
        return canonical.encode(["tallystick/hpke/v1", self.issuer, audience, self.kind, self.execution, digest])


def seal(
    openings: bytes,
    *,
    issuer: str,
    execution: str,
    kind: str,
    recipients: Sequence[Recipient | tuple[str, str, str, str]],
) -> tuple[dict[str, Any], str]:
    """The envelope of ``openings`` and the hash of its ciphertext, which the statement commits to."""
    if len(openings) > MAX_OPENINGS:
        raise Invalid(f"openings have {len(openings)} bytes, {MAX_OPENINGS} are allowed", code="too_large")
    readers = _readers(recipients)
    purpose = Purpose(issuer, execution, kind)
    key = os.urandom(_KEY_BYTES)
    ciphertext = ChaCha20Poly1305(key).encrypt(_NONCE, openings, purpose.associated())
    digest = hashlib.sha256(ciphertext).hexdigest()
    envelope = Envelope(
        v=VERSION,
        suite=readers[0].suite,
        ciphertext=b64.encode(ciphertext),
        recipients=[_wrap(reader, key, purpose, digest) for reader in readers],
    )
    return msgspec.to_builtins(envelope), digest


def open_envelope(
    envelope: Any, *, keys: Sequence[SealingKey], me: str, issuer: str, execution: str, kind: str, expected_hash: str
) -> bytes:
    """What was sealed to ``me``; every deviation raises :class:`Invalid` or one of its kinds."""
    checked = read(envelope)
    ciphertext = _committed(checked, expected_hash)
    purpose = Purpose(issuer, execution, kind)
    content_key = _content_key(checked, keys, me, purpose, expected_hash)
    try:
        return ChaCha20Poly1305(content_key).decrypt(_NONCE, ciphertext, purpose.associated())
    except (InvalidTag, ValueError) as error:
        raise SealBroken("the ciphertext was not made for this statement") from error


def add_recipients(
    envelope: Any,
    *,
    keys: Sequence[SealingKey],
    me: str,
    issuer: str,
    execution: str,
    kind: str,
    recipients: Sequence[Recipient | tuple[str, str, str, str]],
) -> dict[str, Any]:
    """The same envelope with wraps for more readers, by one who can open it; its hash stays."""
    checked = read(envelope)
    digest = ciphertext_hash(envelope)
    purpose = Purpose(issuer, execution, kind)
    content_key = _content_key(checked, keys, me, purpose, digest)
    known = {wrap.org_id for wrap in checked.recipients}
    readers = _readers(recipients)
    if readers[0].suite != checked.suite:
        raise Invalid("all recipients of an envelope use one suite", code="suite_mismatch")
    more = [_wrap(one, content_key, purpose, digest) for one in readers if one.org_id not in known]
    wider = msgspec.structs.replace(checked, recipients=[*checked.recipients, *more])
    widened: dict[str, Any] = msgspec.to_builtins(wider)
    read(widened)
    return widened


def read(envelope: Any) -> Envelope:
    """Check an envelope's form and bounds."""
    if not isinstance(envelope, dict) or envelope.get("v") != VERSION:
        raise UnknownVersion("the envelope has a version that is not known here")
    try:
        checked = msgspec.convert(envelope, Envelope)
    except msgspec.ValidationError as error:
        raise Invalid(f"envelope: {error}", code="bad_envelope") from error
    hpke.check_suite(checked.suite)
    if len(checked.ciphertext) > (MAX_OPENINGS + _TAG_BYTES) * 4 // 3 + 2:
        raise Invalid("the envelope's ciphertext is too large", code="too_large")
    if not 0 < len(checked.recipients) <= MAX_RECIPIENTS:
        raise Invalid(f"an envelope has 1 to {MAX_RECIPIENTS} recipients", code="bad_envelope")
    if len({wrap.org_id for wrap in checked.recipients}) != len(checked.recipients):
        raise Invalid("the envelope names a recipient twice", code="bad_envelope")
    return checked


def ciphertext_hash(envelope: Any) -> str:
    """SHA-256 of the ciphertext, hex: the name of the envelope in statements."""
    return hashlib.sha256(b64.decode(read(envelope).ciphertext)).hexdigest()


def _readers(recipients: Sequence[Recipient | tuple[str, str, str, str]]) -> list[Recipient]:
    readers = [Recipient(*one) for one in recipients]
    if not 0 < len(readers) <= MAX_RECIPIENTS or len({one.org_id for one in readers}) != len(readers):
        raise Invalid(f"seal to 1 to {MAX_RECIPIENTS} different organisations", code="bad_recipients")
    if len({one.suite for one in readers}) != 1:
        raise Invalid("all recipients of an envelope use one suite", code="suite_mismatch")
    return readers


def _wrap(reader: Recipient, key: bytes, purpose: Purpose, digest: str) -> Wrap:
    sealed = hpke.seal(reader.suite, reader.key, key, info=purpose.info(reader.org_id, digest))
    return Wrap(org_id=reader.org_id, kid=reader.kid, sealed_key=b64.encode(sealed))


def _committed(envelope: Envelope, expected_hash: str) -> bytes:
    ciphertext = b64.decode(envelope.ciphertext)
    if hashlib.sha256(ciphertext).hexdigest() != expected_hash:
        raise Invalid("the ciphertext is not the one that the statement commits to", code="wrong_ciphertext")
    return ciphertext


def _content_key(envelope: Envelope, keys: Sequence[SealingKey], me: str, purpose: Purpose, digest: str) -> bytes:
    wrap = next((one for one in envelope.recipients if one.org_id == me), None)
    if wrap is None:
        raise NotARecipient(me)
    key = next((one for one in keys if one.kid == wrap.kid), None)
    if key is None:
        raise UnknownSealingKey(wrap.kid)
    if key.suite != envelope.suite:
        raise Invalid("the envelope names another suite than its key has", code="suite_mismatch")
    content_key = key.open(b64.decode(wrap.sealed_key), info=purpose.info(me, digest))
    if len(content_key) != _KEY_BYTES:
        raise SealBroken("the envelope's content key has the wrong length")
    return content_key
