"""Comparing what both hold, over one inbox: what is answered, to whom, how much, and what is not."""

import hashlib
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlmodel import select

from node.work.test_inbox import Desk, chunk
from support.parties import CARRIER, SUPPLIER
from tallystick.core import canonical
from tallystick.core.errors import Unavailable
from tallystick.node.record import messages as m
from tallystick.node.record import outgoing, quota, repeats, store, submitting
from tallystick.node.record.pace import Pace
from tallystick.node.work import comparer as comparers
from tallystick.node.work.comparer import GIVE_UP_MS, Comparer
from tallystick.tenants import card as cards
from tallystick.tenants.database import Database
from tallystick.tenants.keystore import Keystore
from tallystick.tenants.models.partner import Partner
from tallystick.tenants.models.record import OutboxRow, PartnerChunkRow, UnattestedRow

STRANGER = "stranger"
ELSEWHERE = "ab" * 32


@asynccontextmanager
async def at_desk(folder: Path, where: Path | str, *, begin: bool = True) -> AsyncIterator[Desk]:
    folder.chmod(0o700)  # noqa: ASYNC240 - before anything else runs
    keystore = Keystore.create(folder / "keystore.json", "correct horse battery staple")
    with Database(where) as database:
        database.create_schema()
        made = Desk(folder, database, keystore)
        if begin:
            await made.begin()
            delivered(made)
        yield made


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with at_desk(tmp_path, tmp_path / "tenant.db") as made:
        yield made


@pytest.fixture(params=["sqlite", "postgres"])
async def either(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Desk]:
    """A desk over a database of each kind."""
    where: Path | str = tmp_path / "tenant.db"
    if request.param == "postgres":
        where = request.getfixturevalue("postgres").new()
    async with at_desk(tmp_path, where) as made:
        yield made


def delivered(desk: Desk) -> None:
    """What waited to be sent has been acknowledged."""
    with desk.database.write() as session:
        for row in session.exec(select(OutboxRow)):
            session.delete(row)


def posted(desk: Desk) -> list[tuple[str, m.Message]]:
    with desk.database.session() as session:
        rows = session.exec(select(OutboxRow).order_by("id")).all()
    return [(row.partner, m.decode(row.payload)) for row in rows]


def kinds(desk: Desk) -> list[tuple[str, str]]:
    return [(partner, type(message).__name__.removesuffix("Message")) for partner, message in posted(desk)]


def held(desk: Desk, size: int, execution: str | None = None) -> m.Held:
    return m.Held(execution=execution or desk.parties.execution, size=size)


async def test_who_holds_less_gets_what_follows(desk: Desk) -> None:
    await desk.token(desk.author().token())
    delivered(desk)
    assert await desk.give(m.HoldingMessage(held=[held(desk, 1)]), CARRIER) == "ack"
    assert kinds(desk) == [(CARRIER, "Entries")]
    [(_, entries)] = posted(desk)
    assert isinstance(entries, m.EntriesMessage)
    assert (entries.start, len(entries.entries)) == (1, 1)


async def test_who_holds_nothing_gets_the_agreement_first(desk: Desk) -> None:
    assert await desk.give(m.NeedMessage(execution=desk.parties.execution, size=0)) == "ack"
    assert kinds(desk) == [(SUPPLIER, "Agreement"), (SUPPLIER, "Entries")]


async def test_what_waits_to_be_sent_is_not_queued_again(desk: Desk) -> None:
    for _ in range(3):
        await desk.give(m.HoldingMessage(held=[held(desk, 0)] * m.MAX_HELD))
        await desk.give(m.NeedMessage(execution=desk.parties.execution, size=0))
    assert kinds(desk) == [(SUPPLIER, "Agreement"), (SUPPLIER, "Entries")]


async def test_who_leaves_too_much_unread_is_not_answered(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is its message kept: it compares again."""
    monkeypatch.setattr(outgoing, "MAX_UNREAD", 1)
    message = m.NeedMessage(execution=ELSEWHERE, size=0)
    await desk.committer.run(lambda unit: outgoing.post(unit, desk.context, SUPPLIER, message, ELSEWHERE))
    assert await desk.give(m.HoldingMessage(held=[held(desk, 0)], offered=[held(desk, 9, "cd" * 32)])) == "ack"
    assert await desk.give(m.NeedChunksMessage(execution=desk.parties.execution, chunks=[ELSEWHERE])) == "ack"
    assert posted(desk) == [(SUPPLIER, message)]
    assert desk.rows("wait") == desk.rows("reject") == []
    await desk.give(m.HoldingMessage(held=[held(desk, 0)]), CARRIER)
    assert [partner for partner, _ in posted(desk)] == [SUPPLIER, CARRIER, CARRIER]


async def test_who_asks_for_more_than_its_share_waits_and_nobody_else_does(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To ask costs nothing; a hundred executions of two hundred entries would keep the writer for seconds."""
    monkeypatch.setattr(repeats, "AT_ONCE", 2)
    message, need = m.HoldingMessage(held=[held(desk, 0)]), m.NeedMessage(execution=desk.parties.execution, size=0)
    for _ in range(3):
        await desk.token(desk.author().token())
        desk.now += 1
    delivered(desk)
    assert await desk.give(message) == "ack"
    assert kinds(desk) == [(SUPPLIER, "Agreement"), (SUPPLIER, "Entries")], "it is answered, and has to make up for it"
    delivered(desk)
    for asked in (message, need):
        assert await desk.give(asked) == ("retry", 2.0)
    assert await desk.give(m.HoldingMessage(card=1)) == "ack", "what asks for no entries is answered"
    assert posted(desk) == []
    assert await desk.give(need, CARRIER) == "ack"
    assert kinds(desk) == [(CARRIER, "Agreement"), (CARRIER, "Entries")]
    delivered(desk)
    desk.now += 1_000
    assert await desk.give(need) == "ack"
    assert kinds(desk) == [(SUPPLIER, "Agreement"), (SUPPLIER, "Entries")]


async def test_what_is_sent_again_has_another_id(desk: Desk) -> None:
    """A stream takes no id twice within two minutes, also when it has lost what came under it."""
    ids = []
    for _ in range(2):
        await desk.give(m.NeedMessage(execution=desk.parties.execution, size=0))
        with desk.database.session() as session:
            ids += [row.message_id for row in session.exec(select(OutboxRow))]
        delivered(desk)
    assert len(set(ids)) == 4
    assert len({one.partition(".")[0] for one in ids}) == 2


@pytest.mark.parametrize("size", [1, 2, canonical.MAX_INTEGER])
async def test_who_holds_as_much_or_more_gets_nothing(desk: Desk, size: int) -> None:
    everything = m.HoldingMessage(held=[held(desk, size)], unattested=[desk.parties.execution])
    assert await desk.give(everything) == "ack"
    assert posted(desk) == []


async def test_who_takes_no_part_learns_nothing(desk: Desk) -> None:
    """The same answers as for an execution that is not known here, of which there may be none."""
    given = []
    for execution in (desk.parties.execution, ELSEWHERE):
        message = m.HoldingMessage(held=[held(desk, 0, execution)], unattested=[execution])
        assert await desk.give(message, STRANGER) == "ack"
        assert posted(desk) == []
        await desk.give(m.HoldingMessage(offered=[held(desk, 1, execution)]), STRANGER)
        given.append(posted(desk))
        delivered(desk)
    needs = [(STRANGER, m.NeedMessage(execution=one, size=0)) for one in (desk.parties.execution, ELSEWHERE)]
    assert given == [[need] for need in needs]
    assert desk.rows("wait") == desk.rows("reject") == []


async def test_an_offer_that_is_not_known_is_asked_for_once(desk: Desk) -> None:
    for _ in range(3):
        await desk.give(m.HoldingMessage(offered=[held(desk, 2, ELSEWHERE)]))
    assert posted(desk) == [(SUPPLIER, m.NeedMessage(execution=ELSEWHERE, size=0))]


async def test_another_coordinates_what_is_offered_as_its_own(desk: Desk) -> None:
    """We coordinate it ourselves: the answer is the one for what is not known, and changes nothing here."""
    before = desk.seen()
    await desk.give(m.HoldingMessage(offered=[held(desk, 99)]))
    assert posted(desk) == [(SUPPLIER, m.NeedMessage(execution=desk.parties.execution, size=0))]
    assert desk.seen() == before


BAD: dict[str, dict[str, Any]] = {
    "too many held": {"held": [{"execution": ELSEWHERE, "size": 0}] * (m.MAX_HELD + 1)},
    "too many offered": {"offered": [{"execution": ELSEWHERE, "size": 0}] * (m.MAX_HELD + 1)},
    "too many unattested": {"unattested": [ELSEWHERE] * (m.MAX_HELD + 1)},
    "a negative size": {"held": [{"execution": ELSEWHERE, "size": -1}]},
    "a size that is text": {"held": [{"execution": ELSEWHERE, "size": "1"}]},
    "a size that is true": {"held": [{"execution": ELSEWHERE, "size": True}]},
    "no size": {"held": [{"execution": ELSEWHERE}]},
    "one member more": {"held": [{"execution": ELSEWHERE, "size": 0, "root": ELSEWHERE}]},
    "a short id": {"unattested": ["ab"]},
    "an id with a line feed": {"unattested": [ELSEWHERE + "\n"]},
    "an id in capitals": {"unattested": [ELSEWHERE.upper()]},
    "null": {"held": None},
}


@pytest.mark.parametrize("name", BAD)
async def test_what_is_malformed_is_refused(desk: Desk, name: str) -> None:
    payload = canonical.encode({"v": 1, "type": "holding", **BAD[name]})
    assert await desk.inbox.receive(SUPPLIER, "bad", payload) == "ack"
    assert [row.reason.partition(":")[0] for row in desk.rows("reject")] == ["bad_message"]
    assert posted(desk) == []


@pytest.mark.parametrize("names", [["ab" * 32] * (m.MAX_NEEDED_CHUNKS + 1), ["../../keystore.json"], ["ab"], [1]])
async def test_a_request_for_chunks_is_strict(desk: Desk, names: list[Any]) -> None:
    payload = canonical.encode({"v": 1, "type": "need_chunks", "execution": desk.parties.execution, "chunks": names})
    assert await desk.inbox.receive(SUPPLIER, "bad", payload) == "ack"
    assert [row.reason.partition(":")[0] for row in desk.rows("reject")] == ["bad_message"]


async def test_a_chunk_that_no_opening_of_the_execution_names_is_not_given(desk: Desk) -> None:
    """It is here, of another execution perhaps; a stranger is told of no execution whatever it asks for."""
    content = b"secret" * 20
    assert await desk.give(chunk(desk, content), CARRIER) == "ack"
    name = hashlib.sha256(content).hexdigest()
    asked = m.NeedChunksMessage(execution=desk.parties.execution, chunks=[name])
    assert desk.context.chunks.has(name)
    assert await desk.give(asked) == "ack"
    assert await desk.give(asked, STRANGER) == "ack"
    assert posted(desk) == []
    assert [row.reason.partition(":")[0] for row in desk.rows("wait")] == ["no_execution"]


async def test_a_chunk_that_comes_after_its_opening_costs_no_quota(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "MAX_UNNAMED", 50)
    monkeypatch.setattr(quota, "PER_CHUNK", 0)
    one = chunk(desk, b"a" * 100)
    execution = desk.parties.execution
    await desk.committer.run(lambda unit: quota.named(unit, desk.context, SUPPLIER, execution, [one.sha256]))
    assert await desk.give(one) == "ack"
    with desk.database.session() as session:
        [row] = session.exec(select(PartnerChunkRow)).all()
    assert (row.needed, row.execution, row.size) == (True, None, 100)


async def test_a_refusal_that_was_lost_is_made_again(desk: Desk) -> None:
    """Its author sends the statement again until it hears of it; one row remembers what became of it."""
    token = desk.author().token(basis={"term": 0, "size": 1, "root": "00" * 32})
    for _ in range(2):
        assert await desk.token(token) == "ack"
        desk.now += 1
    assert [one.code for one in desk.refusals()] == ["contradictory_basis"] * 2
    assert len(desk.rows("reject")) == 1


def test_a_pace_that_begins_more_slowly_than_it_ends_is_refused() -> None:
    with pytest.raises(ValueError, match="seldom_ms"):
        Pace(quiet_ms=5_000, seldom_ms=1_000)


def test_what_is_silent_is_due_each_time_its_silence_has_doubled() -> None:
    for pace in (Pace(), Pace(quiet_ms=100, seldom_ms=1_000), Pace(quiet_ms=5_000, seldom_ms=5_000)):
        silent, times = 0, []
        while silent < 10 * pace.seldom_ms:
            following = pace.next(silent)
            assert pace.steps(following) == pace.steps(following - 1) + 1 == pace.steps(silent) + 1
            times.append(following)
            silent = following
        assert times[0] == pace.quiet_ms
        assert all(later - sooner <= pace.seldom_ms for sooner, later in itertools.pairwise(times))


async def test_a_statement_is_sent_again_up_to_the_limit_and_goes_to_everyone_at_it(desk: Desk) -> None:
    with desk.database.session() as session:
        loaded = store.load(session, desk.parties.execution)
    now = 0
    times: list[int] = []
    while len(times) < 6:
        now = submitting.next_at(desk.context, loaded, 0, now)
        times.append(now)
    assert times == [30_000, 60_000, 120_000, 240_000, 480_000, 960_000]
    limits = msgspec.structs.replace(loaded.agreement.limits, sequencing_ms=90_000)
    loaded.replay.agreement = msgspec.structs.replace(loaded.agreement, limits=limits)
    times = [submitting.next_at(desk.context, loaded, 0, now) for now in (0, 45_000, 90_000)]
    assert times == [45_000, 90_000, 180_000]


def linked(desk: Desk, *orgs: str) -> Comparer:
    """The comparer of an organisation with these partners."""
    with desk.database.write() as session:
        for org in orgs:
            session.add(
                Partner(org_id=org, card="", root_key="", issued_at=desk.now, updated_at=desk.now, since=desk.now)
            )
    return Comparer(desk.database, desk.context, desk.committer)


async def test_whose_consent_is_awaited_is_told_at_start_and_then_less_and_less_often(either: Desk) -> None:
    desk = either
    comparer = linked(desk, SUPPLIER)  # the carrier is no partner, or is suspended
    began = desk.now
    told = (SUPPLIER, m.HoldingMessage(offered=[held(desk, 1)], card=began))
    assert await comparer._once({None}) == began + 60_000
    assert posted(desk) == [told]
    delivered(desk)
    times = []
    for minute in (1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 33, 59, 60, 61, 63, 65, 119, 120):
        desk.now = began + minute * 60_000
        await comparer._once(set())
        if posted(desk):
            assert posted(desk) == [told]
            times.append(minute)
            delivered(desk)
    assert times == [1, 2, 4, 8, 16, 32, 60, 120]
    await comparer._once({SUPPLIER})  # its link has come up
    assert posted(desk) == [told]


async def test_a_partner_that_confirms_nothing_is_told_once(desk: Desk) -> None:
    comparer = linked(desk, SUPPLIER, CARRIER)
    await comparer._once({None})
    for _ in range(5):
        desk.now += 3_600_000
        await comparer._once(set())
    assert sorted(kinds(desk)) == sorted([(SUPPLIER, "Holding"), (CARRIER, "Holding")])


async def test_whose_link_comes_and_goes_is_told_no_more_than_it_may_leave_unread(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing, "MAX_UNREAD", 2)
    comparer = linked(desk, SUPPLIER)
    for _ in range(5):
        await comparer._once({SUPPLIER})
    assert kinds(desk) == [(SUPPLIER, "Holding")] * 2


async def test_what_was_due_and_could_not_be_told_is_due_still(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    comparer = linked(desk, SUPPLIER)
    await comparer._once({None})
    delivered(desk)
    desk.now += 60_000

    async def fail(*_: Any) -> None:
        raise Unavailable("the database does not answer")

    with monkeypatch.context() as down:
        down.setattr(desk.committer, "run", fail)
        with pytest.raises(Unavailable):
            await comparer._once(set())
    assert posted(desk) == []
    await comparer._once(set())
    assert kinds(desk) == [(SUPPLIER, "Holding")]


async def test_what_has_not_come_is_asked_for_for_a_month(either: Desk) -> None:
    desk = either
    comparer, began = linked(desk, SUPPLIER, CARRIER), desk.now
    name, execution = "cd" * 32, desk.parties.execution
    await desk.committer.run(lambda unit: quota.named(unit, desk.context, SUPPLIER, execution, [name]))
    number = await desk.committer.run(lambda unit: store.number_of(unit, execution))
    with desk.database.write() as session:
        session.add(UnattestedRow(number=number, partner=CARRIER, since=desk.now))
    desk.now += 60_000
    await comparer._once(set())
    found = posted(desk)
    assert (SUPPLIER, m.NeedChunksMessage(execution=execution, chunks=[name])) in found
    assert (CARRIER, m.HoldingMessage(offered=[held(desk, 1)], unattested=[execution], card=began)) in found
    delivered(desk)
    desk.now += GIVE_UP_MS
    await comparer._once({None})
    asked = [message for _, message in posted(desk)]
    assert asked == [m.HoldingMessage(offered=[held(desk, 1)], card=began)] * 2
    with desk.database.session() as session:
        assert session.exec(select(UnattestedRow)).all() == []


async def test_chunks_that_one_never_sends_keep_nobody_elses_away(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparers, "MAX_CHUNKS", 3)
    comparer, execution = linked(desk, SUPPLIER, CARRIER), desk.parties.execution
    names = [f"{number:064x}" for number in range(5)]
    await desk.committer.run(lambda unit: quota.named(unit, desk.context, SUPPLIER, execution, names))
    desk.now += 1
    await desk.committer.run(lambda unit: quota.named(unit, desk.context, CARRIER, execution, ["cd" * 32]))
    desk.now += 60_000
    await comparer._once(set())
    asked = {partner: one.chunks for partner, one in posted(desk) if isinstance(one, m.NeedChunksMessage)}
    assert (len(asked[SUPPLIER]), asked[CARRIER]) == (3, ["cd" * 32])


async def test_where_nothing_is_open_nobody_looks(desk: Desk) -> None:
    """The comparer of a tenant without partners or open executions sleeps until something is committed."""
    assert await linked(desk)._once({None}) is None
    assert posted(desk) == []


async def test_who_has_an_older_card_of_ours_gets_the_newest_again(desk: Desk) -> None:
    keystore = desk.context.keystore
    facts: dict[str, Any] = {
        "org_id": desk.context.org_id,
        "name": "华夏",
        "domain": "huaxia.example",
        "capabilities": (),
    }
    facts |= {"endpoint_url": "https://huaxia.example", "chain_org": "0x" + "0" * 64, "leaf_url": None}
    newest = m.CardMessage(token=cards.build(keystore, tls_ca=None, issued_at=5_000, **facts))
    await desk.give(m.HoldingMessage(card=4_999))
    assert posted(desk) == [], "there is none yet"
    desk.context.own_card.keep(newest.token)
    for iat in (0, 5_000, 5_001):
        await desk.give(m.HoldingMessage(card=iat))
    assert posted(desk) == []
    for _ in range(3):
        await desk.give(m.HoldingMessage(card=4_999))
    assert posted(desk) == [(SUPPLIER, newest)]


async def test_whose_card_here_is_older_than_it_says_is_asked_for_it(desk: Desk) -> None:
    await desk.give(m.HoldingMessage(own_card=desk.now), "stranger")
    linked(desk, SUPPLIER)
    for iat in (0, desk.now - 1, desk.now):
        await desk.give(m.HoldingMessage(own_card=iat))
    assert posted(desk) == []
    for _ in range(3):
        await desk.give(m.HoldingMessage(own_card=desk.now + 1))
    assert posted(desk) == [(SUPPLIER, m.HoldingMessage(card=desk.now))]


async def test_a_partner_with_whom_nothing_is_open_is_told_which_card_is_here(tmp_path: Path) -> None:
    """At start, and when its link comes up: it may have sent a newer one that was lost."""
    async with at_desk(tmp_path, tmp_path / "tenant.db", begin=False) as desk:
        comparer, began = linked(desk, SUPPLIER, CARRIER), desk.now
        told = m.HoldingMessage(card=began)
        assert await comparer._once({None}) is None
        assert posted(desk) == [(SUPPLIER, told), (CARRIER, told)] or posted(desk) == [
            (CARRIER, told),
            (SUPPLIER, told),
        ]
        delivered(desk)
        await comparer._once(set())
        assert posted(desk) == []
        await comparer._once({CARRIER})
        assert posted(desk) == [(CARRIER, told)]
