"""An agreement may name only a partner's own keys for a partner; the inbox refuses the rest, or waits for a card."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from node.work.test_inbox import Desk
from support.parties import CARRIER, NAMES, SUPPLIER, agreement_document, root_of
from tallystick.core.agreement import PublicKey
from tallystick.core.keys import SigningKey
from tallystick.node.record import messages as m
from tallystick.node.record.pinned import REPLACED_MS
from tallystick.tenants import card as cards
from tallystick.tenants import tls
from tallystick.tenants.database import Database
from tallystick.tenants.keystore import Keystore
from tallystick.tenants.models.record import InboxRow
from tallystick.tenants.partners import Partners, mark


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    tmp_path.chmod(0o700)
    keystore = Keystore.create(tmp_path / "keystore.json", "correct horse battery staple")
    with Database(tmp_path / "tenant.db") as database:
        database.create_schema()
        yield Desk(tmp_path, database, keystore)


@pytest.fixture
def carrier(tmp_path: Path) -> Keystore:
    """The carrier's keys, with the root key that the agreements of these tests name."""
    (tmp_path / "carrier").mkdir(mode=0o700)
    made = Keystore.create(tmp_path / "carrier" / "keystore.json", "correct horse battery staple")
    re_root(made, root_of(CARRIER))
    return made


def re_root(keys: Keystore, root: SigningKey) -> None:
    """Let the keys be under another root key, in memory."""
    keys.root_key, keys.root_public = root, PublicKey(kid=root.kid, key=root.public_hex)


def card(keys: Keystore, key: SigningKey, issued_at: int = 1000) -> str:
    keys.signing_keys = (key,)
    return cards.build(
        keys,
        org_id=CARRIER,
        name=NAMES[CARRIER],
        domain="blueline.example",
        endpoint_url="https://blueline.example",
        capabilities=[],
        chain_org="0x" + "0" * 64,
        leaf_url="tls://127.0.0.1:7422",
        tls_ca=tls.ensure(keys.path.parent / "tls", ca_key=keys.ca_key, org_id=CARRIER).ca.read_text(),
        issued_at=issued_at,
    )


def naming_us(desk: Desk, document: dict[str, Any] | None = None) -> dict[str, Any]:
    """An agreement that names our keys."""
    sealing = desk.context.keystore.sealing_key
    document = document or desk.parties.document
    me = document["participants"][0]
    me["sealing_key"] = {"kid": sealing.kid, "suite": sealing.suite, "key": sealing.public_hex}
    me["root_key"] = desk.context.keystore.root_public.key
    return document


async def outcome(desk: Desk, document: dict[str, Any] | None = None) -> str:
    """What becomes of the agreement that the supplier sends: taken in, or the reason."""
    return await offered(desk, naming_us(desk, document))


async def offered(desk: Desk, document: dict[str, Any]) -> str:
    """The same, of an agreement that names whatever keys it names."""
    await desk.give(m.AgreementMessage(agreement=document), SUPPLIER)
    with desk.database.session() as session:
        rows = list(session.exec(select(InboxRow)))
    return ", ".join(f"{row.outcome} {row.reason.partition(':')[0]}" for row in rows) or "taken in"


async def test_a_partners_own_keys_are_taken(desk: Desk, carrier: Keystore) -> None:
    Partners(desk.database).put(card(carrier, desk.parties.keys[CARRIER]))
    assert await outcome(desk) == "taken in"


async def test_a_participant_whom_nobody_here_knows_is_taken_at_the_proposers_word(desk: Desk) -> None:
    assert await outcome(desk) == "taken in"


async def test_another_root_key_for_a_partner_is_refused(desk: Desk, carrier: Keystore) -> None:
    re_root(carrier, SigningKey.generate())
    Partners(desk.database).put(card(carrier, desk.parties.keys[CARRIER]))
    assert await outcome(desk) == "reject wrong_root_key"


async def test_nobody_gives_a_partner_another_name(desk: Desk, carrier: Keystore) -> None:
    """Our people would take one partner for another."""
    Partners(desk.database).put(card(carrier, desk.parties.keys[CARRIER]))
    document = naming_us(desk)
    document["participants"][2]["name"] = NAMES[SUPPLIER]
    assert await offered(desk, document) == "reject wrong_name"


@pytest.mark.parametrize(
    "change", [{"name": "Nordic\u202egnirts"}, {"name": "a\nb"}, {"name": ""}, {"role": "\x1b[2J"}, {"name": "x" * 201}]
)
async def test_a_strangers_name_can_be_shown(desk: Desk, change: dict[str, str]) -> None:
    document = naming_us(desk)
    document["participants"][2].update(change)
    assert await offered(desk, document) == "reject bad_agreement"


async def test_a_definition_says_what_it_shows(desk: Desk) -> None:
    """Whatever made it: people consent to what they read."""
    document = naming_us(desk)
    document["definition"]["steps"]["approve"]["name"] = "Pay \u202e000,1"
    assert await offered(desk, document) == "reject bad_definition"


async def test_a_removed_partners_root_key_still_counts(desk: Desk, carrier: Keystore) -> None:
    re_root(carrier, SigningKey.generate())
    Partners(desk.database).put(card(carrier, desk.parties.keys[CARRIER]))
    with desk.database.write() as session:
        mark(session, CARRIER, "removed")
    assert await outcome(desk) == "reject wrong_root_key"


async def test_nobody_speaks_for_a_removed_partner_with_a_key_of_their_own(desk: Desk, carrier: Keystore) -> None:
    Partners(desk.database).put(card(carrier, SigningKey.generate()))
    with desk.database.write() as session:
        mark(session, CARRIER, "removed")
    assert await outcome(desk) == "reject unknown_key"


async def test_a_signing_key_that_no_card_has_waits_for_the_card(desk: Desk, carrier: Keystore) -> None:
    """The proposer may have made it up to speak for the partner; or the partner's newer card is on its way."""
    Partners(desk.database).put(card(carrier, SigningKey.generate()))
    assert await outcome(desk) == "wait unknown_key"
    Partners(desk.database).put(card(carrier, desk.parties.keys[CARRIER], 2000))
    desk.now += 60_000
    await desk.inbox.retry_waiting()
    assert await outcome(desk) == "taken in"


async def test_a_key_that_its_owner_has_revoked_is_refused_at_once(
    desk: Desk, carrier: Keystore, tmp_path: Path
) -> None:
    """It may have been stolen, and then anybody could consent in the partner's name."""
    (tmp_path / "again").mkdir(mode=0o700)
    again = Keystore.create(tmp_path / "again" / "keystore.json", "correct horse battery staple")
    re_root(again, root_of(CARRIER))
    stolen = again.signing_key
    desk.parties.keys[CARRIER] = stolen
    Partners(desk.database).put(card(again, stolen))
    document = agreement_document(desk.parties.keys)
    again.rotate(overlap=0, sealing=False, now=1)
    again.revoke(stolen.kid, reason="compromised", since=None, now=2)
    re_root(again, root_of(CARRIER))  # both have read the file again
    Partners(desk.database).put(card(again, again.signing_key, 2000))
    import time

    desk.now = time.time_ns() // 1_000_000
    assert await outcome(desk, document) == "reject key_revoked"


async def test_the_key_before_the_newest_is_taken_for_a_week(desk: Desk, carrier: Keystore) -> None:
    """Whoever proposed may not have had the newer card yet."""
    Partners(desk.database).put(card(carrier, desk.parties.keys[CARRIER]))
    Partners(desk.database).put(card(carrier, SigningKey.generate(), 2000))
    import time

    desk.now = time.time_ns() // 1_000_000
    assert await outcome(desk) == "taken in"
    desk.now += REPLACED_MS
    assert await outcome(desk, agreement_document(desk.parties.keys, retention_days=31)) == "wait unknown_key"
