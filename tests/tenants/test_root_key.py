"""The root key's own file, moving the key there and back whatever crashes, and what that key signs."""

import stat
from pathlib import Path
from typing import Any

import pytest

from tallystick.core import b64, canonical, jws
from tallystick.core.agreement import PublicKey
from tallystick.core.errors import Invalid
from tallystick.core.keys import SigningKey
from tallystick.core.statement import STATEMENT
from tallystick.tenants import card as cards
from tallystick.tenants import folder_lock, root_key, root_signer, tls
from tallystick.tenants.files import OpenToOthers
from tallystick.tenants.folder_lock import FolderInUse, FolderLock
from tallystick.tenants.keystore import Keystore, KeystoreLocked, RootKeyAway
from tallystick.tenants.root_key import RootKey
from tallystick.tenants.root_signer import NotForRoot

pytestmark = pytest.mark.usefixtures("cheap_derivation")
PHRASE = "a!b@c$d()e*_,/:;=?@ff[]22 华夏汽车"
OTHER = "the root's own 根密钥 passphrase"


@pytest.fixture
def own(folder: Path) -> Keystore:
    """Give one that a test may change."""
    return Keystore.create(folder / "own.json", PHRASE)


def test_taken_out_and_put_back(own: Keystore, folder: Path) -> None:
    seed, path = own.need_root_key().seed, folder / "safe" / "root.json"
    root_key.take_out(own, "huaxia", path, OTHER)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert seed not in path.read_bytes()
    for held in (own, Keystore.open(own.path, PHRASE)):
        assert held.root_key is None
        assert held.root_public == PublicKey(kid=SigningKey(seed).kid, key=SigningKey(seed).public_hex)
        with pytest.raises(RootKeyAway):
            held.need_root_key()
    with pytest.raises(RootKeyAway):
        root_key.take_out(own, "huaxia", folder / "safe" / "again.json", OTHER)
    own.rotate(overlap=0, sealing=True, now=1)
    root_key.put_back(own, "huaxia", path, OTHER)
    assert Keystore.open(own.path, PHRASE).need_root_key().seed == seed
    assert len(own.signing_facts) == 2, "nothing else went"


@pytest.mark.parametrize("step", ["take_root_out", "write"])
def test_a_crash_between_the_steps_loses_nothing(
    own: Keystore, folder: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed, path = own.need_root_key().seed, folder / "root.json"

    def crash(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        if step == "write":
            broken.setattr(root_key, "_check", crash)  # written, and not yet read back
        else:
            broken.setattr(Keystore, "take_root_out", crash)
        with pytest.raises(KeyboardInterrupt):
            root_key.take_out(own, "huaxia", path, OTHER)
    again = Keystore.open(own.path, PHRASE)
    assert again.need_root_key().seed == seed
    root_key.take_out(again, "huaxia", path, OTHER)
    assert (Keystore.open(own.path, PHRASE).root_key, root_key.read(path, OTHER).key.seed) == (None, seed)


def test_the_keystores_half_stays_where_the_file_is_another_or_cannot_be_read_back(
    own: Keystore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "root.json"
    root_key.write(path, OTHER, RootKey("huaxia", SigningKey.generate()))
    before = path.read_bytes()
    with pytest.raises(Invalid, match="another root key"):
        root_key.take_out(own, "huaxia", path, OTHER)
    with pytest.raises(KeystoreLocked):
        root_key.take_out(own, "huaxia", path, PHRASE)
    assert path.read_bytes() == before
    with pytest.raises(FileExistsError):
        root_key.write(path, OTHER, RootKey("huaxia", own.need_root_key()))
    with pytest.raises(Invalid, match="at least 12"):
        root_key.take_out(own, "huaxia", folder / "weak.json", "short")
    monkeypatch.setattr(root_key, "write_private", lambda path, data, replace: path.touch(mode=0o600))
    with pytest.raises(Invalid):
        root_key.take_out(own, "huaxia", folder / "lost.json", OTHER)
    assert Keystore.open(own.path, PHRASE).root_key is not None


def test_only_the_right_key_of_the_right_organisation_is_put_back(own: Keystore, folder: Path) -> None:
    path, other = folder / "root.json", folder / "other.json"
    root_key.take_out(own, "huaxia", path, OTHER)
    root_key.write(other, OTHER, RootKey("huaxia", SigningKey.generate()))
    with pytest.raises(Invalid, match="this is root key"):
        root_key.put_back(own, "huaxia", other, OTHER)
    with pytest.raises(Invalid, match="of huaxia"):
        root_key.put_back(own, "nordic", path, OTHER)
    with pytest.raises(KeystoreLocked):
        root_key.put_back(own, "huaxia", path, PHRASE)
    with pytest.raises(Invalid, match="holds no root key"):
        root_key.read(own.path, PHRASE)  # a keystore is none
    path.chmod(0o644)
    with pytest.raises(OpenToOthers):
        root_key.put_back(own, "huaxia", path, OTHER)
    assert own.root_key is None


def test_nothing_shown_tells_the_secret(own: Keystore, folder: Path) -> None:
    root = RootKey("huaxia", own.need_root_key())
    root_key.write(folder / "root.json", OTHER, root)
    shown = f"{root!r} {root_key.read(folder / 'root.json', OTHER)!r} {vars(root)!r}"
    assert root.key.seed.hex() not in shown
    assert repr(root.key.seed)[2:-1] not in shown


def test_its_passphrase_comes_from_its_own_variables(folder: Path) -> None:
    (folder / "phrase").write_text(OTHER + "\n", encoding="utf-8")
    (folder / "phrase").chmod(0o600)
    assert root_key.read_passphrase({root_key.FILE_VARIABLE: str(folder / "phrase")}) == OTHER
    assert root_key.read_passphrase({root_key.VARIABLE: OTHER}) == OTHER
    with pytest.raises(Invalid):
        root_key.read_passphrase({"TALLYSTICK_PASSPHRASE": PHRASE})


def test_nodes_share_a_folder_and_a_command_has_it_alone(folder: Path) -> None:
    node, replica = FolderLock(folder, alone=False), FolderLock(folder, alone=False)
    for one in (node, replica):
        with pytest.raises(FolderInUse, match="stop it first"):
            FolderLock(folder, alone=True)
        one.close()
    with FolderLock(folder, alone=True):
        for alone in (True, False):
            with pytest.raises(FolderInUse):
                FolderLock(folder, alone=alone)
    FolderLock(folder, alone=False).close()
    assert stat.S_IMODE((folder / folder_lock.FILE).stat().st_mode) == 0o600


# What it signs.


@pytest.fixture
def root() -> RootKey:
    return RootKey("huaxia", SigningKey.generate())


def statement(root: RootKey, **changes: Any) -> str:
    """A signing input for a rotation, changed."""
    key = SigningKey.generate()
    payload: dict[str, Any] = {
        "v": 1,
        "iss": "huaxia",
        "aud": "ab" * 32,
        "kind": "rotate_key",
        "execution": "cd" * 32,
        "basis": None,
        "iat": 1_790_000_000_000,
        "body": {"key": {"kid": key.kid, "key": key.public_hex}, "serial": 2, "overlap": 64},
    }
    return jws.unsigned(root.key, STATEMENT, {**payload, **changes})


def revocation(root: RootKey, **changes: Any) -> str:
    body = {"kid": "ef" * 8, "reason": "compromised", **changes}
    return statement(root, kind="revoke_key", body=body)


def test_a_card_a_rotation_and_a_revocation_are_signed(root: RootKey, own: Keystore, build: Any) -> None:
    token = build(own, org_id="huaxia")
    mine = RootKey("huaxia", own.need_root_key())
    card = root_signer.read(token.rpartition(".")[0], mine)
    assert root_signer.sign(card, mine) == token
    for given, kind in ((statement(root), "rotate_key"), (revocation(root), "revoke_key")):
        read = root_signer.read(given, root)
        assert read.kind == kind
        signed = jws.read(root_signer.sign(read, root), STATEMENT)
        jws.verify(signed, root.key.public_hex)
        assert signed.signing_input.decode() == given, "the very bytes"


def test_it_signs_nothing_else_and_for_nobody_else(root: RootKey, own: Keystore, build: Any) -> None:
    stranger, token = SigningKey.generate(), build(own, org_id="huaxia")
    mine = RootKey("huaxia", own.need_root_key())
    payload = jws.read(token, cards.TYP).payload
    rotation = jws.peek(f"{statement(root)}.")["body"]
    wrong = [
        "",
        "x",
        "..",
        "a" * 70_000,
        statement(RootKey("huaxia", stranger)),
        statement(root, iss="nordic"),
        statement(root, kind="timer", body={"timer": "x"}),
        statement(root, kind="unheard-of"),
        statement(root, basis={"term": 0, "size": 1, "root": "ab" * 32}),
        statement(root, execution="\x1b[2Jnothing to see"),
        statement(root, extra=1),
        statement(root, v=2),
        statement(root, body={**rotation, "key": {"kid": "ab" * 8, "key": rotation["key"]["key"]}}),
        statement(root, body={**rotation, "key": {"kid": root.key.kid, "key": root.key.public_hex}}),
        statement(root, body={**rotation, "overlap": 10_001}),
        statement(root, body={**rotation, "serial": 0}),
        revocation(root, kid="\x1b[31m"),
        revocation(root, reason="because"),
        jws.unsigned(root.key, "tally-head+jwt", {"v": 1}),
        jws.unsigned(root.key, cards.TYP, payload),
        f"{statement(root)}.AAAA",
        statement(root).partition(".")[0] + "." + b64.encode(b'{"v": 1}'),
        b64.encode(canonical.encode({"alg": "none", "typ": STATEMENT, "kid": root.key.kid})) + ".e30",
    ]
    for given in wrong:
        with pytest.raises(NotForRoot):
            root_signer.read(given, root)
    for changes in ({"id": "nordic", "iss": "nordic"}, {"name": "\u202ebidi"}, {"public_key": stranger.public_hex}):
        with pytest.raises(NotForRoot):
            root_signer.read(jws.unsigned(mine.key, cards.TYP, {**payload, **changes}), mine)


@pytest.fixture
def build(folder: Path) -> Any:
    """Make cards with a certificate authority."""

    def make(keystore: Keystore, org_id: str) -> str:
        files = tls.ensure(folder / "tls", ca_key=keystore.ca_key, org_id=org_id)
        return cards.build(
            keystore, org_id=org_id, name="华夏", domain="huaxia.example", endpoint_url="https://huaxia.example",
            capabilities=(), chain_org="0x" + "0" * 64, leaf_url="tls://127.0.0.1:4222", tls_ca=files.ca.read_text(),
        )  # fmt: skip

    return make
