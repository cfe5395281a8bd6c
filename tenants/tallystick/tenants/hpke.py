"""HPKE (RFC 9180), base mode: HKDF-SHA256, ChaCha20-Poly1305 and one of two KEMs.

The hybrid KEM joins ML-KEM-768 and X25519, so that what is sealed today stays sealed unless both are broken. Its keys
are written as ML-KEM part, then X25519 part: 64-byte seed and 32 bytes when private, 1184 and 32 bytes when public.
"""

from typing import Final, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from tallystick.core.errors import Invalid
from tallystick.core.keys import key_id

Private = X25519PrivateKey | MLKEM768X25519PrivateKey
Public = X25519PublicKey | MLKEM768X25519PublicKey
SuiteName = Literal["x25519-hkdf-sha256-chacha20poly1305", "mlkem768x25519-hkdf-sha256-chacha20poly1305"]
X25519: Final[SuiteName] = "x25519-hkdf-sha256-chacha20poly1305"
HYBRID: Final[SuiteName] = "mlkem768x25519-hkdf-sha256-chacha20poly1305"
SUITES: Final[dict[str, Suite]] = {
    X25519: Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305),
    HYBRID: Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305),
}
_PRIVATE_BYTES = {X25519: 32, HYBRID: 96}
_PUBLIC_BYTES = {X25519: 32, HYBRID: 1216}
_MLKEM_SEED = 64
_MLKEM_PUBLIC = 1184


class SealBroken(Invalid):
    """The key, or what it was bound to, does not fit what was sealed."""

    default_code = "seal_broken"


class SealingKey:
    """A private HPKE key of one suite, made from its raw bytes."""

    def __init__(self, suite: str, private: bytes) -> None:
        self.suite = check_suite(suite)
        if len(private) != _PRIVATE_BYTES[self.suite]:
            raise Invalid("sealing key has the wrong length", code="bad_sealing_key")
        self.private = private
        self._key, self.public = _hybrid(private) if self.suite == HYBRID else _x25519(private)
        self.kid = key_id(self.public)

    @classmethod
    def generate(cls, suite: str = X25519) -> "SealingKey":
        """A fresh key from the system's randomness."""
        private = X25519PrivateKey.generate().private_bytes_raw()
        if check_suite(suite) == HYBRID:
            private = MLKEM768PrivateKey.generate().private_bytes_raw() + private
        return cls(suite, private)

    @property
    def public_hex(self) -> str:
        """The public key, hex."""
        return self.public.hex()

    def open(self, sealed: bytes, *, info: bytes) -> bytes:
        """What :func:`seal` sealed to this key under the same ``info``."""
        try:
            return SUITES[self.suite].decrypt(sealed, self._key, info)
        except (InvalidTag, ValueError) as error:
            raise SealBroken("was not sealed to this key for this purpose") from error

    def __repr__(self) -> str:
        return f"SealingKey({self.kid})"


def seal(suite: str, public_hex: str, plaintext: bytes, *, info: bytes) -> bytes:
    """Encapsulation and ciphertext of ``plaintext`` for the holder of ``public_hex``."""
    key = read_public(suite, public_hex)
    try:
        return SUITES[suite].encrypt(plaintext, key, info)
    except ValueError as error:  # a small-order point: anyone could open what is sealed to it
        raise Invalid("sealing key is not a safe public key", code="bad_sealing_key") from error


def check_suite(suite: str) -> SuiteName:
    """Return the name of a suite that is known here."""
    if suite == X25519:
        return X25519
    if suite == HYBRID:
        return HYBRID
    raise Invalid("sealing suite is not known here", code="unknown_suite")


def read_public(suite: str, public_hex: str) -> Public:
    """The public key of that suite; :class:`Invalid` when it is none."""
    name = check_suite(suite)
    try:
        raw = bytes.fromhex(public_hex)
        if len(raw) != _PUBLIC_BYTES[name] or raw.hex() != public_hex:
            raise ValueError("wrong length or spelling")
        if name == X25519:
            return X25519PublicKey.from_public_bytes(raw)
        return _join(raw)
    except ValueError as error:
        raise Invalid("sealing key is not a public key of its suite", code="bad_sealing_key") from error


def _join(raw: bytes) -> MLKEM768X25519PublicKey:
    mlkem, x25519 = raw[:_MLKEM_PUBLIC], raw[_MLKEM_PUBLIC:]
    return MLKEM768X25519PublicKey(
        MLKEM768PublicKey.from_public_bytes(mlkem), X25519PublicKey.from_public_bytes(x25519)
    )


def _x25519(private: bytes) -> tuple[Private, bytes]:
    key = X25519PrivateKey.from_private_bytes(private)
    return key, key.public_key().public_bytes_raw()


def _hybrid(private: bytes) -> tuple[Private, bytes]:
    mlkem = MLKEM768PrivateKey.from_seed_bytes(private[:_MLKEM_SEED])
    x25519 = X25519PrivateKey.from_private_bytes(private[_MLKEM_SEED:])
    public = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
    return MLKEM768X25519PrivateKey(mlkem, x25519), public
