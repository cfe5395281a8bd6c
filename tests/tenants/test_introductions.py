"""Invitations and introductions: answered once, confirmed by fingerprint, one id one root key; each refusal by name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tallystick.core import jws
from tallystick.core.errors import BadSignature, Invalid, NotFound, TallystickError, UnknownVersion, WrongState
from tallystick.core.keys import SigningKey
from tallystick.tenants import card as cards
from tallystick.tenants import fingerprint, invitation, tls
from tallystick.tenants.database import Database
from tallystick.tenants.fingerprint import WrongFingerprint
from tallystick.tenants.introductions import (
    MAX_OPEN,
    WAITING_MS,
    Introductions,
    InvitationUsed,
    OrgIdTaken,
    UnknownInvitation,
    Us,
)
from tallystick.tenants.invitation import ANSWER, HOUR_MS, INVITATION, BadInvitation, InvitationExpired
from tallystick.tenants.keystore import Keystore
from tallystick.tenants.partners import Partners, RootKeyChanged

NOW = 1_800_000_000_000
Build = Callable[..., str]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    def card(keys: Keystore, org_id: str = "nordic", **more: Any) -> str:
        folder: Path = tmp_path_factory.mktemp("tls")
        fields: dict[str, Any] = {
            "org_id": org_id,
            "name": "Nordic Bearings 轴承",
            "domain": "nordic.example",
            "endpoint_url": "http://127.0.0.1:8000",
            "capabilities": ["approval"],
            "chain_org": "0x" + "00" * 32,
            "leaf_url": "tls://127.0.0.1:7422",
            "tls_ca": tls.ensure(folder, ca_key=keys.ca_key, org_id=org_id).ca.read_text(),
            "issued_at": 1000,
        }
        return cards.build(keys, **{**fields, **more})

    return card


@pytest.fixture
def ours(database: Database, keystore: Keystore) -> Introductions:
    return Introductions(database, Us("huaxia", keystore.root_public.key))


@pytest.fixture(scope="session")
def third(tmp_path_factory: pytest.TempPathFactory) -> Keystore:
    return Keystore.create(tmp_path_factory.mktemp("third") / "keystore.json", "correct horse battery staple")


def made(ours: Introductions, keystore: Keystore, build: Build, hours: int = 1) -> str:
    token = invitation.invite(
        keystore.need_root_key(), build(keystore, "huaxia"), org_id="huaxia", now=NOW, hours=hours
    )
    ours.add(token, note="", created_by="ada", now=NOW, expires_at=NOW + hours * HOUR_MS)
    return token


def answered(keys: Keystore, build: Build, token: str, org_id: str = "nordic", **more: Any) -> str:
    return invitation.answer(
        keys.need_root_key(), build(keys, org_id, **more), org_id=org_id, now=NOW, invitation=invitation.name_of(token)
    )


def test_an_answer_waits_and_the_right_fingerprint_makes_a_partner(
    ours: Introductions, database: Database, keystore: Keystore, other_keystore: Keystore, build: Build
) -> None:
    token = made(ours, keystore, build)
    met = ours.receive(answered(other_keystore, build, token), NOW)
    assert met is not None
    shown = fingerprint.of(("nordic", other_keystore.root_public.key), ("huaxia", keystore.root_public.key))
    assert (met.org_id, met.fingerprint, met.invited_by) == ("nordic", shown, "huaxia")
    assert Partners(database).all() == []
    assert ours.confirm("nordic", shown, NOW).id == "nordic"
    row = Partners(database).get("nordic")
    assert (row.status, row.root_key, row.fingerprint) == ("active", other_keystore.root_public.key, shown)
    assert ours.waiting(NOW) == []


def test_a_wrong_fingerprint_makes_nobody_a_partner(
    ours: Introductions, database: Database, keystore: Keystore, other_keystore: Keystore, build: Build
) -> None:
    ours.receive(answered(other_keystore, build, made(ours, keystore, build)), NOW)
    with pytest.raises(WrongFingerprint):
        ours.confirm("nordic", "1" * 30, NOW)
    assert Partners(database).all() == []
    assert [one.org_id for one in ours.waiting(NOW)] == ["nordic"]


def test_the_same_answer_may_come_again_and_another_may_not(
    ours: Introductions, keystore: Keystore, other_keystore: Keystore, third: Keystore, build: Build
) -> None:
    token = made(ours, keystore, build)
    first = answered(other_keystore, build, token)
    met = ours.receive(first, NOW)
    assert ours.receive(first, NOW + HOUR_MS * 2) == met  # though the invitation has expired by then
    for other in (answered(other_keystore, build, token, issued_at=2000), answered(third, build, token, "blueline")):
        with pytest.raises(InvitationUsed) as refused:
            ours.receive(other, NOW)
        assert refused.value.state == "answered"
    assert met is not None
    ours.confirm("nordic", met.fingerprint, NOW)
    assert ours.receive(first, NOW) is None


def test_an_invitation_expires_and_can_be_withdrawn(
    ours: Introductions, keystore: Keystore, other_keystore: Keystore, build: Build
) -> None:
    token = made(ours, keystore, build)
    name = invitation.name_of(token)
    assert ours.invitation(name, NOW).token == token
    for look in (
        lambda now: ours.receive(answered(other_keystore, build, token), now),
        lambda now: ours.invitation(name, now),
    ):
        with pytest.raises(InvitationExpired):
            look(NOW + HOUR_MS)
    ours.withdraw(name)
    for look in (
        lambda now: ours.receive(answered(other_keystore, build, token), now),
        lambda now: ours.invitation(name, now),
    ):
        with pytest.raises(InvitationUsed):
            look(NOW)
    with pytest.raises(InvitationUsed):
        ours.withdraw(name)
    assert ours.waiting(NOW) == []


def test_an_answer_to_nothing_of_ours_is_refused_before_any_signature_is_checked(
    ours: Introductions, other_keystore: Keystore, build: Build, keystore: Keystore
) -> None:
    foreign = invitation.invite(keystore.need_root_key(), build(keystore, "huaxia"), org_id="huaxia", now=NOW, hours=1)
    for token in (answered(other_keystore, build, foreign), "", "a.b.c", "x" * 100_000):
        with pytest.raises(UnknownInvitation):
            ours.receive(token, NOW)
    with pytest.raises(BadInvitation):
        ours.receive("x" * 100_001, NOW)
    with pytest.raises(UnknownInvitation):
        ours.withdraw("ab" * 32)


def test_our_own_invitation_is_refused_by_name(ours: Introductions, keystore: Keystore, build: Build) -> None:
    token = made(ours, keystore, build)
    for mine in (answered(keystore, build, token, "huaxia"), answered(keystore, build, token, "another-id")):
        with pytest.raises(Invalid) as refused:
            ours.receive(mine, NOW)
        assert refused.value.code == "own_invitation"
    _, card = invitation.open_invitation(token, NOW)
    with pytest.raises(Invalid) as refused:
        ours.check(token, card)
    assert refused.value.code == "own_invitation"
    assert ours.invitation(invitation.name_of(token), NOW).state == "open"


def test_a_second_organisation_with_the_same_id_is_refused_while_one_waits_and_when_it_is_a_partner(
    ours: Introductions, database: Database, keystore: Keystore, other_keystore: Keystore, third: Keystore, build: Build
) -> None:
    met = ours.receive(answered(other_keystore, build, made(ours, keystore, build)), NOW)
    assert met is not None
    for _ in range(2):
        with pytest.raises(OrgIdTaken) as refused:
            ours.receive(answered(third, build, made(ours, keystore, build)), NOW)
        assert refused.value.org_id == "nordic"
        if not Partners(database).all():
            ours.confirm("nordic", met.fingerprint, NOW)
    Partners(database).suspend("nordic")
    with pytest.raises(OrgIdTaken):
        ours.receive(answered(third, build, made(ours, keystore, build)), NOW)
    assert Partners(database).get("nordic").root_key == other_keystore.root_public.key


def test_a_known_root_key_under_another_id_is_refused(
    ours: Introductions, keystore: Keystore, other_keystore: Keystore, build: Build
) -> None:
    ours.receive(answered(other_keystore, build, made(ours, keystore, build)), NOW)
    with pytest.raises(OrgIdTaken):
        ours.receive(answered(other_keystore, build, made(ours, keystore, build), "other-name"), NOW)


def test_a_partner_is_not_introduced_again_unless_it_was_removed(
    ours: Introductions, database: Database, keystore: Keystore, other_keystore: Keystore, third: Keystore, build: Build
) -> None:
    Partners(database).put(build(other_keystore))
    with pytest.raises(WrongState) as refused:
        ours.receive(answered(other_keystore, build, made(ours, keystore, build)), NOW)
    assert refused.value.code == "already_partners"
    with database.write() as session:
        from tallystick.tenants.partners import mark

        mark(session, "nordic", "removed")
    with pytest.raises(OrgIdTaken):
        ours.receive(answered(third, build, made(ours, keystore, build)), NOW)
    met = ours.receive(answered(other_keystore, build, made(ours, keystore, build)), NOW)
    assert met is not None
    ours.confirm("nordic", met.fingerprint, NOW)
    assert Partners(database).get("nordic").status == "active"


def test_a_card_that_was_exchanged_underneath_is_refused_at_confirmation(
    ours: Introductions, database: Database, keystore: Keystore, other_keystore: Keystore, third: Keystore, build: Build
) -> None:
    """Somebody put another card for the id while the first one waited."""
    met = ours.receive(answered(other_keystore, build, made(ours, keystore, build)), NOW)
    assert met is not None
    Partners(database).put(build(third))
    with pytest.raises(RootKeyChanged):
        ours.confirm("nordic", met.fingerprint, NOW)
    assert Partners(database).get("nordic").root_key == third.root_public.key


def test_whoever_waits_for_too_long_is_forgotten(
    ours: Introductions, keystore: Keystore, other_keystore: Keystore, build: Build
) -> None:
    met = ours.receive(answered(other_keystore, build, made(ours, keystore, build)), NOW)
    assert met is not None
    later = NOW + WAITING_MS
    assert ours.waiting(later) == []
    for late in (lambda: ours.get("nordic", later), lambda: ours.confirm("nordic", met.fingerprint, later)):
        with pytest.raises(NotFound):
            late()


def test_declined_is_forgotten(ours: Introductions, keystore: Keystore, other_keystore: Keystore, build: Build) -> None:
    ours.receive(answered(other_keystore, build, made(ours, keystore, build)), NOW)
    ours.decline("nordic", NOW)
    assert ours.waiting(NOW) == []
    with pytest.raises(NotFound):
        ours.decline("nordic", NOW)


def test_an_inactive_organisation_is_refused(
    ours: Introductions, keystore: Keystore, other_keystore: Keystore, build: Build
) -> None:
    with pytest.raises(Invalid) as refused:
        ours.receive(answered(other_keystore, build, made(ours, keystore, build), is_active=False), NOW)
    assert refused.value.code == "inactive_organisation"


def test_there_are_only_so_many_invitations(ours: Introductions, keystore: Keystore, build: Build) -> None:
    token = made(ours, keystore, build)
    for number in range(MAX_OPEN - 1):
        ours.add(f"{token}{number}", note="", created_by="ada", now=NOW, expires_at=NOW + HOUR_MS)
    with pytest.raises(Invalid) as refused:
        ours.add("one more", note="", created_by="ada", now=NOW, expires_at=NOW + HOUR_MS)
    assert refused.value.code == "too_many_invitations"
    ours.add("when they have expired", note="", created_by="ada", now=NOW + HOUR_MS, expires_at=NOW + 2 * HOUR_MS)


def changed(token: str, typ: str, key: SigningKey, **members: Any) -> str:
    """The same token with other members, signed by ``key``."""
    return jws.sign(key, typ, {**jws.read(token, typ).payload, **members})


def test_tampered_invitations_are_refused(keystore: Keystore, other_keystore: Keystore, build: Build) -> None:
    root, stranger = keystore.need_root_key(), other_keystore.need_root_key()
    token = invitation.invite(root, build(keystore, "huaxia"), org_id="huaxia", now=NOW, hours=1)
    assert invitation.open_invitation(token, NOW)[1].id == "huaxia"
    foreign = build(other_keystore, "huaxia")
    head, payload, _ = token.split(".")
    cases: dict[str, tuple[str, type[TallystickError]]] = {
        "by another key": (changed(token, INVITATION, stranger), BadInvitation),
        "another's card": (changed(token, INVITATION, root, card=foreign), BadInvitation),
        "another's name": (changed(token, INVITATION, root, iss="nordic"), BadInvitation),
        "a longer life": (changed(token, INVITATION, root, exp=NOW + 721 * HOUR_MS), BadInvitation),
        "dated ahead": (changed(token, INVITATION, root, iat=NOW + HOUR_MS, exp=NOW + 2 * HOUR_MS), BadInvitation),
        "expired": (changed(token, INVITATION, root, iat=NOW - HOUR_MS, exp=NOW), InvitationExpired),
        "another version": (changed(token, INVITATION, root, v=2), UnknownVersion),
        "a member more": (changed(token, INVITATION, root, admin=True), BadInvitation),
        "no card": (changed(token, INVITATION, root, card="x"), Invalid),
        "a card changed": (changed(token, INVITATION, root, card=build(keystore, "huaxia")[:-4] + "AAAA"), Invalid),
        "an answer": (
            invitation.answer(root, build(keystore, "huaxia"), org_id="huaxia", now=NOW, invitation="ab" * 32), Invalid,
        ),
        "cut off": (token[:-10], Invalid),
        "another signature": (f"{head}.{payload}.{'A' * 86}", BadSignature),
        "too large": (token + "x" * invitation.MAX_TOKEN, BadInvitation),
        "not ASCII": (token.replace("e", "é"), Invalid),
        "empty": ("", Invalid),
    }  # fmt: skip
    for bad, kind in cases.values():
        with pytest.raises(kind):
            invitation.open_invitation(bad, NOW)


def test_tampered_answers_are_refused(keystore: Keystore, other_keystore: Keystore, build: Build) -> None:
    token = invitation.answer(
        other_keystore.need_root_key(), build(other_keystore), org_id="nordic", now=NOW, invitation="ab" * 32
    )
    assert invitation.open_answer(token)[1].id == "nordic"
    for bad in (
        changed(token, ANSWER, keystore.need_root_key()),
        changed(token, ANSWER, other_keystore.need_root_key(), invitation="AB" * 32),
        changed(token, ANSWER, other_keystore.need_root_key(), invitation=7),
        changed(token, ANSWER, other_keystore.need_root_key(), card=build(keystore)),
        changed(token, ANSWER, other_keystore.need_root_key(), iss="huaxia"),
    ):
        with pytest.raises(Invalid):
            invitation.open_answer(bad)


@pytest.mark.parametrize("hours", [0, -1, 721])
def test_a_lifetime_is_bounded(keystore: Keystore, build: Build, hours: int) -> None:
    with pytest.raises(Invalid):
        invitation.invite(keystore.need_root_key(), build(keystore, "huaxia"), org_id="huaxia", now=NOW, hours=hours)


def test_no_token_carries_a_secret(keystore: Keystore, build: Build) -> None:
    token = invitation.invite(keystore.need_root_key(), build(keystore, "huaxia"), org_id="huaxia", now=NOW, hours=1)
    told = str(jws.read(token, INVITATION).payload) + str(jws.read(build(keystore, "huaxia"), cards.TYP).payload)
    for secret in (keystore.need_root_key().seed, keystore.signing_key.seed, keystore.chain_key, keystore.log_key):
        assert secret.hex() not in told
    assert keystore.nkey_seed not in told
    assert "PRIVATE" not in told


def test_an_answer_that_is_refused_costs_no_fingerprint(
    ours: Introductions, keystore: Keystore, other_keystore: Keystore, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever holds an invitation may answer it as often as it likes, and each fingerprint takes memory and time."""
    token = made(ours, keystore, build)
    computed: list[Any] = []

    def note(*given: Any) -> str:
        computed.append(given)
        return ""

    monkeypatch.setattr(fingerprint, "of", note)
    for org_id in ("huaxia", "nordic"):
        with pytest.raises(Invalid):
            ours.receive(answered(other_keystore, build, token, org_id, is_active=org_id == "huaxia"), NOW)
    assert computed == []
