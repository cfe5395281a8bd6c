"""Salted commitments: how a value is bound to its place in the record without being told."""

import hashlib
import os
from typing import Any

import msgspec

from tallystick.core import b64
from tallystick.core.canonical import encode, encode_plain, tagged

SALT_BYTES = 16


class Opening(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """What makes a commitment readable: the property's name, its 16-byte salt (base64url) and its value."""

    property: str
    salt: str
    value: Any


class Place(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where in the record a value belongs; ``task`` is "" and ``attempt`` 0 outside tasks."""

    execution: str
    issuer: str
    task: str = ""
    attempt: int = 0


def new_salt() -> str:
    """A fresh 128-bit salt."""
    return b64.encode(os.urandom(SALT_BYTES))


def commit(place: Place, opening: Opening) -> str:
    """The hex commitment of ``opening`` at ``place``."""
    return commit_encoded(place, opening, encode(opening.value))


def commit_encoded(place: Place, opening: Opening, value: bytes) -> str:
    """:func:`commit` for who has the value's canonical bytes: an array ends with its last element."""
    facts = encode_plain(
        [
            "tallystick/commitment/v1",
            place.execution,
            place.issuer,
            place.task,
            place.attempt,
            opening.property,
            opening.salt,
        ]
    )
    return hashlib.sha256(b"%b,%b]" % (facts[:-1], value)).hexdigest()


def data_hash(commitments: list[str]) -> str:
    """One hash over many commitments, for a leaf; all zero when there are none."""
    return tagged("tallystick/data/v1", sorted(commitments)) if commitments else "0" * 64
