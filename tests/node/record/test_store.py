"""The store's contract: durable, gapless, once, whatever fails or races.

It is the same for SQLite, for SQLite whose rows a process of their own writes, and for Postgres.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlmodel import select

from tallystick.core import canonical, entry
from tallystick.core.errors import Invalid, Unavailable, WrongState
from tallystick.core.replay import Replay
from tallystick.core.statement import Consent
from tallystick.node.bench.world import ENTRIES, PASSPHRASE, Tenant
from tallystick.node.record import store
from tallystick.node.record.authoring import Saying, say
from tallystick.node.record.unit import Unit
from tallystick.node.work import ahead, committer
from tallystick.node.work.writer import Writer
from tallystick.tenants.database import Database
from tallystick.tenants.keystore import Keystore
from tallystick.tenants.models.record import DocumentRow, EntryRow, HeadRow, StatementRow

CRASH = """
import asyncio, os, sys
from pathlib import Path
from tallystick.node.bench.world import PASSPHRASE, Tenant
from tallystick.node.record.unit import Group
from tallystick.tenants.keystore import Keystore

async def main():
    folder = Path(sys.argv[1])
    tenant = Tenant(folder, sys.argv[2] or None, Keystore.open(folder / "keystore.json", PASSPHRASE))
    tenant.holds = True
    await tenant.start()
    print(await tenant.engine.committer.run(tenant.begin), flush=True)
    flush = Group.flush
    def dies(group):
        flush(group)
        os._exit(9)
    Group.flush = dies
    print(await tenant.engine.committer.run(tenant.begin), flush=True)

asyncio.run(main())
"""


@pytest.fixture(params=["sqlite", "process", "postgres"])
def url(request: pytest.FixtureRequest) -> str | None:
    """Where the tenant's database is; None for SQLite in its folder."""
    if request.param == "process":
        monkeypatch = request.getfixturevalue("monkeypatch")
        for module in (ahead, committer):
            monkeypatch.setattr(module, "FEW", 1)
        monkeypatch.setattr(ahead, "AFTER", 0)
        monkeypatch.setattr(Writer, "borrowed", _begun)
    if request.param != "postgres":
        return None
    new: str = request.getfixturevalue("postgres").new()
    return new


_borrowed = Writer.borrowed


def _begun(path: str) -> Writer | None:
    """A process that is ready at once."""
    made = _borrowed(path)
    while made is not None and not made.has_begun():
        time.sleep(0.01)
    return made


@pytest.fixture
def place(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    Keystore.create(tmp_path / "keystore.json", PASSPHRASE)
    return tmp_path


def opened(place: Path, url: str | None) -> Tenant:
    return Tenant(place, url, Keystore.open(place / "keystore.json", PASSPHRASE))


@pytest.fixture
async def tenant(place: Path, url: str | None) -> AsyncIterator[Tenant]:
    made = opened(place, url)
    await made.start()
    yield made
    await made.stop()


def record(tenant: Tenant, execution: str) -> Replay:
    """The stored record, replayed with every signature checked."""
    with tenant.database.session() as session:
        loaded = store.load(session, execution)
        walk = Replay(loaded.agreement, loaded.row.agreement_hash, execution)
        for row in store.entries_from(session, loaded.row.number, 0, 10_000):
            said = session.get_one(StatementRow, (loaded.row.number, row.statement_id))
            opened = walk.open(said.token)
            walk.step(entry.read(canonical.parse(row.leaf)), opened)
            assert row.root.hex() == walk.root
        assert (loaded.replay.root, loaded.state) == (walk.root, walk.state)
        assert session.get(HeadRow, (loaded.row.number, 0, walk.state.size, "bench")) or walk.state.status == "ready"
    return walk


def voids(tenant: Tenant, execution: str, key: str) -> Any:
    """A job that says something which changes nothing but the log."""

    def job(unit: Unit) -> int:
        loaded = store.load(unit, execution)
        say(
            unit,
            tenant.context,
            loaded,
            Saying(kind="consent", make=lambda _data, _sealed: Consent(decision="accepted"), answer_key=key),
        )
        return loaded.state.size

    return job


async def test_executions_run_side_by_side_to_their_ends(tenant: Tenant) -> None:
    await asyncio.gather(*(tenant.execute() for _ in range(20)))
    with tenant.database.session() as session:
        rows = session.connection().execute(text("SELECT id, status, size FROM execution")).all()
    assert [(row.status, row.size) for row in rows] == [("completed", ENTRIES)] * 20
    for row in rows[:3]:
        assert record(tenant, row.id).state.status == "completed"


async def test_a_job_that_fails_leaves_nothing_and_disturbs_nobody(tenant: Tenant) -> None:
    execution = await tenant.engine.committer.run(tenant.begin_waiting)

    def fails(unit: Unit) -> None:
        voids(tenant, execution, "failed")(unit)
        unit.exec(_entries())  # forces out what was written so far
        raise Invalid("on second thoughts")

    jobs = [voids(tenant, execution, "first"), fails, voids(tenant, execution, "second")]
    futures = [tenant.engine.committer.submit(job) for job in jobs]
    first, failed, second = await asyncio.gather(*futures, return_exceptions=True)
    assert (first, second) == (2, 3)
    assert isinstance(failed, Invalid)
    assert record(tenant, execution).state.size == 3


async def test_one_answer_to_one_question(tenant: Tenant) -> None:
    execution = await tenant.engine.committer.run(tenant.begin_waiting)
    await tenant.engine.committer.run(voids(tenant, execution, "question"))
    jobs = [voids(tenant, execution, key) for key in ("question", "other", "twice", "twice")]
    answers = await asyncio.gather(*map(tenant.engine.committer.submit, jobs), return_exceptions=True)
    assert [isinstance(one, WrongState) for one in answers] == [True, False, False, True]
    assert record(tenant, execution).state.size == 4


async def test_two_replicas_on_one_execution(tenant: Tenant, place: Path, url: str | None) -> None:
    other = opened(place, url)
    execution = await tenant.engine.committer.run(tenant.begin_waiting)
    sizes = []
    for number in range(10):
        pair = [
            one.engine.committer.run(voids(one, execution, f"{number}/{at}")) for at, one in enumerate((tenant, other))
        ]
        sizes += await asyncio.gather(*pair)
    assert sorted(sizes) == list(range(2, 22))
    assert record(tenant, execution).state.size == 21
    await other.stop()


async def test_the_same_after_opening_again(tenant: Tenant, place: Path, url: str | None) -> None:
    execution = await tenant.engine.committer.run(tenant.begin_waiting)
    await tenant.engine.committer.run(voids(tenant, execution, "before"))
    again = opened(place, url)
    await again.engine.committer.run(voids(again, execution, "after"))
    assert record(again, execution).state.size == 3
    await again.stop()


async def test_killed_between_writing_and_committing(place: Path, url: str | None) -> None:
    words = [sys.executable, "-c", CRASH, str(place), url or ""]
    process = await asyncio.create_subprocess_exec(*words, stdout=subprocess.PIPE, env=dict(os.environ))
    said = (await process.communicate())[0].decode().split()
    assert process.returncode == 9
    assert len(said) == 1
    again = opened(place, url)
    with again.database.session() as session:
        assert session.connection().execute(text("SELECT id FROM execution")).scalars().all() == said
    await again.start()  # and goes on where it was: the step that was under way is taken up again
    await again.ended(said[0])
    assert record(again, said[0]).state.status == "completed"
    await again.stop()


async def test_a_full_disk_is_refused_and_recovered_from(place: Path) -> None:
    tenant = opened(place, None)
    await tenant.start()
    execution = await tenant.engine.committer.run(tenant.begin_waiting)
    full = True

    row = {"name": "x", "media_type": "x", "size": 0, "sha256": "x", "uploaded_by": "x", "at": 0}

    def large(unit: Unit) -> None:
        unit.connection.exec_driver_sql(f"PRAGMA max_page_count = {1 if full else 1_000_000}")
        voids(tenant, execution, "large")(unit)
        unit.insert(DocumentRow, id="d", manifest=bytes(1_000_000), **row)

    with pytest.raises(Unavailable, match="disk full"):
        await tenant.engine.committer.run(large)
    full = False
    await tenant.engine.committer.run(large)
    assert record(tenant, execution).state.size == 2
    await tenant.stop()


def _entries() -> Any:
    return select(EntryRow)


def test_a_connection_in_use_is_closed_after_a_rest(url: str | None, place: Path) -> None:
    opened: list[Any] = []
    with Database(url or place / "tenant.db") as database:
        database.create_schema()
        database.rest()
        event.listen(database.engine, "connect", lambda connection, _entry: opened.append(connection))
        event.listen(database.engine, "close", lambda connection, _entry: opened.remove(connection))
        with database.session() as session:
            session.connection().execute(text("SELECT 1"))
            database.rest()
            assert len(opened) == 1
        assert opened == []
        with database.session() as session:
            session.connection().execute(text("SELECT 1"))
        assert len(opened) == 1, "kept for the next one"
        database.rest()
        assert opened == []
