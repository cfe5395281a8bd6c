"""The keystore file: private, encrypted, whole; its keys never shown."""

import stat
from pathlib import Path

import pytest
from eth_account import Account

from tallystick.core.errors import Invalid
from tallystick.core.keys import verify
from tallystick.tenants import hpke
from tallystick.tenants.files import OpenToOthers
from tallystick.tenants.keystore import Keystore, KeystoreLocked

PHRASE = "a!b@c$d()e*_,/:;=?@ff[]22 华夏汽车"
# The first of the accounts that development chains hand out; their keys are public.
FAUCET = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


def secrets_of(keystore: Keystore) -> list[bytes]:
    seeds = [keystore.root.seed, *(key.seed for key in keystore.signing_keys)]
    sealing = [key.private for key in keystore.sealing_keys]
    return [*seeds, *sealing, keystore.chain_key, keystore.log_key, keystore.session_secret]


@pytest.mark.parametrize("suite", [hpke.X25519, hpke.HYBRID])
def test_what_is_created_opens_to_the_same_keys(folder: Path, suite: str) -> None:
    created = Keystore.create(folder / "keys" / "k.json", PHRASE, suite=suite)
    opened = Keystore.open(folder / "keys" / "k.json", PHRASE)
    assert secrets_of(opened) == secrets_of(created)
    assert opened.sealing_key.suite == suite
    assert opened.nkey_seed == created.nkey_seed
    assert opened.ca_key.public_key() == created.ca_key.public_key()
    verify(created.signing_key.public_hex, b"m", opened.signing_key.sign(b"m"))


def test_all_keys_differ(keystore: Keystore, other_keystore: Keystore) -> None:
    secrets = secrets_of(keystore) + secrets_of(other_keystore)
    assert len(set(secrets)) == len(secrets)


def test_file_and_folder_are_private_and_hold_no_secret_in_clear(folder: Path) -> None:
    keystore = Keystore.create(folder / "keys" / "k.json", PHRASE)
    assert stat.S_IMODE((folder / "keys").stat().st_mode) == 0o700
    assert stat.S_IMODE(keystore.path.stat().st_mode) == 0o600
    content = keystore.path.read_bytes()
    for secret in secrets_of(keystore):
        assert secret not in content
        assert secret.hex().encode() not in content


def test_nothing_shown_tells_a_secret(keystore: Keystore) -> None:
    shown = " ".join(
        repr(part) for part in (keystore, keystore._secrets, keystore.root, keystore.sealing_key, vars(keystore))
    )
    for secret in [*secrets_of(keystore), keystore.nkey_seed.encode()]:
        assert secret.hex() not in shown
        assert repr(secret)[2:-1] not in shown


def test_a_wrong_passphrase_does_not_open(keystore: Keystore) -> None:
    for phrase in ("wrong horse battery", PHRASE.upper()):
        with pytest.raises(KeystoreLocked) as caught:
            Keystore.open(keystore.path, phrase)
        assert phrase not in str(caught.value)
    with pytest.raises(Invalid):
        Keystore.open(keystore.path, "")


def test_a_keystore_is_never_overwritten(folder: Path) -> None:
    first = Keystore.create(folder / "k.json", PHRASE)
    with pytest.raises(FileExistsError):
        Keystore.create(folder / "k.json", PHRASE)
    assert Keystore.open(folder / "k.json", PHRASE).root.seed == first.root.seed


def test_a_weak_passphrase_makes_no_file(folder: Path) -> None:
    with pytest.raises(Invalid, match="at least 12"):
        Keystore.create(folder / "k.json", "short")
    assert list(folder.iterdir()) == []


def test_a_keystore_open_to_others_is_refused(folder: Path) -> None:
    Keystore.create(folder / "k.json", PHRASE)
    (folder / "k.json").chmod(0o644)
    with pytest.raises(OpenToOthers):
        Keystore.open(folder / "k.json", PHRASE)


def test_changing_the_passphrase_keeps_the_keys_and_retires_the_old_one(folder: Path) -> None:
    keystore = Keystore.create(folder / "k.json", PHRASE)
    with pytest.raises(KeystoreLocked):
        keystore.change_passphrase("wrong horse battery", "new phrase 华夏汽车 12")
    with pytest.raises(Invalid, match="at least 12"):
        keystore.change_passphrase(PHRASE, "short")
    keystore.change_passphrase(PHRASE, "new phrase 华夏汽车 12")
    assert Keystore.open(folder / "k.json", "new phrase 华夏汽车 12").root.seed == keystore.root.seed
    with pytest.raises(KeystoreLocked):
        Keystore.open(folder / "k.json", PHRASE)


def test_the_chain_accounts_are_its_own(keystore: Keystore) -> None:
    assert keystore.chain_address == Account.from_key(keystore.chain_key).address
    assert keystore.log_address == Account.from_key(keystore.log_key).address
    assert FAUCET not in {keystore.chain_address, keystore.log_address}
