"""The inbox against a partner who keeps no rule: everything ends in reject or wait, and changes nothing."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, select

from support.hostile import FORGERIES, WAITING, Author
from support.parties import BUYER, CARRIER, NOON, SUPPLIER, Parties
from tallystick.core import b64, jws, statement
from tallystick.core.head import Receipt, read_refusal, sign_receipt
from tallystick.core.statement import ATTESTATION
from tallystick.node.links.handling import Verdict
from tallystick.node.record import coordinator, quota, store, submitting
from tallystick.node.record import messages as m
from tallystick.node.record.chunks import Chunks
from tallystick.node.record.context import Context
from tallystick.node.record.unit import Unit
from tallystick.node.work import inbox as inboxes
from tallystick.node.work.bell import Bell
from tallystick.node.work.committer import Committer
from tallystick.node.work.inbox import Inbox
from tallystick.tenants.database import Database
from tallystick.tenants.keystore import Keystore
from tallystick.tenants.models.record import InboxRow, OutboxRow, PartnerChunkRow, ReceiptRow, StatementRow


class Desk:
    """The coordinator's inbox over its database, and what its partners say."""

    def __init__(self, folder: Path, database: Database, keystore: Keystore) -> None:
        self.now = NOON
        self.database = database
        self.parties = Parties(keys={BUYER: keystore.signing_key})
        chunks = Chunks(folder / "chunks")
        self.context = Context(org_id=BUYER, keystore=keystore, chunks=chunks, clock=lambda: self.now)
        self.committer = Committer(database, finish=lambda unit: coordinator.seal(unit, self.context))
        self.inbox = Inbox(database, self.context, Bell(), self.committer)
        self.sent = 0

    async def give(self, message: m.Message, partner: str = SUPPLIER) -> Verdict:
        """Deliver a message as the transport does; the verdict."""
        self.sent += 1
        return await self.inbox.receive(partner, f"{self.sent}", m.encode(message))

    async def token(self, token: str, partner: str = SUPPLIER) -> Verdict:
        return await self.give(m.StatementMessage(token=token), partner)

    async def begin(self) -> None:
        """The proposal stands in our log; both partners' consents are to come."""
        said = self.parties.open(self.parties.token(BUYER, "propose", {"nonce": self.parties.nonce}))
        token = self.parties.token(BUYER, "propose", {"nonce": self.parties.nonce})

        def job(unit: Unit) -> None:
            name, agreement, _ = store.put_agreement(unit, self.parties.document)
            loaded = store.create(unit, name, agreement, self.parties.execution, self.now)
            coordinator.sequence(unit, self.context, loaded, said, token, {})

        await self.committer.run(job)

    def seen(self) -> tuple[int, str, str, int]:
        """All that a message could change."""
        with self.database.session() as session:
            loaded = store.load(session, self.parties.execution)
            return loaded.state.size, loaded.replay.root, loaded.state.status, len(loaded.state.tasks)

    def author(self, org: str = SUPPLIER) -> Author:
        """A partner about to consent."""
        size, root, *_ = self.seen()
        payload = {
            "v": 1,
            "iss": org,
            "aud": self.parties.hash,
            "kind": "consent",
            "execution": self.parties.execution,
            "basis": {"term": 0, "size": size, "root": root},
            "iat": self.now,
            "body": {"decision": "accepted"},
        }
        return Author(self.parties.keys[org], payload)

    def rows(self, outcome: str) -> list[InboxRow]:
        with self.database.session() as session:
            return list(session.exec(select(InboxRow).where(col(InboxRow.outcome) == outcome)))

    def refusals(self) -> list[Any]:
        """What the partner is told."""
        with self.database.session() as session:
            rows = session.exec(select(OutboxRow).where(OutboxRow.what == "refusal"))
            read = [m.decode(row.payload) for row in rows]
        return [read_refusal(one.token)[1] for one in read if isinstance(one, m.RefusalMessage)]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    tmp_path.chmod(0o700)  # noqa: ASYNC240 - before anything else runs
    keystore = Keystore.create(tmp_path / "keystore.json", "correct horse battery staple")
    with Database(tmp_path / "tenant.db") as database:
        database.create_schema()
        made = Desk(tmp_path, database, keystore)
        await made.begin()
        yield made


async def test_a_good_statement_is_taken_in_once(desk: Desk) -> None:
    token = desk.author().token()
    for _ in range(3):
        assert await desk.token(token) == "ack"
    assert desk.seen()[0] == 2
    assert desk.rows("reject") == []


@pytest.mark.parametrize("name", FORGERIES)
async def test_a_forgery_changes_nothing_and_says_why(desk: Desk, name: str) -> None:
    before = desk.seen()
    assert await desk.token(FORGERIES[name](desk.author())) == "ack"
    assert desk.seen() == before
    (row,) = desk.rows("wait" if name in WAITING else "reject")
    assert row.reason.split(": ")[0].islower()
    assert await desk.token(desk.author().token()) == "ack"
    assert desk.seen()[0] == 2


async def test_messages_that_came_as_one_each_have_their_own_end(desk: Desk) -> None:
    """Good, forged, junk, waiting and good again: the good ones count, and the transport is told once."""
    author, carrier = desk.author(), desk.author(CARRIER)
    names = ["alg none", "from the far future"]
    tokens = [author.token(), *(FORGERIES[name](author) for name in names), carrier.token()]
    several = [m.encode(m.StatementMessage(token=token)) for token in tokens]
    several.insert(2, b"{")
    for _ in range(2):
        assert await desk.inbox.receive(SUPPLIER, "together", m.join(several)) == "ack"
        assert desk.seen()[0] == 3
        assert (len(desk.rows("reject")), len(desk.rows("wait"))) == (2, 1)


async def test_too_many_messages_as_one_are_refused_as_one(desk: Desk) -> None:
    token = desk.author().token()
    flood = m.join([m.encode(m.StatementMessage(token=token))] + [b"x"] * m.MAX_TOGETHER)
    assert await desk.inbox.receive(SUPPLIER, "flood", flood) == "ack"
    (row,) = desk.rows("reject")
    assert (row.message_id, row.reason.partition(":")[0]) == ("flood", "too_many_messages")
    assert desk.seen()[0] == 1


async def test_one_that_has_to_come_again_brings_the_others_along(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inboxes, "MAX_WAITING", 0)
    author = desk.author()
    several = [author.token(), FORGERIES["from the far future"](author)]
    payload = m.join([m.encode(m.StatementMessage(token=token)) for token in several])
    assert await desk.inbox.receive(SUPPLIER, "together", payload) == "nak"
    assert desk.seen()[0] == 2  # what could be taken in was
    monkeypatch.setattr(inboxes, "MAX_WAITING", 10)
    assert await desk.inbox.receive(SUPPLIER, "together", payload) == "ack"
    assert desk.seen()[0] == 2


async def test_an_id_that_comes_again_with_other_content_is_judged_by_its_content(desk: Desk) -> None:
    for token in (desk.author().token(), desk.author(CARRIER).token()):
        assert await desk.inbox.receive(SUPPLIER, "same", m.encode(m.StatementMessage(token=token))) == "ack"
    assert desk.seen()[0] == 3


async def test_a_refusal_is_signed_and_names_the_statement(desk: Desk) -> None:
    token = FORGERIES["resting on another history"](desk.author())
    await desk.token(token)
    (refusal,) = desk.refusals()
    assert refusal.statement_id == statement.read(token)[1].id
    assert (refusal.iss, refusal.code) == (BUYER, "contradictory_basis")


async def test_another_partners_statement_is_taken_from_whoever_relays_it(desk: Desk) -> None:
    assert await desk.token(desk.author(CARRIER).token(), partner=SUPPLIER) == "ack"
    assert desk.seen()[0] == 2


async def test_a_stranger_does_not_learn_that_there_is_an_execution(desk: Desk) -> None:
    """Whatever it sends about one that it takes no part in ends as if there were none, and wakes with nothing."""
    before, here, nowhere = desk.seen(), desk.parties.execution, "ab" * 32
    author, told = desk.author(), []
    for execution in (here, nowhere):
        head = {name: author.payload[name] for name in ("v", "iss", "aud", "iat")}
        head |= {"execution": execution, "term": 0, "size": 1, "root": "ab" * 32}
        token = author.token(execution=execution)
        entry = {"v": 1, "execution": execution}
        messages: list[m.Message] = [
            m.StatementMessage(token=token),
            m.SubmissionMessage(token=token),
            m.AttestationMessage(token=jws.sign(author.key, ATTESTATION, head)),
            m.NeedMessage(execution=execution, size=0),
            m.NeedChunksMessage(execution=execution, chunks=["ab" * 32]),
            m.ChunkMessage(execution=execution, sha256="ab" * 32, data="AA"),
            m.AnchorMessage(execution=execution, proof={}),
            m.EntriesMessage(execution=execution, start=0, entries=[entry], statements=[token], head=token),
        ]
        outcomes = [await desk.inbox.take("mallory", "", m.encode(one)) for one in messages]
        told.append([(one.word, one.error and (one.error.code, one.error.detail)) for one in outcomes])
    assert told[0] == told[1]
    assert {word for word, _ in told[0]} == {"wait"}
    assert desk.seen() == before
    assert desk.refusals() == []
    assert {row.execution for row in desk.rows("wait")} == {None, nowhere}


@pytest.mark.parametrize(
    "payload", [b"", b"{", b"\xff", b'{"v":1,"type":"overrule"}', b'{"v":2}', b"[" * 100_000, b'{"v":1,"v":1}']
)
async def test_what_is_no_message_is_refused(desk: Desk, payload: bytes) -> None:
    before = desk.seen()
    assert await desk.inbox.receive(SUPPLIER, "x", payload) == "ack"
    assert desk.seen() == before
    assert len(desk.rows("reject")) == 1


async def test_what_waits_goes_through_when_its_execution_moves(desk: Desk) -> None:
    """The carrier's consent rests on the supplier's, which comes later."""
    parties = desk.parties
    parties.say(BUYER, "propose", {"nonce": parties.nonce})  # the same history, made by the same rules
    first = desk.author()
    before = desk.seen()
    await desk.token(desk.author(CARRIER).token(basis={"term": 0, "size": before[0] + 1, "root": before[1]}))
    assert [row.execution for row in desk.rows("wait")] == [parties.execution]
    assert await desk.inbox.retry_waiting() == 0  # not due yet, and nothing has moved
    await desk.token(first.token())
    assert await desk.inbox.retry_waiting() == 1  # due at once, though no time has passed
    assert desk.rows("wait") == []
    assert desk.rows("reject")[0].reason.startswith("contradictory_basis")  # it named a root that never was


async def test_what_a_replica_has_left_waiting_is_found(desk: Desk) -> None:
    """This process knows of nothing, so it looks now and then, or when somebody knows that something is due."""
    assert await desk.inbox.retry_waiting() == 0
    replica = Inbox(desk.database, desk.context, Bell(), Committer(desk.database))
    for anyway in (False, True):
        token = desk.author().token(iat=desk.now + 3_600_000)
        message = m.encode(m.StatementMessage(token=token))
        assert (await replica.take(SUPPLIER, m.message_id(BUYER, message), message)).word == "wait"
        assert len(desk.rows("wait")) == 1
        desk.now += inboxes.LOOK_AGAIN_MS - 1
        assert await desk.inbox.retry_waiting() == 0
        desk.now += 3_600_000 if anyway else 1
        assert await desk.inbox.retry_waiting(anyway=anyway) == anyway
        desk.now += 3_600_000
        await desk.inbox.retry_waiting()
        assert desk.rows("wait") == []


async def test_what_waits_for_time_is_tried_ever_more_rarely(desk: Desk) -> None:
    author = desk.author()
    await desk.token(author.token(iat=desk.now + 3_600_000))
    due = []
    for _ in range(16):
        (row,) = desk.rows("wait")
        assert row.retry_at is not None
        due.append(row.retry_at - desk.now)
        desk.now = row.retry_at
        await desk.inbox.retry_waiting()
    assert due == sorted(due)
    assert (due[0], due[-1]) == (inboxes.SOONEST_MS, inboxes.LATEST_MS)
    desk.now += 3_600_000
    await desk.inbox.retry_waiting()
    assert desk.rows("wait") == []
    assert desk.seen()[0] == 2


async def test_a_partner_may_have_only_so_much_waiting(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inboxes, "MAX_WAITING", 3)
    author = desk.author()
    verdicts = [await desk.token(author.token(execution=f"{number:064x}")) for number in range(5)]
    assert verdicts == ["ack", "ack", "ack", "nak", "nak"]
    assert await desk.token(author.token(execution="ab" * 32), partner=CARRIER) == "ack"
    assert await desk.token(author.token()) == "ack"
    assert desk.seen()[0] == 2


def chunk(desk: Desk, content: bytes) -> m.ChunkMessage:
    name = hashlib.sha256(content).hexdigest()
    return m.ChunkMessage(execution=desk.parties.execution, sha256=name, data=b64.encode(content))


async def test_chunks_that_nothing_names_are_bounded_by_partner(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "MAX_UNNAMED", 250)
    monkeypatch.setattr(quota, "PER_CHUNK", 0)
    contents = [bytes([number]) * 100 for number in range(4)]
    verdicts = [await desk.give(chunk(desk, one)) for one in contents]
    assert verdicts == ["ack", "ack", ("retry", 2.0), ("retry", 2.0)]
    assert await desk.give(chunk(desk, contents[0])) == "ack"  # here already: costs nothing
    assert await desk.give(chunk(desk, contents[3]), CARRIER) == "ack"  # the carrier has a quota of its own
    desk.now += quota.KEPT_MS + 1
    assert await desk.give(chunk(desk, contents[2])) == "ack"  # what nothing named for a day makes room
    kept = [desk.context.chunks.has(chunk(desk, one).sha256) for one in contents]
    assert kept == [False, False, True, True]


async def test_a_chunk_of_a_byte_counts_as_the_file_that_it_is(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "MAX_UNNAMED", 2 * (quota.PER_CHUNK + 1))
    verdicts = [await desk.give(chunk(desk, bytes([number]))) for number in range(3)]
    assert verdicts == ["ack", "ack", ("retry", 2.0)]


async def test_a_chunk_that_was_removed_is_asked_for_once_a_value_names_it(desk: Desk) -> None:
    """The transaction that removed its bytes has failed, so its row is there."""
    one, execution = chunk(desk, b"a" * 100), desk.parties.execution
    assert await desk.give(one) == "ack"
    desk.context.chunks.remove(one.sha256)
    desk.now += quota.KEPT_MS + 1
    await desk.committer.run(lambda unit: quota.named(unit, desk.context, SUPPLIER, execution, [one.sha256]))
    with desk.database.session() as session:
        [row] = session.exec(select(PartnerChunkRow))
    assert (row.needed, row.execution, row.at) == (True, execution, desk.now)
    assert await desk.give(one) == "ack"
    assert desk.context.chunks.has(one.sha256)


async def test_a_named_chunk_costs_no_quota(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "MAX_UNNAMED", 150)
    monkeypatch.setattr(quota, "PER_CHUNK", 0)
    first, second = chunk(desk, b"a" * 100), chunk(desk, b"b" * 100)
    assert await desk.give(first) == "ack"
    await desk.committer.run(lambda unit: quota.named(unit, desk.context, SUPPLIER, "e", [first.sha256, "ff" * 32]))
    assert await desk.give(second) == "ack"
    with desk.database.session() as session:
        assert {row.needed for row in session.exec(select(PartnerChunkRow))} == {True, False}


async def test_a_chunk_of_another_name_is_refused(desk: Desk) -> None:
    await desk.give(m.ChunkMessage(execution=desk.parties.execution, sha256="ab" * 32, data=b64.encode(b"x")))
    assert desk.rows("reject")[0].reason.startswith("wrong_chunk")
    assert not desk.context.chunks.has("ab" * 32)


async def test_a_submission_is_sequenced_and_signed_for(desk: Desk) -> None:
    """Whoever coordinates gives it its place; the receipt goes to its author, once more when it comes again."""
    token = desk.author().token()
    assert await desk.give(m.SubmissionMessage(token=token)) == "ack"
    assert desk.seen()[0] == 2
    with desk.database.session() as session:
        [receipt] = session.exec(select(ReceiptRow)).all()
        [posted] = session.exec(select(OutboxRow).where(OutboxRow.what == "receipt")).all()
    assert (receipt.iss, posted.partner) == (BUYER, SUPPLIER)
    assert await desk.give(m.SubmissionMessage(token=token)) == "ack"
    assert desk.seen()[0] == 2


async def test_only_the_author_submits_and_only_so_much(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    token = desk.author().token()
    await desk.give(m.SubmissionMessage(token=token), CARRIER)
    monkeypatch.setattr(submitting, "MAX_SUBMITTED", 0)
    await desk.give(m.SubmissionMessage(token=token))
    assert desk.seen()[0] == 1
    with desk.database.session() as session:
        reasons = [row.reason.partition(":")[0] for row in session.exec(select(InboxRow))]
        assert not session.exec(select(ReceiptRow)).all()
    assert sorted(reasons) == ["too_many_submissions", "wrong_issuer"]


async def test_receipts_are_kept_of_what_we_said_only(desk: Desk) -> None:
    facts: dict[str, Any] = {
        "v": 1,
        "iss": SUPPLIER,
        "aud": desk.parties.hash,
        "execution": desk.parties.execution,
        "basis": None,
    }
    key = desk.parties.keys[SUPPLIER]
    for name, partner in ((await _own(desk), SUPPLIER), ("5" * 64, SUPPLIER), (await _own(desk), CARRIER)):
        token = sign_receipt(key, Receipt(**facts, statement_id=name, iat=desk.now))
        await desk.give(m.ReceiptMessage(token=token), partner)
    with desk.database.session() as session:
        kept = [(row.iss, row.statement_id) for row in session.exec(select(ReceiptRow))]
        reasons = {row.reason.partition(":")[0] for row in session.exec(select(InboxRow))}
    assert kept == [(SUPPLIER, await _own(desk))]
    assert reasons == {"unknown_statement", "wrong_issuer"}


async def _own(desk: Desk) -> str:
    with desk.database.session() as session:
        return session.exec(select(StatementRow.id).where(StatementRow.iss == BUYER)).one()
