"""Bytes under a passphrase: argon2id (RFC 9106) and ChaCha20-Poly1305 in one canonical JSON document.

::

    {v, kind: "tallystick-keystore", kdf: {name, salt, time_cost, memory_kib, lanes}, nonce, ciphertext}

All but the ciphertext is associated data, so that nobody can weaken the derivation of an existing file unnoticed.
"""

import os
from typing import Any, Literal

import msgspec
from argon2.exceptions import HashingError
from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from tallystick.core import b64, canonical
from tallystick.core.errors import Invalid, UnknownVersion
from tallystick.tenants import passphrase

VERSION = 1
_ARGON2 = {"time_cost": 3, "memory_kib": 65_536, "lanes": 4}  # RFC 9106's second choice: about 100 ms
_MOST = {"time_cost": 16, "memory_kib": 1_048_576, "lanes": 16}  # a planted file must not exhaust the host


class Locked(Invalid):
    """The passphrase is wrong or the document was altered; the cipher cannot tell which."""

    default_code = "locked"


class _Kdf(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Literal["argon2id"]
    salt: str
    time_cost: int
    memory_kib: int
    lanes: int


class Lock:
    """The key of an opened document: its holder can write other bytes under the same passphrase."""

    def __init__(self, kdf: _Kdf, key: bytes) -> None:
        self._kdf = kdf
        self._key = key

    def lock(self, plain: bytes) -> bytes:
        """The document that holds ``plain``, with a fresh nonce."""
        header: dict[str, Any] = {
            "v": VERSION,
            "kind": "tallystick-keystore",
            "kdf": msgspec.to_builtins(self._kdf),
            "nonce": b64.encode(os.urandom(12)),
        }
        ciphertext = ChaCha20Poly1305(self._key).encrypt(b64.decode(header["nonce"]), plain, canonical.encode(header))
        return canonical.encode({**header, "ciphertext": b64.encode(ciphertext)})

    def __repr__(self) -> str:
        return "Lock(…)"


class _Vault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    v: int
    kind: Literal["tallystick-keystore"]
    kdf: _Kdf
    nonce: str
    ciphertext: str


def lock(plain: bytes, phrase: str) -> bytes:
    """The document that holds ``plain`` under ``phrase``, with a fresh salt and nonce."""
    return new_lock(phrase).lock(plain)


def new_lock(phrase: str) -> Lock:
    """A lock that ``phrase`` opens, with a fresh salt."""
    kdf = msgspec.convert({"name": "argon2id", "salt": b64.encode(os.urandom(16)), **_ARGON2}, _Kdf)
    return Lock(kdf, _derive(kdf, phrase))


def unlock(data: bytes, phrase: str) -> bytes:
    """What :func:`lock` put in; :class:`Locked` when the passphrase does not open it."""
    return unlock_to_change(data, phrase)[0]


def unlock_to_change(data: bytes, phrase: str) -> tuple[bytes, Lock]:
    """The same, and the lock to put something else under."""
    document = canonical.parse(data)
    vault = _read(document)
    header = {name: member for name, member in document.items() if name != "ciphertext"}
    key = _derive(vault.kdf, phrase)
    cipher, nonce = ChaCha20Poly1305(key), b64.decode(vault.nonce)
    try:
        return cipher.decrypt(nonce, b64.decode(vault.ciphertext), canonical.encode(header)), Lock(vault.kdf, key)
    except (InvalidTag, ValueError):
        raise Locked("the passphrase is wrong or the document was altered") from None


def _read(document: Any) -> _Vault:
    if not isinstance(document, dict) or document.get("v") != VERSION:
        raise UnknownVersion("the keystore has a version that is not known here")
    try:
        return msgspec.convert(document, _Vault)
    except msgspec.ValidationError as error:
        raise Invalid(f"the keystore is damaged: {error}", code="bad_keystore") from error


def _derive(kdf: _Kdf, phrase: str) -> bytes:
    for name, most in _MOST.items():
        if not 0 < getattr(kdf, name) <= most:
            raise Invalid(f"the keystore asks for a {name} outside 1 to {most}", code="bad_keystore")
    try:
        return hash_secret_raw(
            passphrase.encode(phrase),
            b64.decode(kdf.salt),
            time_cost=kdf.time_cost,
            memory_cost=kdf.memory_kib,
            parallelism=kdf.lanes,
            hash_len=32,
            type=Type.ID,
        )
    except HashingError as error:
        raise Invalid("the keystore's key derivation is damaged", code="bad_keystore") from error
