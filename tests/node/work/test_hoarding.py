"""A partner that makes this node keep things for it: what it may is bounded, and only its own messages wait beyond."""

from typing import Any

import msgspec
import pytest
from sqlmodel import SQLModel, func, select

from node.record.test_pinned import naming_us
from node.work.test_inbox import Desk, desk
from support.parties import BUYER, CARRIER, SUPPLIER, agreement_document
from tallystick.core import agreement as agreements
from tallystick.core import b64, jws
from tallystick.core.head import Head, sign_head
from tallystick.core.replay import Replay
from tallystick.core.statement import STATEMENT
from tallystick.node.record import messages as m
from tallystick.node.record import outgoing, proposed
from tallystick.node.work import inbox
from tallystick.tenants.models.record import AgreementRow, ExecutionRow, InboxRow, OutboxRow, PendingAgreementRow

__all__ = ["desk"]
LATER = ("retry", 2.0)


def count(desk: Desk, model: type[SQLModel], **where: Any) -> int:
    with desk.database.session() as session:
        query = select(func.count()).select_from(model)
        return session.exec(query.filter_by(**where)).one()


def proposal(desk: Desk, number: int) -> m.AgreementMessage:
    """One of many agreements that differ in nothing but their salts."""
    salt = b64.encode(number.to_bytes(16))
    return m.AgreementMessage(agreement=naming_us(desk, agreement_document(desk.parties.keys, salt=salt)))


async def test_agreements_without_end_are_held_back(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    size = len(m.encode(proposal(desk, 0)))
    monkeypatch.setattr(proposed, "MAX_PENDING", 3 * size)
    before = count(desk, AgreementRow)
    verdicts = [await desk.give(proposal(desk, number)) for number in range(5)]
    assert verdicts == ["ack", "ack", "ack", LATER, LATER]
    assert count(desk, AgreementRow) == before + 3
    assert await desk.give(proposal(desk, 1)) == "ack"  # it is here already
    assert await desk.give(proposal(desk, 9), CARRIER) == "ack"  # another partner's quota is its own


async def test_agreements_that_came_to_nothing_are_forgotten(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proposed, "MAX_PENDING", len(m.encode(proposal(desk, 0))))
    assert await desk.give(proposal(desk, 0)) == "ack"
    desk.now += proposed.FORGOTTEN_MS // 2
    assert await desk.give(proposal(desk, 1)) == LATER
    desk.now += proposed.FORGOTTEN_MS
    assert await desk.give(proposal(desk, 1)) == "ack"
    assert count(desk, PendingAgreementRow) == 1
    assert count(desk, AgreementRow, hash=m.agreement_of(proposal(desk, 0))) == 0


async def test_large_messages_that_wait_are_held_back_sooner(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    messages = [m.ChunkMessage(execution=f"{number:064x}", sha256="ab" * 32, data="A" * 10_000) for number in range(4)]
    monkeypatch.setattr(inbox, "MAX_WAITING_BYTES", 3 * len(m.encode(messages[0])))
    assert [await desk.give(one) for one in messages] == ["ack", "ack", "ack", "nak"]
    assert await desk.give(messages[0], CARRIER) == "ack"


async def test_only_the_newest_refusals_are_remembered(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "_FORGET_EVERY", 10)
    rows = inbox.MAX_REFUSED + 50
    with desk.database.write() as session:
        for number in range(rows):
            session.add(
                InboxRow(partner=SUPPLIER, message_id=f"old {number}", outcome="reject", reason="", since=number)
            )
        session.add(InboxRow(partner=CARRIER, message_id="other", outcome="reject", reason="", since=0))
    for number in range(10):
        desk.now += 1
        assert await desk.inbox.receive(SUPPLIER, f"new {number}", b"{" * (number + 1)) == "ack"
    assert count(desk, InboxRow, partner=SUPPLIER, outcome="reject") <= inbox.MAX_REFUSED + 1
    assert count(desk, InboxRow, partner=SUPPLIER, message_id=m.message_id(BUYER, b"{" * 10)) == 1
    assert count(desk, InboxRow, partner=CARRIER) == 1


async def test_a_partner_that_reads_no_answer_gets_no_more(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """It asks for the whole log, and has its statements refused, again and again, and takes none of it."""
    monkeypatch.setattr(outgoing, "MAX_UNREAD", 5)
    with desk.database.write() as session:
        before = len(session.exec(select(OutboxRow)).all())
    need = m.NeedMessage(execution=desk.parties.execution, size=0)
    for _ in range(3):
        assert await desk.give(need) == "ack"
    assert count(desk, OutboxRow) == before  # the first entries are still there to be read
    author = desk.author()
    verdicts = [await desk.token(author.token(aud=f"{number:064x}")) for number in range(8)]
    assert verdicts[-1] == LATER
    assert count(desk, OutboxRow, partner=SUPPLIER) == 5
    assert await desk.token(author.token()) == "ack"  # what needs no answer is taken in
    assert await desk.token(desk.author(CARRIER).token(aud="0" * 64), CARRIER) == "ack"


def proposed_under(desk: Desk, document: dict[str, Any], number: int) -> m.EntriesMessage:
    """The first entry of one of the supplier's executions under an agreement."""
    name, nonce, key = agreements.agreement_hash(document), b64.encode(number.to_bytes(16)), desk.parties.keys[SUPPLIER]
    execution = agreements.execution_id(name, SUPPLIER, nonce)
    log = Replay(agreements.read(document), name, execution)
    facts: dict[str, Any] = {"v": 1, "iss": SUPPLIER, "aud": name, "execution": execution, "iat": desk.now}
    token = jws.sign(key, STATEMENT, {**facts, "kind": "propose", "basis": None, "body": {"nonce": nonce}})
    entry = log.sequence(log.open(token), desk.now)
    head = Head(**facts, term=0, size=1, root=log.root)
    return m.EntriesMessage(
        execution=execution,
        start=0,
        entries=[msgspec.structs.asdict(entry)],
        statements=[token],
        head=sign_head(key, head),
    )


async def test_proposals_under_one_agreement_count(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """An execution is named by a nonce, so one agreement could bring any number of them."""
    document = agreement_document(desk.parties.keys, initiator=SUPPLIER, coordinator=SUPPLIER)
    message = m.AgreementMessage(agreement=naming_us(desk, document))
    assert await desk.give(message) == "ack"
    monkeypatch.setattr(proposed, "MAX_PENDING", len(m.encode(message)) + 2 * proposed.PER_PROPOSAL)
    before = count(desk, ExecutionRow)
    verdicts = [await desk.give(proposed_under(desk, document, number)) for number in range(4)]
    assert verdicts == ["ack", "ack", LATER, LATER]
    assert count(desk, ExecutionRow) == before + 2
    assert desk.rows("reject") == []


async def test_what_one_partner_has_waiting_holds_up_no_others(desk: Desk) -> None:
    """Its execution moves all the time, so all of it is always due, and it came first."""
    with desk.database.write() as session:
        for number in range(2 * inbox._BATCH):
            payload = m.encode(m.NeedMessage(execution=f"{number:064x}", size=0))
            row = InboxRow(partner=SUPPLIER, message_id=f"{number}", outcome="wait", reason="", since=1, retry_at=0)
            row.payload = payload
            session.add(row)
        token = desk.author(CARRIER).token()
        row = InboxRow(partner=CARRIER, message_id="good", outcome="wait", reason="", since=2, retry_at=1)
        row.payload = m.encode(m.StatementMessage(token=token))
        session.add(row)
    before = desk.seen()[0]
    assert await desk.inbox.retry_waiting(anyway=True) == 1
    assert desk.seen()[0] == before + 1
