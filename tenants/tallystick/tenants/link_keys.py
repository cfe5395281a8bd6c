"""What names an organisation on its links: a NATS user key, and the key of its certificate authority.

Both are replaced together: whoever has read one of them could read the other.
"""

import os

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from tallystick.tenants import nkey

MAX_LINK_KEYS = 8  # held at once: those before the newest are held until every partner knows a newer one


class LinkKeys(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Secret; ``serial`` counts from 1, ``made_at`` is in milliseconds, 0 from the start."""

    nats: bytes
    ca: bytes
    serial: int = 1
    made_at: int = 0

    @classmethod
    def generate(cls, *, serial: int = 1, made_at: int = 0) -> "LinkKeys":
        """Fresh ones."""
        key = ec.generate_private_key(ec.SECP256R1())
        der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return cls(nats=os.urandom(32), ca=der, serial=serial, made_at=made_at)

    @property
    def nkey_seed(self) -> str:
        """The secret NATS user key, ``SU…``."""
        return nkey.seed_text(self.nats)

    @property
    def nkey_public(self) -> str:
        """The public NATS user key, ``U…``."""
        return nkey.public_text(self.nats)

    @property
    def ca_key(self) -> ec.EllipticCurvePrivateKey:
        """The key of the certificate authority (P-256)."""
        key = load_der_private_key(self.ca, None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)  # noqa: S101 - `generate` made it
        return key

    def __repr__(self) -> str:
        """Leave the secrets out."""
        return f"LinkKeys({self.serial})"
