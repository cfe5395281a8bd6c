"""Partners: the first card pins the root key, later ones must be newer and by the same key."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tallystick.core.errors import BadSignature, Invalid, NotFound
from tallystick.tenants import card as cards
from tallystick.tenants import partners as module
from tallystick.tenants import tls
from tallystick.tenants.database import Database
from tallystick.tenants.keystore import Keystore
from tallystick.tenants.partners import Partners, PartnerSuspended, RootKeyChanged, StaleCard

Build = Callable[..., str]


@pytest.fixture
def partners(database: Database) -> Partners:
    return Partners(database)


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    def card(keys: Keystore, issued_at: int = 1000, org_id: str = "nordic", *, is_active: bool = True) -> str:
        folder: Path = tmp_path_factory.mktemp("tls")
        return cards.build(
            keys,
            org_id=org_id,
            name="Nordic Bearings 轴承",
            domain="nordic.example",
            endpoint_url="http://127.0.0.1:8000",
            capabilities=["approval"],
            chain_org="0x" + "00" * 32,
            leaf_url="tls://127.0.0.1:7422",
            tls_ca=tls.ensure(folder, ca_key=keys.ca_key, org_id=org_id).ca.read_text(),
            is_active=is_active,
            issued_at=issued_at,
        )

    return card


def test_a_card_is_kept_and_found(partners: Partners, keystore: Keystore, build: Build) -> None:
    token = build(keystore)
    assert partners.put(token).id == "nordic"
    assert partners.put(token).id == "nordic"
    row = partners.get("nordic")
    assert (row.card, row.root_key, row.status, row.issued_at) == (token, keystore.root_public.key, "active", 1000)
    assert partners.card("nordic") == cards.verify(token)
    assert [one.org_id for one in partners.all()] == ["nordic"]


def test_another_root_key_is_refused_and_changes_nothing(
    partners: Partners, keystore: Keystore, other_keystore: Keystore, build: Build
) -> None:
    partners.put(build(keystore))
    with pytest.raises(RootKeyChanged) as caught:
        partners.put(build(other_keystore, 2000))
    assert caught.value.org_id == "nordic"
    with pytest.raises(RootKeyChanged):  # an expectation does not lift the pin
        partners.put(build(other_keystore, 2000), root_key=other_keystore.root_public.key)
    assert partners.get("nordic").root_key == keystore.root_public.key


def test_the_first_card_must_have_the_expected_key(
    partners: Partners, keystore: Keystore, other_keystore: Keystore, build: Build
) -> None:
    with pytest.raises(RootKeyChanged):
        partners.put(build(keystore), root_key=other_keystore.root_public.key)
    assert partners.all() == []
    partners.put(build(keystore), root_key=keystore.root_public.key)


def test_a_newer_card_replaces_an_older_never_the_other_way(
    partners: Partners, keystore: Keystore, build: Build
) -> None:
    older, newer = build(keystore, 1000), build(keystore, 2000)
    partners.put(older)
    partners.put(newer)
    with pytest.raises(StaleCard):
        partners.put(older)
    assert partners.get("nordic").card == newer


def test_a_forged_card_is_not_kept(partners: Partners, keystore: Keystore, build: Build) -> None:
    header, payload, _ = build(keystore).split(".")
    with pytest.raises(BadSignature):
        partners.put(f"{header}.{payload}.{'A' * 86}")
    assert partners.all() == []


def test_a_suspended_partner_stays_so_until_resumed(partners: Partners, keystore: Keystore, build: Build) -> None:
    partners.put(build(keystore))
    partners.suspend("nordic")
    partners.put(build(keystore, 2000))
    with pytest.raises(PartnerSuspended):
        partners.card("nordic")
    assert partners.active() == []
    assert partners.get("nordic").status == "suspended"
    partners.resume("nordic")
    assert [card.id for card in partners.active()] == ["nordic"]


def test_a_partner_inactive_by_its_own_word_is_not_active(partners: Partners, keystore: Keystore, build: Build) -> None:
    partners.put(build(keystore, is_active=False))
    assert partners.active() == []
    with pytest.raises(PartnerSuspended):
        partners.card("nordic")


def test_strangers_are_not_found(partners: Partners) -> None:
    for ask in (partners.get, partners.card, partners.suspend, partners.resume):
        with pytest.raises(NotFound):
            ask("nobody")


def test_their_number_is_bounded(
    partners: Partners, keystore: Keystore, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_PARTNERS", 1)
    partners.put(build(keystore))
    with pytest.raises(Invalid, match="at most 1"):
        partners.put(build(keystore, org_id="blueline"))
    partners.put(build(keystore, 2000))
