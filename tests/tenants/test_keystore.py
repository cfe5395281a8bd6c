"""The keystore file: private, encrypted, whole; its keys never shown."""

import base64
import stat
from pathlib import Path

import msgspec
import pytest
from eth_account import Account

from tallystick.core.errors import Invalid, NotFound, WrongState
from tallystick.core.keys import verify
from tallystick.tenants import hpke, vault
from tallystick.tenants.files import OpenToOthers
from tallystick.tenants.keystore import Keystore, KeystoreLocked
from tallystick.tenants.link_keys import MAX_LINK_KEYS

pytestmark = pytest.mark.usefixtures("cheap_derivation")
PHRASE = "a!b@c$d()e*_,/:;=?@ff[]22 华夏汽车"
# The first of the accounts that development chains hand out; their keys are public.
FAUCET = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


def secrets_of(keystore: Keystore) -> list[bytes]:
    seeds = [keystore.need_root_key().seed, *(key.seed for key in keystore.signing_keys)]
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
        repr(part)
        for part in (keystore, keystore._secrets, keystore.need_root_key(), keystore.sealing_key, vars(keystore))
    )
    links = [(one.nats, one.ca) for one in keystore.links]
    assert repr(keystore.links[0]) == "LinkKeys(1)"
    for secret in [*secrets_of(keystore), keystore.nkey_seed.encode(), *links[0]]:
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
    assert Keystore.open(folder / "k.json", PHRASE).need_root_key().seed == first.need_root_key().seed


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
    assert (
        Keystore.open(folder / "k.json", "new phrase 华夏汽车 12").need_root_key().seed == keystore.need_root_key().seed
    )
    with pytest.raises(KeystoreLocked):
        Keystore.open(folder / "k.json", PHRASE)


def test_the_chain_accounts_are_its_own(keystore: Keystore) -> None:
    assert keystore.chain_address == Account.from_key(keystore.chain_key).address
    assert keystore.log_address == Account.from_key(keystore.log_key).address
    assert FAUCET not in {keystore.chain_address, keystore.log_address}


# Keys that come and go.


@pytest.fixture
def own(folder: Path) -> Keystore:
    """Give one that a test may change."""
    return Keystore.create(folder / "own.json", PHRASE)


def test_a_rotation_is_one_write_and_the_older_keys_are_held(own: Keystore) -> None:
    first, sealing = own.signing_key, own.sealing_key
    made = own.rotate(overlap=7, sealing=True, now=5)
    for held in (own, Keystore.open(own.path, PHRASE)):
        assert held.signing_key.seed == made.seed
        assert [one.kid for one in held.signing_keys] == [first.kid, made.kid]
        assert [one.kid for one in held.sealing_keys] == [sealing.kid, held.sealing_key.kid]
        facts = [(one.kid, one.serial, one.overlap, one.made_at, one.is_current) for one in held.signing_facts]
        assert facts == [(first.kid, 1, 0, 0, False), (made.kid, 2, 7, 5, True)]
        assert [one.sealing_kid for one in held.signing_facts] == [sealing.kid, held.sealing_key.kid]
    again = own.rotate(overlap=0, sealing=False, now=6)
    assert (again.kid, own.signing_facts[-1].serial) == (own.signing_key.kid, 3)
    assert len(own.sealing_keys) == 2
    assert own.sealing_key.suite == sealing.suite


def test_the_current_key_is_neither_revoked_nor_destroyed(own: Keystore) -> None:
    kid, sealing = own.signing_key.kid, own.sealing_key.kid
    with pytest.raises(WrongState):
        own.revoke(kid, reason="lost", since=None, now=1)
    with pytest.raises(NotFound):
        own.revoke("0" * 16, reason="lost", since=None, now=1)
    own.destroy(signing={kid}, sealing={sealing})
    assert (own.signing_key.kid, own.sealing_key.kid) == (kid, sealing)


def test_what_is_destroyed_is_in_the_file_no_more(own: Keystore) -> None:
    old, sealing = own.signing_key, own.sealing_key
    own.rotate(overlap=0, sealing=True, now=1)
    own.revoke(old.kid, reason="compromised", since=0, now=2)
    own.revoke(old.kid, reason="lost", since=1, now=3)  # the first word stands
    own.destroy(signing={old.kid}, sealing={sealing.kid})
    opened = Keystore.open(own.path, PHRASE)
    secrets = vault.unlock(own.path.read_bytes(), PHRASE)
    for gone in (old.seed, sealing.private):
        assert base64.b64encode(gone) not in secrets
    assert [one.kid for one in opened.signing_keys] == [opened.signing_key.kid]
    assert [one.kid for one in opened.sealing_keys] == [opened.sealing_key.kid]
    [past, _] = opened.signing_facts
    assert (past.kid, past.key, past.is_held) == (old.kid, old.public_hex, False)
    assert (past.revoked_at, past.reason, past.since) == (2, "compromised", 0)


def test_a_rotation_after_another_passphrase_is_under_that_one(own: Keystore) -> None:
    other = "another phrase 密码 12"
    own.change_passphrase(PHRASE, other)
    kid = own.rotate(overlap=0, sealing=False, now=1).kid
    assert Keystore.open(own.path, other).signing_key.kid == kid
    with pytest.raises(KeystoreLocked):
        Keystore.open(own.path, PHRASE)


def test_no_write_uses_a_nonce_twice(own: Keystore) -> None:
    nonces = {msgspec.json.decode(own.path.read_bytes())["nonce"]}
    for number in range(5):
        own.rotate(overlap=0, sealing=False, now=number)
        nonces.add(msgspec.json.decode(own.path.read_bytes())["nonce"])
    assert len(nonces) == 6


def test_the_keys_of_the_links_are_replaced_in_one_write_and_destroyed_when_told(folder: Path) -> None:
    keystore = Keystore.create(folder / "k.json", PHRASE)
    first, signing = keystore.links[0], keystore.signing_key.kid
    made = keystore.rotate_link(now=1234)
    opened = Keystore.open(keystore.path, PHRASE)
    assert opened.links == (first, made) == keystore.links
    assert (made.serial, made.made_at, first.serial, first.made_at) == (2, 1234, 1, 0)
    assert opened.nkey_public == made.nkey_public != first.nkey_public
    assert opened.ca_key.public_key() == made.ca_key.public_key() != first.ca_key.public_key()
    assert opened.signing_key.kid == signing
    keystore.destroy_links({1, 2})
    assert Keystore.open(keystore.path, PHRASE).links == (made,)
    assert keystore.rotate_link(now=1235).serial == 3, "no number is used again"


def test_so_many_keys_of_the_links_are_held_and_no_more(folder: Path) -> None:
    keystore = Keystore.create(folder / "k.json", PHRASE)
    for now in range(1, MAX_LINK_KEYS):
        keystore.rotate_link(now=now)
    before = keystore.path.read_bytes()
    with pytest.raises(WrongState) as refused:
        keystore.rotate_link(now=100)
    assert refused.value.code == "too_many_keys"
    assert keystore.path.read_bytes() == before


def test_the_chain_account_and_the_log_key_are_replaced_and_the_first_stays_the_founder(folder: Path) -> None:
    keystore = Keystore.create(folder / "k.json", PHRASE)
    before = (keystore.chain_key, keystore.log_key, keystore.chain_address, keystore.log_address)
    relayer = keystore.relayer_key(1)
    keystore.rotate_chain()
    opened = Keystore.open(keystore.path, PHRASE)
    for one in (keystore, opened):
        assert one.chain_keys == (before[0], one.chain_key)
        assert one.log_keys == (before[1], one.log_key)
        assert one.chain_address == Account.from_key(one.chain_key).address
        assert one.log_address == Account.from_key(one.log_key).address
        assert {one.chain_address, one.log_address}.isdisjoint(before)
        assert one.founder_address == before[2]
        assert one.relayer_key(1) != relayer
