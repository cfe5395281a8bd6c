"""The root key in a file of its own, away from the node whose keys it replaces.

The file is a vault (:mod:`tallystick.tenants.vault`) under a passphrase of its own, and holds::

    {v, kind: "tallystick-root-key", org_id, seed}

Whoever takes over a node that is without it gets keys that can be revoked, and no way to keep them speaking. Moving it
is two steps, each whole or not at all, in the order in which a crash between them loses nothing: what is written is
read back before the other half is destroyed. What backups and the disk still hold of an older keystore is not undone.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from tallystick.core.errors import Invalid
from tallystick.core.keys import SigningKey
from tallystick.tenants import passphrase, vault
from tallystick.tenants.card import check_org_id
from tallystick.tenants.files import read_private, write_private
from tallystick.tenants.keystore import Keystore, KeystoreLocked

VARIABLE = "TALLYSTICK_ROOT_PASSPHRASE"
FILE_VARIABLE = "TALLYSTICK_ROOT_PASSPHRASE_FILE"
MAX_FILE = 10_000  # bytes


class RootKey:
    """An opened root key and whose it is."""

    def __init__(self, org_id: str, key: SigningKey) -> None:
        self.org_id = org_id
        self.key = key

    def __repr__(self) -> str:
        return f"RootKey({self.org_id}, {self.key.kid})"


class _Content(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    v: Literal[1]
    kind: Literal["tallystick-root-key"]
    org_id: str
    seed: bytes

    def __repr__(self) -> str:
        return f"_Content({self.org_id})"


def write(path: Path, phrase: str, root: RootKey) -> None:
    """Write the key to a new file of mode 0600 and read it back; an existing one raises :class:`FileExistsError`."""
    passphrase.check_new(phrase)
    content = _Content(v=1, kind="tallystick-root-key", org_id=root.org_id, seed=root.key.seed)
    write_private(path, vault.lock(msgspec.json.encode(content), phrase), replace=False)
    _check(path, phrase, root)


def read(path: Path, phrase: str) -> RootKey:
    """The key in a file; :class:`KeystoreLocked` for a wrong passphrase, :class:`Invalid` for another kind of file."""
    try:
        plain = vault.unlock(read_private(path, max_bytes=MAX_FILE), phrase)
    except vault.Locked:
        raise KeystoreLocked(path) from None
    try:
        content = msgspec.json.decode(plain, type=_Content)
        return RootKey(check_org_id(content.org_id), SigningKey(content.seed))
    except (msgspec.MsgspecError, ValueError, Invalid):
        # Without the cause, which may quote what stands there.
        raise Invalid(f"{path} holds no root key", code="bad_root_key_file") from None


def take_out(keystore: Keystore, org_id: str, path: Path, phrase: str) -> None:
    """Move the root key from the keystore, whose node is stopped, to a file of its own.

    A file that holds this very key already was written by an attempt that did not come to its end, and is taken.
    """
    root = RootKey(org_id, keystore.need_root_key())
    if path.exists():
        _check(path, phrase, root)
    else:
        write(path, phrase, root)
    keystore.take_root_out()


def put_back(keystore: Keystore, org_id: str, path: Path, phrase: str) -> None:
    """Hold the file's key in the keystore again; the file stays, for its owner to keep or to delete."""
    root = read(path, phrase)
    if root.org_id != org_id:
        raise Invalid(f"{path} holds the root key of {root.org_id}", code="wrong_root_key")
    keystore.put_root_back(root.key)


def read_passphrase(environ: Mapping[str, str] = os.environ) -> str:
    """The passphrase in the file that ``TALLYSTICK_ROOT_PASSPHRASE_FILE`` names, else the other variable's."""
    return passphrase.from_variables(environ, FILE_VARIABLE, VARIABLE, ", the root key's own passphrase")


def _check(path: Path, phrase: str, root: RootKey) -> None:
    found = read(path, phrase)
    if (found.org_id, found.key.seed) != (root.org_id, root.key.seed):
        raise Invalid(f"{path} holds another root key; name another file", code="wrong_root_key")
