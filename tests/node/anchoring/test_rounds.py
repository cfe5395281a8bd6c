"""A round, a page or a command costs the same however much was anchored before: counted, not timed."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import event, insert, text
from sqlmodel import Session

from support.submissions import ATTEMPT, submission
from tallystick.ledger.ports import SETTLED, UNSETTLED
from tallystick.node.anchoring.batching import SqlBatching
from tallystick.node.anchoring.shared import Shared, counts
from tallystick.node.anchoring.stores import SqlLeaves, SqlSubmissions, covering
from tallystick.node.anchoring.workflows import Workflows
from tallystick.node.record import onchain
from tallystick.node.services.transactions import newest
from tallystick.node.work.committer import Committer
from tallystick.tenants.database import Database
from tallystick.tenants.models.anchor import (
    AT_REST,
    UNDER_WAY,
    LeafProofRow,
    LeafRow,
    ProvenLogRow,
    SubmissionRow,
    WorkflowRow,
)

FIRST, FURTHER = 0, 31338
CHAINS = (FIRST, FURTHER)
FEW, MANY = 400, 8_000
SAFE = '"safe"'
NOISE = 80  # steps, or rows: what an index costs more that is one level deeper


@pytest.fixture(params=["sqlite", "postgres"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[int], Database]]:
    """Give a maker of databases with so many leaves in their past."""
    made: list[Database] = []

    def one(size: int) -> Database:
        if request.param == "sqlite":
            folder = tmp_path / f"{size}"
            folder.mkdir(mode=0o700)
            made.append(Database(folder / "tenant.db"))
        else:
            made.append(Database(request.getfixturevalue("postgres").new()))
        made[-1].create_schema()
        _fill(made[-1], size)
        return made[-1]

    yield one
    for database in made:
        database.close()


def _fill(database: Database, size: int) -> None:
    """A log that stands on two chains, every other leaf padding; the last ten leaves wait. Two of both are unlike."""
    rows: dict[type, list[dict[str, Any]]] = {}
    for index in range(size):
        padding = index % 2 == 1
        finality = SAFE if index % 4 else '{"confirmations":1}'
        name = "" if padding else f"execution {index // 4}"
        leaf = {"index": index, "execution": name, "kind": onchain.PADDING if padding else 1 + index // 2 % 2}
        more = {"data": bytes(416), "since": index, "subject": str(index), "max_leaves": 256}
        more["due_at"] = index if not padding or index % 40 == 1 else 0  # some padding asks for an anchor itself
        rows.setdefault(LeafRow, []).append({**leaf, **more, "padding": '"none"', "finality": finality})
        for chain in () if padding else CHAINS:
            given = index < size - 10
            block = {"block_number": index + (0 if chain else 10**6) if given else None, "block_hash": "0x"}
            proof = {"chain": chain, "index": index, "finality": finality, **block}
            rows.setdefault(LeafProofRow, []).append(proof)
    for chain in CHAINS:
        rows.setdefault(ProvenLogRow, []).append({"chain": chain, "size": size})
        for log_size in range(4, size, 4):
            document = msgspec.json.encode(submission(f"anchor:0:{log_size}", attempts=(ATTEMPT,), state="confirmed"))
            at = {"block_number": log_size + (0 if chain else 10**6), "log_epoch": 0, "log_size": log_size}
            facts = {"key": f"{chain}/anchor:0:{log_size}", "chain": chain, "since": log_size, "document": document}
            rows.setdefault(SubmissionRow, []).append({**facts, "state": "confirmed", **at})
    for number in range(size // 4):
        done = {"since": 0, "check_at": number, "registered_at": 1, "block_number": number, "block_hash": "0x"}
        rows.setdefault(WorkflowRow, []).append({"org": "0x", "workflow_hash": f"{number}", "mine": True, **done})
    with database.write() as session:
        for model, many in rows.items():
            session.connection().execute(insert(model), many)
    if not database.is_sqlite:
        with database.engine.connect() as connection:
            connection.execute(text("ANALYZE"))
            connection.commit()


async def looks(database: Database, size: int, counted: "Counter") -> dict[str, int]:
    """What each thing that a round, a page or a command looks for costs."""
    batching = SqlBatching(database, Committer(database), "0x" + "00" * 32, lambda: 0)
    workflows = Workflows(database)
    found: dict[str, int] = {}

    def see(name: str, look: Callable[[Session], Any]) -> None:
        with database.session() as session:
            look(session)
        found[name] = counted.take()

    async def hear(name: str, look: Any) -> None:
        await look
        found[name] = counted.take()

    counted.take()
    for chain in CHAINS:
        shared, sent = Shared(chain), SqlSubmissions(database, chain)
        see(f"behind {chain}", shared.behind)
        see(f"finalities {chain}", shared.finalities)
        see(f"missing {chain}", partial(shared.missing, finality=SAFE, limit=100))
        see(f"newest {chain}", partial(shared.newest, limit=64))
        see(f"counts {chain}", partial(counts, index=2, chain=chain))
        see(f"covering the first {chain}", partial(covering, index=1, chain=chain))
        see(f"covering the last {chain}", partial(covering, index=size - 8, chain=chain))
        await hear(f"unsettled {chain}", sent.unsettled())
        await hear(f"settled {chain}", sent.settled(64))
        await hear(f"since {chain}", sent.since(size - 40))
        await hear(f"covering in its epoch {chain}", sent.covering(0, 1))
    pages = {"first": None, "middle": [size // 2, f"{FURTHER}/anchor:0:{size // 2}"], "last": [8, ""]}
    for state in (None, "confirmed", "failed"):
        for place, after in pages.items():
            see(f"{state}, {place} page", partial(_page, state=state, after=after))
    await hear("size", SqlLeaves(database).size())
    see("last beat", onchain.last_beat)
    await hear("waiting, first", batching.waiting(size - 10))
    await hear("waiting, again", batching.waiting(size - 10))
    workflows._due(10**9)
    workflows._newest()
    found["workflows"] = counted.take()
    return found


def _page(session: Session, state: str | None, after: list[Any] | None) -> object:
    return session.exec(newest(state, after).limit(51)).all()


class Counter:
    """SQLite: the steps of its virtual machine. Postgres: the rows that the plan's scans read, those dropped too."""

    def __init__(self, database: Database) -> None:
        self._steps = 0
        self._database = database
        self._asked: list[tuple[str, Any]] = []
        if database.is_sqlite:
            event.listen(database.engine.pool, "checkout", self._watch)
        else:
            event.listen(database.engine, "before_cursor_execute", self._note)

    def take(self) -> int:
        """The count since the call before."""
        if self._database.is_sqlite:
            taken, self._steps = self._steps, 0
            return taken
        asked, self._asked = self._asked, []
        with self._database.engine.connect() as connection:
            explained = [
                connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters).scalar_one()
                for statement, parameters in asked
                if statement.startswith("SELECT")
            ]
        self._asked = []
        return sum(_read(one[0]["Plan"]) for one in explained)

    def _watch(self, connection: Any, *_: Any) -> None:
        connection.set_progress_handler(self._step, 1)

    def _step(self) -> int:
        self._steps += 1
        return 0

    def _note(self, _connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        self._asked.append((statement, parameters))


def _read(plan: dict[str, Any]) -> int:
    below = plan.get("Plans", [])
    if below:
        return sum(map(_read, below))
    return int((plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"])


async def test_nothing_costs_more_after_a_long_history(make: Callable[[int], Database]) -> None:
    few, many = make(FEW), make(MANY)
    before, after = await looks(few, FEW, Counter(few)), await looks(many, MANY, Counter(many))
    grown = {name: (before[name], cost) for name, cost in after.items() if cost > before[name] + NOISE}
    assert grown == {}
    assert sum(after.values()) > 0


async def test_a_look_through_all_leaves_would_be_noticed(make: Callable[[int], Database]) -> None:
    """The test above can fail: this is how it looks for something that no index knows."""
    costs = []
    for size in (FEW, MANY):
        database = make(size)
        counted = Counter(database)
        with database.session() as session:
            session.connection().execute(text("SELECT count(*) FROM leaf WHERE since < 0")).all()
        costs.append(counted.take())
    assert costs[1] > costs[0] + NOISE


def test_the_words_of_the_indexes_are_those_of_the_states() -> None:
    assert str(UNDER_WAY) == f"state IN {UNSETTLED}"
    assert str(AT_REST) == f"state IN {SETTLED} AND block_number IS NOT NULL"
