"""NATS user keys (nkeys): Ed25519 pairs in NATS's base-32 text form."""

import base64
import binascii
import os

import nkeys

from tallystick.core.errors import Invalid

_PUBLIC_LENGTH = 35  # prefix byte, 32 key bytes, 2 bytes of CRC-16


def new_seed() -> str:
    """Return a fresh user seed (``SU…``); a secret."""
    return str(nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER).decode())


def public(seed: str) -> str:
    """Return the public user key (``U…``) of ``seed``."""
    try:
        pair = nkeys.from_seed(bytearray(seed.encode()))
        key = str(pair.public_key.decode())
    except (nkeys.NkeysError, ValueError):
        # The seed must not reach a log through the exception chain.
        raise Invalid("not an nkey seed", code="nkey") from None
    return check_public(key)


def check_public(key: str) -> str:
    """Return ``key`` if it is a well-formed public user key, checksum included; raise `Invalid` otherwise."""
    try:
        raw = base64.b32decode(key.encode("ascii"))
    except (binascii.Error, UnicodeEncodeError) as error:
        raise Invalid("not a public nkey", code="nkey") from error
    well_formed = len(raw) == _PUBLIC_LENGTH and raw[0] == nkeys.PREFIX_BYTE_USER
    if not well_formed or nkeys.crc16(bytearray(raw[:-2])).to_bytes(2, "little") != raw[-2:]:
        raise Invalid("not a public user nkey", code="nkey")
    return key
