"""Ed25519 keys (RFC 8032) by libsodium, which refuses small-order points and non-canonical signatures."""

import hashlib

from nacl.bindings import (
    crypto_sign,
    crypto_sign_BYTES,
    crypto_sign_open,
    crypto_sign_PUBLICKEYBYTES,
    crypto_sign_seed_keypair,
)
from nacl.exceptions import CryptoError
from nacl.signing import SigningKey as NaclSigningKey

from tallystick.core.errors import BadSignature


def key_id(public: bytes) -> str:
    """The first 16 hex digits of SHA-256(public key)."""
    return hashlib.sha256(public).hexdigest()[:16]


class SigningKey:
    """A private Ed25519 key made from its 32-byte seed."""

    def __init__(self, seed: bytes) -> None:
        self._key = NaclSigningKey(seed)
        self.public = bytes(self._key.verify_key)
        self.kid = key_id(self.public)
        self._secret = crypto_sign_seed_keypair(seed)[1]

    @classmethod
    def generate(cls) -> "SigningKey":
        """A fresh key from the system's randomness."""
        return cls(bytes(NaclSigningKey.generate()))

    @property
    def seed(self) -> bytes:
        """The 32 secret bytes."""
        return bytes(self._key)

    @property
    def public_hex(self) -> str:
        """The public key as 64 hex digits."""
        return self.public.hex()

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature over ``message``."""
        return crypto_sign(message, self._secret)[:crypto_sign_BYTES]

    def __repr__(self) -> str:
        return f"SigningKey({self.kid})"


def verify(public_hex: str, message: bytes, signature: bytes) -> None:
    """Return when ``signature`` over ``message`` is by the key; raise :class:`BadSignature` otherwise."""
    try:
        public = bytes.fromhex(public_hex)
    except ValueError as error:
        raise BadSignature("names a key that is not hexadecimal") from error
    if len(public) != crypto_sign_PUBLICKEYBYTES or len(signature) != crypto_sign_BYTES:
        raise BadSignature("has a key or signature of the wrong length")
    try:
        crypto_sign_open(signature + message, public)
    except CryptoError as error:
        raise BadSignature("has a signature that does not hold") from error
