"""Which leaves count on which chain: each once, in order, padding never, whenever the chain joined."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tallystick.node.anchoring import shared
from tallystick.node.anchoring.batching import SqlBatching
from tallystick.node.anchoring.shared import Shared, counts
from tallystick.node.record import onchain
from tallystick.node.work.committer import Committer
from tallystick.tenants.database import Database
from tallystick.tenants.models.anchor import LeafRow

SAFE, QUICK = '"safe"', '{"confirmations":1}'
ORG = "0x" + "11" * 32


class Log:
    """A log in a tenant's database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.committer = Committer(database)
        self._size = 0

    def append(self, *finalities: str | None, due_at: int = 0, max_leaves: int = 1, padding: str = '"none"') -> None:
        """Leaves with those finalities; None is padding."""
        with self.database.write() as session:
            for finality in finalities:
                kind = onchain.PADDING if finality is None else onchain.START
                row = LeafRow(
                    index=self._size, execution=f"{self._size}", kind=kind, data=b"", since=0, padding=padding
                )
                row.finality, row.due_at, row.max_leaves = finality or QUICK, due_at, max_leaves
                session.add(row)
                self._size += 1

    async def take_up(self, one: Shared) -> int:
        """Rounds until nothing is left; how many commits that took."""
        commits = 0
        while True:
            with self.database.session() as session:
                if not one.behind(session):
                    return commits
            await self.committer.run(one.take_up)
            commits += 1

    def missing(self, one: Shared, limit: int = 100) -> dict[str, list[int]]:
        """What does not count yet, by finality."""
        with self.database.session() as session:
            return {each: list(one.missing(session, each, limit)) for each in one.finalities(session)}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Give an empty one."""
    tmp_path.chmod(0o700)
    with Database(tmp_path / "tenant.db") as made:
        made.create_schema()
        yield made


@pytest.fixture
async def log(database: Database) -> AsyncIterator[Log]:
    """Give an empty one."""
    made = Log(database)
    yield made
    await made.committer.close()


async def test_each_leaf_is_missing_until_it_counts_and_again_when_it_does_not(log: Log) -> None:
    one = Shared()
    assert (await log.take_up(one), log.missing(one)) == (0, {})
    log.append(QUICK, SAFE, None, QUICK)
    assert await log.take_up(one) == 1
    assert log.missing(one) == {SAFE: [1], QUICK: [0, 3]}
    await log.committer.run(lambda unit: one.mark(unit, 0, (7, "0xaa")))
    await log.committer.run(lambda unit: one.mark(unit, 3, (9, "0xbb")))
    assert log.missing(one) == {SAFE: [1]}
    with log.database.session() as session:
        assert one.newest(session, 9) == [(3, 9, "0xbb"), (0, 7, "0xaa")]
        assert one.newest(session, 1) == [(3, 9, "0xbb")]
        assert [counts(session, index) for index in range(5)] == [True, False, False, True, False]
    await log.committer.run(lambda unit: one.mark(unit, 3, None))
    assert log.missing(one) == {SAFE: [1], QUICK: [3]}
    assert await log.take_up(one) == 0


async def test_a_chain_that_joins_a_long_log_gets_all_of_it_page_by_page(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "PAGE", 4)
    first, further = Shared(), Shared(31338)
    log.append(*[QUICK, None] * 5)
    await log.take_up(first)
    await log.committer.run(lambda unit: first.mark(unit, 0, (7, "0xaa")))
    assert log.missing(further) == {}
    assert await log.take_up(further) == 3
    assert log.missing(further) == {QUICK: [0, 2, 4, 6, 8]}
    assert log.missing(first) == {QUICK: [2, 4, 6, 8]}
    assert log.missing(further, limit=2) == {QUICK: [0, 2]}
    log.append(QUICK)
    assert (await log.take_up(further), log.missing(further)) == (1, {QUICK: [0, 2, 4, 6, 8, 10]})
    with log.database.session() as session:
        assert (counts(session, 0), counts(session, 0, 31338)) == (True, False)


async def test_padding_alone_is_looked_through_once(log: Log) -> None:
    one = Shared()
    log.append(*[None] * 20)
    assert (await log.take_up(one), log.missing(one)) == (1, {})
    assert await log.take_up(one) == 0


async def test_two_replicas_that_take_up_the_same_leaves_make_one_row_of_each(log: Log, tmp_path: Path) -> None:
    one = Shared()
    log.append(QUICK, QUICK)
    with Database(tmp_path / "tenant.db") as other:
        second = Committer(other)
        await log.committer.run(one.take_up)
        await second.run(one.take_up)
        await second.close()
    assert log.missing(one) == {QUICK: [0, 1]}


async def test_what_waits_is_what_its_leaves_ask_for_however_they_came(log: Log) -> None:
    """Read bit by bit, the answer is that of one look at all."""
    batching = SqlBatching(log.database, log.committer, ORG, lambda: 0)
    assert await batching.waiting(0) is None
    log.append(None)
    assert await batching.waiting(0) is None
    log.append(QUICK, due_at=90, max_leaves=8, padding='"power_of_two"')
    log.append(SAFE, due_at=70, max_leaves=16)
    log.append(None)
    found = await batching.waiting(0)
    assert found is not None
    assert (found.count, found.due_at, found.max_leaves) == (4, 70, 8)
    assert list(found.paddings) == ["none", "power_of_two"]
    log.append(QUICK, due_at=50, max_leaves=32)
    for fresh in (batching, SqlBatching(log.database, log.committer, ORG, lambda: 0)):
        found = await fresh.waiting(0)
        assert found is not None
        assert (found.count, found.due_at, found.max_leaves) == (5, 50, 8)
    # A part of them is anchored; after a reorganisation they wait again.
    assert (await batching.waiting(2)) == (await SqlBatching(log.database, log.committer, ORG, int).waiting(2))
    found = await batching.waiting(4)
    assert found is not None
    assert (found.count, found.due_at, found.max_leaves) == (1, 50, 32)
    assert await batching.waiting(5) is None
    found = await batching.waiting(0)
    assert found is not None
    assert (found.count, found.due_at) == (5, 50)
