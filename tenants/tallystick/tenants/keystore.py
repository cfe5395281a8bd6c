"""One organisation's secret keys in one encrypted file (see :mod:`tallystick.tenants.vault`)."""

import os
from functools import cached_property
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from tallystick.core.errors import Invalid
from tallystick.core.keys import SigningKey
from tallystick.tenants import hpke, nkey, passphrase, secp256k1, vault
from tallystick.tenants.files import read_private, write_private
from tallystick.tenants.hpke import SealingKey

MAX_FILE = 256_000  # hundreds of rotated keys


class KeystoreLocked(Invalid):
    """The passphrase is wrong or the file was altered; the cipher cannot tell which (``path``)."""

    default_code = "keystore_locked"

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} does not open: the passphrase is wrong or the file is damaged")
        self.path = path


class _Sealing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    suite: str
    private: bytes

    def __repr__(self) -> str:
        return f"_Sealing({self.suite})"


class Secrets(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every secret of an organisation, raw; lists are oldest first."""

    root: bytes
    signing: list[bytes]
    sealing: list[_Sealing]
    chain: bytes
    log: bytes
    session: bytes
    nats: bytes
    ca: bytes

    def __repr__(self) -> str:
        return "Secrets(…)"

    @classmethod
    def generate(cls, suite: str) -> "Secrets":
        """Fresh keys, one of each."""
        return cls(
            root=SigningKey.generate().seed,
            signing=[SigningKey.generate().seed],
            sealing=[_Sealing(suite=suite, private=SealingKey.generate(suite).private)],
            chain=secp256k1.generate(),
            log=secp256k1.generate(),
            session=os.urandom(32),
            nats=SigningKey.generate().seed,
            ca=_ec_der(),
        )


class Keystore:
    """An opened keystore: the keys themselves, never their text."""

    def __init__(self, path: Path, secrets: Secrets) -> None:
        self.path = path
        self._secrets = secrets
        self.root = SigningKey(secrets.root)
        self.signing_keys = tuple(SigningKey(seed) for seed in secrets.signing)
        self.sealing_keys = tuple(SealingKey(one.suite, one.private) for one in secrets.sealing)

    @classmethod
    def create(cls, path: Path, phrase: str, *, suite: str = hpke.X25519) -> "Keystore":
        """Generate all keys and write them; an existing file raises :class:`FileExistsError` and stays."""
        passphrase.check_new(phrase)
        secrets = Secrets.generate(suite)
        write_private(path, vault.lock(msgspec.json.encode(secrets), phrase), replace=False)
        return cls(path, secrets)

    @classmethod
    def open(cls, path: Path, phrase: str) -> "Keystore":
        """Read and decrypt the file; raises :class:`KeystoreLocked` for a wrong passphrase."""
        return cls(path, msgspec.json.decode(_unlock(path, phrase), type=Secrets))

    def change_passphrase(self, old: str, new: str) -> None:
        """Write the same keys under a new passphrase."""
        passphrase.check_new(new)
        write_private(self.path, vault.lock(_unlock(self.path, old), new))

    @property
    def signing_key(self) -> SigningKey:
        """The key that signs statements now."""
        return self.signing_keys[-1]

    @property
    def sealing_key(self) -> SealingKey:
        """The key that partners seal to now."""
        return self.sealing_keys[-1]

    @property
    def chain_key(self) -> bytes:
        """The chain account's private key."""
        return self._secrets.chain

    @cached_property
    def chain_address(self) -> str:
        """The chain account's address (EIP-55)."""
        return secp256k1.address(self._secrets.chain)

    @property
    def log_key(self) -> bytes:
        """The private key that signs the organisation log's heads."""
        return self._secrets.log

    @cached_property
    def log_address(self) -> str:
        """The address that the log key signs for (EIP-55)."""
        return secp256k1.address(self._secrets.log)

    @property
    def session_secret(self) -> bytes:
        """The key of the users' session tokens."""
        return self._secrets.session

    @property
    def nkey_seed(self) -> str:
        """The secret NATS user key, ``SU…``."""
        return nkey.seed_text(self._secrets.nats)

    @property
    def nkey_public(self) -> str:
        """The public NATS user key, ``U…``."""
        return nkey.public_text(self._secrets.nats)

    @cached_property
    def ca_key(self) -> ec.EllipticCurvePrivateKey:
        """The key of the organisation's certificate authority (P-256)."""
        key = load_der_private_key(self._secrets.ca, None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)  # noqa: S101 - `_ec_der` made it
        return key

    def __repr__(self) -> str:
        return f"Keystore({str(self.path)!r}, root {self.root.kid})"


def _ec_der() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def _unlock(path: Path, phrase: str) -> bytes:
    try:
        return vault.unlock(read_private(path, max_bytes=MAX_FILE), phrase)
    except vault.Locked:
        raise KeystoreLocked(path) from None
