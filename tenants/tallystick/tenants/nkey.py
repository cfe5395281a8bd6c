"""NATS user keys: Ed25519 keys in the text form that nats-server reads (base32, a type prefix, CRC-16)."""

import base64
import binascii

from tallystick.core.errors import Invalid
from tallystick.core.keys import SigningKey

_SEED = 18 << 3  # the first letter is S …
_USER = 20 << 3  # … or U


def seed_text(seed: bytes) -> str:
    """The secret ``SU…`` text of a 32-byte Ed25519 seed."""
    return _text(bytes([_SEED | (_USER >> 5), (_USER & 31) << 3]) + seed)


def public_text(seed: bytes) -> str:
    """The public ``U…`` text that belongs to ``seed``."""
    return _text(bytes([_USER]) + SigningKey(seed).public)


def check_public(text: str) -> str:
    """Return ``text`` when it is a public user key in its one spelling; raise :class:`Invalid` otherwise."""
    try:
        raw = base64.b32decode(text)  # 35 bytes fill 56 letters, so there is no padding
    except (binascii.Error, ValueError) as error:
        raise Invalid("is not an nkey", code="bad_nkey") from error
    if len(raw) != 35 or raw[0] != _USER or _text(raw[:-2]) != text:
        raise Invalid("is not a public user nkey", code="bad_nkey")
    return text


def _text(raw: bytes) -> str:
    checksum = binascii.crc_hqx(raw, 0).to_bytes(2, "little")
    return base64.b32encode(raw + checksum).rstrip(b"=").decode("ascii")
