"""The outbox: what waits for a partner travels together, in order, until it is confirmed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from sqlmodel import select

from support.alone import Alone
from support.parties import CARRIER, SUPPLIER
from support.trio import until
from tallystick.core.errors import Invalid, TallystickError, Unavailable
from tallystick.node.record import messages as m
from tallystick.node.record import outgoing
from tallystick.node.record.unit import Unit
from tallystick.node.work import line as lines
from tallystick.node.work import outbox as outboxes
from tallystick.node.work.outbox import Outbox
from tallystick.tenants.models.record import OutboxRow


class Post:
    """An outbox at work; ``sent`` are the messages that each partner has confirmed, one list for each transmission."""

    def __init__(self, folder: Path, alone: Alone | None = None) -> None:
        self.alone = alone or Alone(folder)
        self.sent: list[tuple[str, list[str]]] = []
        self.ids: list[str] = []
        self.refuses: list[TallystickError] = []
        self.sending = 0
        self.swallows = 0  # cancellations, as nats-py does
        self.open = asyncio.Event()
        self.open.set()
        self.outbox = Outbox(self.alone.database, self.alone.context, self.alone.committer, self._send)
        self._running = asyncio.create_task(self.outbox.run())

    async def _send(self, partner: str, message_id: str, payload: bytes) -> None:
        self.sending += 1
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            if not self.swallows:
                raise
            self.swallows -= 1
            raise Unavailable("interrupted", code="link_down") from None
        if self.refuses:
            raise self.refuses.pop(0)
        self.ids.append(message_id)
        self.sent.append((partner, [_size(one) for one in m.split(payload)]))

    async def post(self, *sizes: int, partner: str = SUPPLIER) -> None:
        """Queue one message a size, in one commit."""

        def job(unit: Unit) -> None:
            for size in sizes:
                outgoing.post(unit, self.alone.context, partner, m.NeedMessage(execution="e", size=size), "e")

        await self.alone.committer.run(job)

    async def empty(self) -> None:
        """Wait until all is confirmed."""
        await until(self._is_empty)

    async def _is_empty(self) -> bool | None:
        return not self.rows() or None

    def rows(self) -> list[OutboxRow]:
        with self.alone.database.session() as session:
            return list(session.exec(select(OutboxRow).order_by(OutboxRow.id)))  # type: ignore[arg-type]

    async def close(self) -> None:
        self._running.cancel()
        with suppress(asyncio.CancelledError):
            await self._running
        await self.alone.close()


def _size(payload: bytes) -> str:
    message = m.decode(payload)
    return str(message.size) if isinstance(message, m.NeedMessage) else type(message).__name__


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    made = Post(tmp_path)
    yield made
    await made.close()


async def test_what_waits_meanwhile_travels_in_the_next_one(post: Post) -> None:
    post.open.clear()
    await post.post(0)
    await until(partial(_sends, post))
    for number in range(1, 6):
        await post.post(number)
    await post.post(9, partner=CARRIER)
    post.open.set()
    await post.empty()
    mine = [sizes for partner, sizes in post.sent if partner == SUPPLIER]
    assert mine == [["0"], ["1", "2", "3", "4", "5"]]
    assert (CARRIER, ["9"]) in post.sent


async def test_no_more_travels_together_than_a_receiver_takes(post: Post) -> None:
    await post.post(*range(m.MAX_TOGETHER + 1))
    await post.empty()
    assert [len(sizes) for _, sizes in post.sent] == [m.MAX_TOGETHER, 1]


async def test_what_was_not_confirmed_is_sent_again_in_order_under_the_same_id(post: Post) -> None:
    post.refuses = [Unavailable("down", code="link_down")]
    await post.post(1)
    name = post.rows()[0].message_id
    await post.empty()
    assert (post.sent, post.ids) == ([(SUPPLIER, ["1"])], [name])


async def test_what_a_commit_brings_is_sent_without_a_look_at_the_table_and_struck_off_together(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    await post.post(0)
    await post.empty()
    monkeypatch.setattr(outboxes, "STRIKE_S", 3600.0)
    with monkeypatch.context() as blind:
        blind.setattr(lines, "read", _unexpected)
        for number in range(1, 6):
            await post.post(number)
            await until(partial(_sent, post, str(number)))
    rows = post.rows()
    assert len(rows) == 5
    assert outgoing.CONFIRMED.issuperset(row.id for row in rows), "people are told that they wait"
    post.refuses = [Unavailable("down", code="link_down")]  # then it is looked through
    await post.post(6)
    await until(lambda: _sent(post, "6"))
    assert [size for _, sizes in post.sent for size in sizes] == ["0", "1", "2", "3", "4", "5", "6"]
    assert len(post.rows()) == 1
    assert not outgoing.CONFIRMED.intersection(row.id for row in rows)


async def test_what_cannot_be_struck_off_now_is_later(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outboxes, "_TRY_AGAIN_S", 0.05)
    failures = [Unavailable("the disk is full"), Unavailable("the disk is full")]
    strike_off = outboxes._strike_off

    def failing(unit: Unit, *, numbers: list[int]) -> None:
        if failures:
            raise failures.pop()
        strike_off(unit, numbers=numbers)

    monkeypatch.setattr(outboxes, "_strike_off", failing)
    await post.post(1)
    await post.empty()
    assert (post.sent, failures) == ([(SUPPLIER, ["1"])], [])


async def test_more_than_is_kept_in_memory_is_sent_once_and_in_order(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "MAX_KEPT", 7)
    post.open.clear()
    for first in range(0, 60, 3):
        await post.post(*range(first, first + 3))
        await asyncio.sleep(0.01)
    post.open.set()
    await post.empty()
    assert [size for _, sizes in post.sent for size in sizes] == [str(number) for number in range(60)]


async def test_what_an_earlier_life_has_left_goes_first_though_its_clock_was_ahead(tmp_path: Path) -> None:
    alone = Alone(tmp_path)
    years = alone.context.now() + 10 * 365 * 86_400_000

    def job(unit: Unit) -> None:
        left = m.encode(m.NeedMessage(execution="e", size=1))
        unit.insert(
            OutboxRow, id=outgoing.Numbers().next(years), partner=SUPPLIER, message_id="left", execution="e",
            what="need", payload=left, since=0,
        )  # fmt: skip

    await alone.committer.run(job)
    post = Post(tmp_path, alone)
    try:
        await until(lambda: _sent(post, "1"))
        await post.post(2)
        await until(lambda: _sent(post, "2"))
        numbers = outgoing.NUMBERS.next(0)
        assert years * 2_048 < numbers < 2**53
    finally:
        await post.close()


def _unexpected(*_: object) -> None:
    raise AssertionError("the table was read")


async def _sent(post: Post, size: str) -> bool | None:
    return any(size in sizes for _, sizes in post.sent) or None


async def test_a_link_that_comes_up_is_used_at_once(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outboxes, "_BACKOFF", (3600.0,))
    post.refuses = [Unavailable("down", code="link_down")]
    await post.post(1)
    await until(lambda: _tried(post))
    assert post.rows()[0].last_error == "link_down: down"
    post.outbox.nudge(SUPPLIER)
    await post.empty()
    assert post.sent == [(SUPPLIER, ["1"])]


async def _tried(post: Post) -> bool | None:
    return post.rows()[0].attempts == 1 or None


async def test_a_partner_that_takes_less_gets_them_one_by_one(post: Post) -> None:
    post.refuses = [Invalid("too large for us", code="too_large")]
    await post.post(1, 2, 3)
    await post.empty()
    assert post.sent == [(SUPPLIER, ["1"]), (SUPPLIER, ["2"]), (SUPPLIER, ["3"])]


async def test_a_chunk_that_cannot_be_read_holds_up_nothing_else(post: Post) -> None:
    def job(unit: Unit) -> None:
        missing = m.ChunkMessage(execution="e", sha256="ab" * 32)
        outgoing.post(unit, post.alone.context, SUPPLIER, missing, "e")
        for size in (1, 2):
            outgoing.post(unit, post.alone.context, SUPPLIER, m.NeedMessage(execution="e", size=size), "e")

    await post.alone.committer.run(job)
    await until(lambda: _rows(post, 1))
    assert post.sent[0] == (SUPPLIER, ["1", "2"])
    await until(lambda: _noted(post))


async def _rows(post: Post, count: int) -> bool | None:
    return len(post.rows()) == count or None


async def _noted(post: Post) -> bool | None:
    (row,) = post.rows()
    return (row.what == "chunk" and row.attempts > 0 and bool(row.last_error)) or None


async def test_an_outbox_ends_though_what_sends_swallows_that_it_should(tmp_path: Path) -> None:
    """Otherwise a node would not end, and go on sending from a database that is closed."""
    post = Post(tmp_path)
    post.open.clear()
    await post.post(1)
    await until(partial(_sends, post))
    post.swallows = 2
    async with asyncio.timeout(30):
        await post.close()
    assert post.swallows == 0
    assert post.sent == []


async def _sends(post: Post) -> bool | None:
    return bool(post.sending) or None
