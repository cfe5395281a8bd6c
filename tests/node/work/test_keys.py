"""A participant's node while keys change: its own, the coordinator's and its partners' cards, from both sides."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sqlmodel import select

from support.parties import BUYER, CARRIER, NOON, SUPPLIER, Parties, agreement_document, new_key, root_of, rotation
from tallystick.core import jws, statement
from tallystick.core.agreement import Participant
from tallystick.core.head import Refusal, sign_head, sign_refusal
from tallystick.core.keys import SigningKey
from tallystick.core.statement import STATEMENT, Signal
from tallystick.node.links.handling import Verdict
from tallystick.node.record import coordinator, rekeying, store
from tallystick.node.record import messages as m
from tallystick.node.record.authoring import Saying, say
from tallystick.node.record.chunks import Chunks
from tallystick.node.record.context import Context
from tallystick.node.record.unit import Unit
from tallystick.node.work.bell import Bell
from tallystick.node.work.committer import Committer
from tallystick.node.work.inbox import Inbox
from tallystick.tenants import card as cards
from tallystick.tenants import tls
from tallystick.tenants.database import Database
from tallystick.tenants.hpke import SealingKey
from tallystick.tenants.keystore import Keystore
from tallystick.tenants.models.record import InboxRow, OutboxRow, StatementRow
from tallystick.tenants.partners import Partners

PHRASE = "correct horse battery staple"


class Desk:
    """The supplier's node over its database; the buyer coordinates."""

    def __init__(self, folder: Path, database: Database, keystore: Keystore) -> None:
        self.database = database
        self.keystore = keystore
        parties = Parties(keys={SUPPLIER: keystore.signing_key})
        participants = agreement_document(parties.keys)["participants"]
        for one in participants:
            if one["org_id"] == SUPPLIER:
                one["root_key"] = keystore.root_public.key
                sealing = keystore.sealing_key
                one["sealing_key"] = {"kid": sealing.kid, "suite": sealing.suite, "key": sealing.public_hex}
        self.parties = Parties(keys={SUPPLIER: keystore.signing_key}, participants=participants)
        self.context = Context(
            org_id=SUPPLIER, keystore=keystore, chunks=Chunks(folder / "chunks"), clock=lambda: NOON + 10**6
        )
        self.committer = Committer(database, finish=lambda unit: coordinator.seal(unit, self.context))
        self.inbox = Inbox(database, self.context, Bell(), self.committer)
        self.sent = self.told = 0

    async def give(self, message: m.Message, partner: str = BUYER) -> Verdict:
        self.sent += 1
        return await self.inbox.receive(partner, f"{self.sent}", m.encode(message))

    async def tell(self, key: SigningKey | None = None) -> None:
        """All entries that the supplier has not been given, under the coordinator's head."""
        entries = self.parties.entries[self.told :]
        message = m.EntriesMessage(
            execution=self.parties.execution,
            start=self.told,
            entries=[msgspec.to_builtins(one) for one in entries],
            statements=[self.parties.tokens[one.statement_id] for one in entries],
            head=sign_head(key or self.parties.keys[BUYER], self.parties.head(BUYER)),
        )
        await self.give(message)
        if self.size == len(self.parties.entries):
            self.told = len(self.parties.entries)

    @property
    def size(self) -> int:
        """Of the log as the supplier has it."""
        with self.database.session() as session:
            loaded = store.find(session, self.parties.execution)
            return loaded.state.size if loaded else 0

    def sequence_own(self) -> None:
        """The coordinator takes in what the supplier has posted last, if it can be."""
        token = self.posted("statement")[-1].token
        self.parties.at += 1000
        self.parties.sequence(token)

    def posted(self, what: str) -> list[Any]:
        with self.database.session() as session:
            rows = session.exec(select(OutboxRow).where(OutboxRow.what == what).order_by(OutboxRow.id))  # type: ignore[arg-type]
            return [m.decode(row.payload) for row in rows]

    def reasons(self) -> list[str]:
        """Why messages were refused or wait."""
        with self.database.session() as session:
            return [(row.reason or "").partition(":")[0] for row in session.exec(select(InboxRow))]

    def standing(self) -> set[tuple[str, str]]:
        """What became of messages that were not taken in, and why."""
        with self.database.session() as session:
            rows = session.exec(select(InboxRow)).all()
        return {(row.outcome, (row.reason or "").partition(":")[0]) for row in rows}

    def refusal(self, token: str, code: str, key: SigningKey | None = None) -> m.RefusalMessage:
        said = self.parties.open(token)
        body = Refusal(
            v=1,
            iss=BUYER,
            aud=self.parties.hash,
            execution=self.parties.execution,
            statement_id=said.id,
            code=code,
            detail="",
            iat=NOON,
        )
        return m.RefusalMessage(token=sign_refusal(key or self.parties.keys[BUYER], body))


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    tmp_path.chmod(0o700)  # noqa: ASYNC240 - before anything else runs
    keystore = Keystore.create(tmp_path / "keystore.json", PHRASE)
    with Database(tmp_path / "tenant.db") as database:
        database.create_schema()
        made = Desk(tmp_path, database, keystore)
        await made.give(m.AgreementMessage(agreement=made.parties.document))
        made.parties.begin()
        await made.tell()
        assert made.size == 4
        yield made


async def signal(desk: Desk, readers: list[Participant] | None = None) -> str:
    """The supplier says something; its token."""
    saying = Saying(
        kind="signal",
        make=lambda data, sealed: Signal(name="go", data=data, sealed=sealed),
        answer_key="go",
        values={"x": 7},
        readers=readers or list(desk.parties.agreement.participants[1:2]),
    )
    await desk.committer.run(lambda unit: say(unit, desk.context, store.load(unit, desk.parties.execution), saying))
    token: str = desk.posted("statement")[-1].token
    return token


async def follow_up(desk: Desk) -> str | None:
    def job(unit: Unit) -> str | None:
        return rekeying.follow_up(unit, desk.context, desk.parties.execution)

    return await desk.committer.run(job)


async def rotated(desk: Desk, overlap: int = 0) -> None:
    """The supplier's rotation stands in the log, at the coordinator and here."""
    desk.keystore.rotate(overlap=overlap, sealing=True, now=NOON)
    assert await follow_up(desk) == "waiting"
    assert await follow_up(desk) == "waiting", "it is said once"
    desk.sequence_own()
    desk.parties.keys[SUPPLIER] = desk.keystore.signing_key
    await desk.tell()
    assert await follow_up(desk) is None


async def test_the_coordinators_new_key_comes_with_the_entry_that_makes_it_known(desk: Desk) -> None:
    desk.parties.rotate(BUYER, 1)
    await desk.tell()
    assert desk.size == len(desk.parties.entries)
    desk.parties.say(BUYER, "signal", {"name": "go"})
    await desk.tell()
    assert desk.size == len(desk.parties.entries)
    assert desk.reasons() == []


@pytest.mark.parametrize("which", ["old", "root", "another's"])
async def test_a_head_by_a_key_that_does_not_speak_any_more_is_refused(desk: Desk, which: str) -> None:
    old = desk.parties.keys[BUYER]
    desk.parties.rotate(BUYER, 1)
    await desk.tell()
    desk.parties.say(BUYER, "signal", {"name": "go"})
    keys = {"old": old, "root": root_of(BUYER), "another's": desk.parties.keys[CARRIER]}
    await desk.tell(keys[which])
    assert desk.size == len(desk.parties.entries) - 1
    assert desk.reasons() == ["key_retired" if which == "old" else "unknown_key"]
    await desk.tell()
    assert desk.size == len(desk.parties.entries), "the honest head is taken all the same"


async def test_the_node_signs_with_the_key_that_speaks_and_then_with_the_new_one(desk: Desk) -> None:
    old = desk.keystore.signing_key
    desk.keystore.rotate(overlap=5, sealing=False, now=NOON)
    assert jws.read(await signal(desk), STATEMENT).kid == old.kid, "the log does not know the new one yet"
    await rotated(desk, overlap=5)
    with desk.database.session() as session:
        loaded = store.load(session, desk.parties.execution)
    assert desk.context.key_in(loaded).kid == desk.keystore.signing_key.kid


async def test_what_came_too_late_is_said_again_under_the_new_key(desk: Desk) -> None:
    token = await signal(desk)
    first = statement.read(token)[1]
    await rotated(desk)
    assert await desk.give(desk.refusal(token, "key_retired")) == "ack"
    again = desk.posted("statement")[-1]
    read = desk.parties.open(again.token)
    assert (read.kid, read.kind, read.body) == (desk.keystore.signing_key.kid, "signal", first.body)
    assert [len(one["recipients"]) for one in again.sealed] == [1], "its values travel with it"
    desk.sequence_own()
    assert desk.parties.entries[-1].applied
    await desk.tell()
    with desk.database.session() as session:
        rows = session.exec(select(StatementRow).where(StatementRow.kind == "signal")).all()
        loaded = store.load(session, desk.parties.execution)
    assert {row.id: (row.seq is None, row.answer_key) for row in rows} == {
        first.id: (True, None),
        read.id: (False, "go"),
    }
    assert loaded.state.size == len(desk.parties.entries)
    await desk.give(desk.refusal(token, "key_retired"))
    assert desk.posted("statement")[-1] == again, "a refusal that comes twice repeats nothing"


async def test_what_the_coordinator_made_void_for_its_key_is_said_again(desk: Desk) -> None:
    token = await signal(desk)
    await rotated(desk)
    desk.parties.at += 1000
    assert desk.parties.sequence(token).outcome == "void:key_retired"
    await desk.tell()
    again = desk.posted("statement")[-1]
    assert desk.parties.open(again.token).kid == desk.keystore.signing_key.kid
    desk.sequence_own()
    assert desk.parties.entries[-1].applied
    await desk.tell()
    assert desk.size == len(desk.parties.entries)
    assert desk.posted("statement")[-1] == again


async def test_values_are_sealed_to_the_key_that_a_partner_has_now(desk: Desk) -> None:
    key = SealingKey.generate()
    sealing = {"kid": key.kid, "suite": key.suite, "key": key.public_hex}
    desk.parties.say(CARRIER, "rotate_key", rotation(new_key(CARRIER, 1), 1, sealing_key=sealing))
    await desk.tell()
    readers = [one for one in desk.parties.agreement.participants if one.org_id != BUYER]
    await signal(desk, readers)
    [envelope] = desk.posted("statement")[-1].sealed
    named = {one["org_id"]: one["kid"] for one in envelope["recipients"]}
    assert named == {CARRIER: key.kid, SUPPLIER: desk.keystore.sealing_key.kid}


async def test_a_refusal_by_a_revoked_key_is_not_believed(desk: Desk) -> None:
    token, old = await signal(desk), desk.parties.keys[BUYER]
    desk.parties.rotate(BUYER, 1)
    desk.parties.revoke(BUYER, old.kid)
    await desk.tell()
    await desk.give(desk.refusal(token, "bad_name", old))
    assert desk.reasons() == ["key_revoked"]


async def test_an_agreement_with_a_past_key_is_taken_and_with_a_revoked_one_is_not(desk: Desk) -> None:
    old = desk.keystore.signing_key.kid
    desk.keystore.rotate(overlap=0, sealing=True, now=NOON)
    again = {**desk.parties.document, "salt": "B" * 21 + "A"}
    await desk.give(m.AgreementMessage(agreement=again))
    assert desk.reasons() == []
    desk.keystore.revoke(old, reason="lost", since=None, now=NOON)
    await desk.give(m.AgreementMessage(agreement={**again, "salt": "C" * 21 + "A"}))
    assert desk.reasons() == ["wrong_key"]
    assert len(desk.posted("refusal")) == 1, "its author is told"


# Cards that come over the link.


def card(keystore: Keystore, folder: Path, org: str = BUYER, issued_at: int = 2_000, **changes: Any) -> str:
    folder.mkdir(exist_ok=True, mode=0o700)
    files = tls.ensure(folder, ca_key=ec.generate_private_key(ec.SECP256R1()), org_id=org)
    facts: dict[str, Any] = {
        "org_id": org,
        "name": org,
        "domain": f"{org}.example",
        "endpoint_url": f"https://{org}.example",
        "capabilities": ("approval",),
        "chain_org": "0x" + "0" * 64,
        "leaf_url": "tls://127.0.0.1:4223",
        "tls_ca": files.ca.read_text(),
        "issued_at": issued_at,
    }
    return cards.build(keystore, **facts | changes)


@pytest.fixture
def partner(tmp_path: Path, desk: Desk) -> Keystore:
    """The buyer's keystore; its first card is pinned."""
    folder = tmp_path / "buyer"
    folder.mkdir(mode=0o700)
    keystore = Keystore.create(folder / "keystore.json", PHRASE)
    Partners(desk.database).put(card(keystore, folder / "tls"))
    return keystore


async def test_a_newer_card_of_the_pinned_root_replaces_the_older(
    desk: Desk, partner: Keystore, tmp_path: Path
) -> None:
    key = partner.rotate(overlap=1, sealing=True, now=NOON)
    token = card(partner, tmp_path / "a", issued_at=3_000)
    for _ in range(2):
        await desk.give(m.CardMessage(token=token))
    held = Partners(desk.database).card(BUYER)
    assert [one.kid for one in held.signing_keys] == [key.kid]
    assert (held.sealing_key.kid, held.iat) == (partner.sealing_key.kid, 3_000)
    assert desk.reasons() == []


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("older", "stale_card"),
        ("another root", "root_key_changed"),
        ("another organisation", "wrong_issuer"),
        ("signed by the signing key", "bad_card"),
        ("from nobody", "unknown_partner"),
        ("with another partner's nkey", "bad_card"),
        ("with a leaf URL that no server takes", "leaf_url"),
    ],
)
async def test_any_other_card_changes_nothing(
    desk: Desk, partner: Keystore, tmp_path: Path, what: str, reason: str
) -> None:
    folder = tmp_path / "other"
    folder.mkdir(mode=0o700)
    other = Keystore.create(folder / "keystore.json", PHRASE)
    before = Partners(desk.database).get(BUYER).card
    sender, token = BUYER, card(partner, tmp_path / "a", issued_at=3_000)
    match what:
        case "older":
            token = card(partner, tmp_path / "a", issued_at=1_000)
        case "another root":
            token = card(other, tmp_path / "a", issued_at=3_000)
        case "another organisation":
            token = card(other, tmp_path / "a", org=CARRIER, issued_at=3_000)
        case "signed by the signing key":
            payload = {**jws.read(token, cards.TYP).payload}
            token = jws.sign(partner.signing_key, cards.TYP, payload)
        case "from nobody":
            sender, token = CARRIER, card(other, tmp_path / "a", org=CARRIER)
        case "with another partner's nkey":
            Partners(desk.database).put(card(other, tmp_path / "b", org=CARRIER))
            payload = {**jws.read(token, cards.TYP).payload}
            payload["nats"] = {**payload["nats"], "nkey": other.nkey_public}
            token = jws.sign(partner.need_root_key(), cards.TYP, payload)
        case _:
            token = card(partner, tmp_path / "a", issued_at=3_000, leaf_url="nats://127.0.0.1:4223")
    await desk.give(m.CardMessage(token=token), sender)
    assert desk.reasons() == [reason]
    assert Partners(desk.database).get(BUYER).card == before


async def test_a_rotation_of_another_root_or_execution_reaches_no_log(desk: Desk) -> None:
    """The coordinator may be the cheat: the entry is refused by whoever replays it."""
    good = desk.parties.token(CARRIER, "rotate_key", rotation(new_key(CARRIER, 1), 1))
    payload = jws.read(good, STATEMENT).payload
    for token, code in (
        (jws.sign(root_of(BUYER), STATEMENT, payload), "unknown_key"),
        (jws.sign(desk.parties.keys[CARRIER], STATEMENT, payload), "unknown_key"),
        (jws.sign(root_of(CARRIER), STATEMENT, {**payload, "execution": "0" * 64}), "wrong_execution"),
        (jws.sign(root_of(CARRIER), STATEMENT, {**payload, "aud": "0" * 64}), "wrong_audience"),
    ):
        log = desk.parties.log.copy()
        entry = log.sequence(msgspec.structs.replace(desk.parties.open(good), id=jws.read(token, STATEMENT).id), NOON)
        head = msgspec.structs.replace(desk.parties.head(BUYER), size=log.state.size, root=log.root)
        message = m.EntriesMessage(
            execution=desk.parties.execution,
            start=desk.told,
            entries=[msgspec.to_builtins(entry)],
            statements=[token],
            head=sign_head(desk.parties.keys[BUYER], head),
        )
        await desk.give(message)
        assert desk.size == desk.told
        assert code in desk.reasons()
