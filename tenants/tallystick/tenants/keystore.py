"""One organisation's secret keys in one encrypted file (see :mod:`tallystick.tenants.vault`).

The file is the one place that says which keys there are and which of them is current: a rotation or a revocation is
one write of the whole file, so that a crash leaves the one state or the other. What follows from it, in executions and
at partners, whoever runs the node brings about until it is done, however often it starts.

The root key may lie elsewhere (:mod:`tallystick.tenants.root_key`): then the file holds its public half only, and
whatever needs its signature waits until somebody brings one.
"""

import hashlib
import os
import threading
from collections.abc import Container
from functools import cached_property
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from tallystick.core.agreement import PublicKey
from tallystick.core.errors import Invalid, NotFound, NotYet, WrongState
from tallystick.core.keys import SigningKey, key_id
from tallystick.tenants import hpke, passphrase, secp256k1, vault
from tallystick.tenants.files import read_private, write_private
from tallystick.tenants.hpke import SealingKey
from tallystick.tenants.link_keys import MAX_LINK_KEYS, LinkKeys

MAX_FILE = 1_000_000
MAX_CHAIN_KEYS = 16  # ever: each is an account, and a key that the chain is asked about
MAX_KEYS = 1_000  # signing keys ever made: about 500 bytes each


class KeystoreLocked(Invalid):
    """The passphrase is wrong or the file was altered; the cipher cannot tell which (``path``)."""

    default_code = "keystore_locked"

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} does not open: the passphrase is wrong or the file is damaged")
        self.path = path


class RootKeyAway(NotYet):
    """This needs a signature by the root key (``kid``), which is not here."""

    default_code = "root_key_away"

    def __init__(self, kid: str) -> None:
        super().__init__(f"this waits for a signature by the root key {kid}, which is kept elsewhere: tally keys sign")
        self.kid = kid


class _Sealing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    suite: str
    private: bytes

    def __repr__(self) -> str:
        return f"_Sealing({self.suite})"


class KeyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What may be told of a signing key, past ones too; times in milliseconds. ``is_held`` until it is destroyed."""

    kid: str
    key: str
    serial: int
    made_at: int
    overlap: int
    sealing_kid: str
    is_current: bool
    is_held: bool
    revoked_at: int | None
    reason: str | None
    since: int | None


class _Signing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A signing key: its seed until it is destroyed, its public half for good."""

    seed: bytes
    key: str
    serial: int
    sealing_kid: str
    made_at: int = 0
    overlap: int = 0
    revoked_at: int | None = None
    reason: str | None = None
    since: int | None = None

    def __repr__(self) -> str:
        return f"_Signing({self.serial})"


class Secrets(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every secret of an organisation, raw; lists are oldest first. ``root`` is empty while it is away."""

    root_public: str
    root: bytes
    signing: list[_Signing]
    sealing: list[_Sealing]
    chain: list[bytes]
    log: list[bytes]
    session: bytes
    links: list[LinkKeys]

    def __repr__(self) -> str:
        return "Secrets(…)"

    @classmethod
    def generate(cls, suite: str, root: PublicKey | None = None) -> "Secrets":
        """Fresh keys, one of each; with ``root`` all but that one, whose secret half is not for this file."""
        sealing = SealingKey.generate(suite)
        own = SigningKey.generate()
        return cls(
            root_public=root.key if root else own.public_hex,
            root=b"" if root else own.seed,
            signing=[_signing(SigningKey.generate(), serial=1, sealing_kid=sealing.kid, made_at=0)],
            sealing=[_Sealing(suite=suite, private=sealing.private)],
            chain=[secp256k1.generate()],
            log=[secp256k1.generate()],
            session=os.urandom(32),
            links=[LinkKeys.generate()],
        )


class Keystore:
    """An opened keystore: the keys themselves, never their text."""

    def __init__(self, path: Path, secrets: Secrets, lock: vault.Lock) -> None:
        self.path = path
        self._lock = lock
        self._changing = threading.Lock()
        self._take(secrets)

    def _take(self, secrets: Secrets) -> None:
        self._secrets = secrets
        for derived in ("chain_address", "log_address"):  # of a key that may have been replaced
            vars(self).pop(derived, None)
        self.root_public = PublicKey(kid=key_id(bytes.fromhex(secrets.root_public)), key=secrets.root_public)
        self.root_key = SigningKey(secrets.root) if secrets.root else None  # None: it is away
        self.signing_keys = tuple(SigningKey(one.seed) for one in secrets.signing if one.seed)
        self.sealing_keys = tuple(SealingKey(one.suite, one.private) for one in secrets.sealing)

    @classmethod
    def create(cls, path: Path, phrase: str, *, suite: str = hpke.X25519, root: PublicKey | None = None) -> "Keystore":
        """Generate all keys and write them; an existing file raises :class:`FileExistsError` and stays.

        With ``root`` the root key has been made elsewhere, and is away from the start.
        """
        passphrase.check_new(phrase)
        secrets = Secrets.generate(suite, root)
        lock = vault.new_lock(phrase)
        write_private(path, lock.lock(msgspec.json.encode(secrets)), replace=False)
        return cls(path, secrets, lock)

    @classmethod
    def open(cls, path: Path, phrase: str) -> "Keystore":
        """Read and decrypt the file; raises :class:`KeystoreLocked` for a wrong passphrase."""
        plain, lock = _unlock(path, phrase)
        return cls(path, msgspec.json.decode(plain, type=Secrets), lock)

    def change_passphrase(self, old: str, new: str) -> None:
        """Write the same keys under a new passphrase."""
        passphrase.check_new(new)
        with self._changing:
            plain, _ = _unlock(self.path, old)
            lock = vault.new_lock(new)
            write_private(self.path, lock.lock(plain))
            self._lock = lock

    def need_root_key(self) -> SigningKey:
        """The root key, for what it alone may sign; raises :class:`RootKeyAway`."""
        if self.root_key is None:
            raise RootKeyAway(self.root_public.kid)
        return self.root_key

    def take_root_out(self) -> None:
        """Forget the root key's secret half; the caller has seen that it stands elsewhere."""
        with self._changing:
            self._write(msgspec.structs.replace(self._secrets, root=b""))

    def put_root_back(self, key: SigningKey) -> None:
        """Hold the root key again; raises :class:`Invalid` for another organisation's."""
        if key.public_hex != self.root_public.key:
            raise Invalid(f"this is root key {key.kid}, not {self.root_public.kid}", code="wrong_root_key")
        with self._changing:
            self._write(msgspec.structs.replace(self._secrets, root=key.seed))

    def rotate(self, *, overlap: int, sealing: bool, now: int) -> SigningKey:
        """Make another signing key the current one, and with ``sealing`` another sealing key; the old ones are held."""
        with self._changing:
            secrets, key = self._secrets, SigningKey.generate()
            if len(secrets.signing) >= MAX_KEYS:
                raise Invalid(f"a keystore holds at most {MAX_KEYS} keys, past ones included", code="too_many_keys")
            sealed, kid = list(secrets.sealing), self.sealing_key.kid
            if sealing:
                made = SealingKey.generate(self.sealing_key.suite)
                sealed, kid = [*sealed, _Sealing(suite=made.suite, private=made.private)], made.kid
            serial = secrets.signing[-1].serial + 1
            entry = _signing(key, serial=serial, sealing_kid=kid, made_at=now, overlap=overlap)
            self._write(msgspec.structs.replace(secrets, signing=[*secrets.signing, entry], sealing=sealed))
        return key

    def revoke(self, kid: str, *, reason: str, since: int | None, now: int) -> None:
        """Note that a key of ours is to speak no more; a revoked key is not the current one."""
        with self._changing:
            held = [one for one in self._secrets.signing if _kid(one) == kid]
            if not held:
                raise NotFound("there is no such key")
            if _kid(self._secrets.signing[-1]) == kid:
                raise WrongState("the current key cannot be revoked: rotate first", state="current", code="last_key")
            if held[0].revoked_at is not None:
                return
            facts = {"revoked_at": now, "reason": reason, "since": since}
            changed = [msgspec.structs.replace(one, **facts) if one in held else one for one in self._secrets.signing]
            self._write(msgspec.structs.replace(self._secrets, signing=changed))

    def destroy(self, *, signing: Container[str] = (), sealing: Container[str] = ()) -> None:
        """Forget the secret halves of past keys; the current ones stay whatever is said."""
        with self._changing:
            *past, last = self._secrets.signing
            kept = [msgspec.structs.replace(one, seed=b"") if _kid(one) in signing else one for one in past]
            *old, newest = self._secrets.sealing
            still = [one for one in old if SealingKey(one.suite, one.private).kid not in sealing]
            changed = msgspec.structs.replace(self._secrets, signing=[*kept, last], sealing=[*still, newest])
            if changed != self._secrets:
                self._write(changed)

    def rotate_link(self, *, now: int) -> LinkKeys:
        """Make another nkey and another authority the newest; those before are held."""
        with self._changing:
            held = self._secrets.links
            if len(held) >= MAX_LINK_KEYS:
                raise WrongState(
                    f"{MAX_LINK_KEYS} keys of the links are held; older ones go 30 days after all have our card",
                    state="behind",
                    code="too_many_keys",
                )
            made = LinkKeys.generate(serial=held[-1].serial + 1, made_at=now)
            self._write(msgspec.structs.replace(self._secrets, links=[*held, made]))
        return made

    def rotate_chain(self) -> None:
        """Make another chain account and another log key the newest; those before are held."""
        with self._changing:
            held = self._secrets
            if len(held.chain) >= MAX_CHAIN_KEYS:
                raise Invalid(f"a keystore holds at most {MAX_CHAIN_KEYS} chain accounts", code="too_many_keys")
            chain, log = [*held.chain, secp256k1.generate()], [*held.log, secp256k1.generate()]
            self._write(msgspec.structs.replace(held, chain=chain, log=log))

    def destroy_links(self, serials: Container[int]) -> None:
        """Forget past keys of the links; the newest stay whatever is said."""
        with self._changing:
            *past, last = self._secrets.links
            kept = [one for one in past if one.serial not in serials]
            if len(kept) < len(past):
                self._write(msgspec.structs.replace(self._secrets, links=[*kept, last]))

    def _write(self, secrets: Secrets) -> None:
        write_private(self.path, self._lock.lock(msgspec.json.encode(secrets)))
        self._take(secrets)

    @property
    def signing_facts(self) -> list[KeyFacts]:
        """All signing keys that this organisation has had, oldest first."""
        entries = self._secrets.signing
        return [
            KeyFacts(
                kid=_kid(one),
                key=one.key,
                serial=one.serial,
                made_at=one.made_at,
                overlap=one.overlap,
                sealing_kid=one.sealing_kid,
                is_current=one is entries[-1],
                is_held=bool(one.seed),
                revoked_at=one.revoked_at,
                reason=one.reason,
                since=one.since,
            )
            for one in entries
        ]

    @property
    def signing_key(self) -> SigningKey:
        """The key that signs statements now."""
        return self.signing_keys[-1]

    @property
    def sealing_key(self) -> SealingKey:
        """The key that partners seal to now."""
        return self.sealing_keys[-1]

    @property
    def chain_keys(self) -> tuple[bytes, ...]:
        """Private keys of the accounts that have administered the organisation on the chain, oldest first.

        Its id follows from the oldest, which alone can bring it onto a further chain under that id.
        """
        return tuple(self._secrets.chain)

    @property
    def chain_key(self) -> bytes:
        """The chain account's private key."""
        return self._secrets.chain[-1]

    @cached_property
    def chain_address(self) -> str:
        """The chain account's address (EIP-55)."""
        return secp256k1.address(self.chain_key)

    @cached_property
    def founder_address(self) -> str:
        """The address that the organisation's id on every chain follows from (EIP-55)."""
        return secp256k1.address(self._secrets.chain[0])

    def relayer_key(self, number: int) -> bytes:
        """The private key of a further account that pays for transactions, from 1; a backup of the chain key is one."""
        return hashlib.sha256(b"tallystick/relayer/v1" + number.to_bytes(4, "big") + self.chain_key).digest()

    @property
    def log_keys(self) -> tuple[bytes, ...]:
        """The private keys that have signed the organisation log's heads, oldest first."""
        return tuple(self._secrets.log)

    @property
    def log_key(self) -> bytes:
        """The private key that signs the organisation log's heads."""
        return self._secrets.log[-1]

    @cached_property
    def log_address(self) -> str:
        """The address that the log key signs for (EIP-55)."""
        return secp256k1.address(self.log_key)

    @property
    def session_secret(self) -> bytes:
        """The key of the users' session tokens."""
        return self._secrets.session

    @property
    def links(self) -> tuple[LinkKeys, ...]:
        """What names us on our links, oldest first: the newest, and those before it that partners may know us by."""
        return tuple(self._secrets.links)

    @property
    def nkey_seed(self) -> str:
        """The newest secret NATS user key, ``SU…``."""
        return self._secrets.links[-1].nkey_seed

    @property
    def nkey_public(self) -> str:
        """The newest public NATS user key, ``U…``."""
        return self._secrets.links[-1].nkey_public

    @property
    def ca_key(self) -> ec.EllipticCurvePrivateKey:
        """The newest key of the organisation's certificate authority (P-256)."""
        return self._secrets.links[-1].ca_key

    def __repr__(self) -> str:
        return f"Keystore({str(self.path)!r}, root {self.root_public.kid})"


def _signing(key: SigningKey, *, serial: int, sealing_kid: str, made_at: int, overlap: int = 0) -> _Signing:
    return _Signing(
        seed=key.seed, key=key.public_hex, serial=serial, sealing_kid=sealing_kid, made_at=made_at, overlap=overlap
    )


def _kid(one: _Signing) -> str:
    return key_id(bytes.fromhex(one.key))


def _unlock(path: Path, phrase: str) -> tuple[bytes, vault.Lock]:
    try:
        return vault.unlock_to_change(read_private(path, max_bytes=MAX_FILE), phrase)
    except vault.Locked:
        raise KeystoreLocked(path) from None
