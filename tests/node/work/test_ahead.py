"""Rows written by a process of their own: nothing acknowledged is lost and nothing stands twice, whoever is killed.

TALLY_ROUNDS says how often the node, and how often the process, is killed at a random moment (once in `make test`).
"""

import asyncio
import contextlib
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from support.integrity import Recorded, replay_all
from tallystick.core.errors import Unavailable
from tallystick.node.bench.turns import load
from tallystick.node.bench.world import ENTRIES, PASSPHRASE, Tenant
from tallystick.node.record.unit import Unit
from tallystick.node.work import ahead, committer
from tallystick.node.work.ahead import Ahead
from tallystick.node.work.writer import USEFUL
from tallystick.tenants.database import PRAGMAS, DatabaseUnavailable
from tallystick.tenants.keystore import Keystore
from tallystick.tenants.models.record import DocumentRow

ROUNDS = int(os.environ.get("TALLY_ROUNDS", "1"))
SEED = int(os.environ.get("TALLY_SEED", "1"))
IN_FLIGHT = 50
DOCUMENT = {"manifest": b"", "media_type": "x", "size": 0, "sha256": "x", "uploaded_by": "x", "at": 0}
pytestmark = [
    pytest.mark.skipif(not USEFUL, reason="one core: a node starts no process for its rows"),
    pytest.mark.timeout(120 + 20 * ROUNDS),
]
NODE = """
import asyncio, logging, sys
from pathlib import Path
from tallystick.node.bench.world import PASSPHRASE, Tenant
from tallystick.node.work import ahead
from tallystick.tenants.keystore import Keystore

ahead.AFTER = 0

async def work(tenant):
    while True:
        execution = await tenant.engine.committer.run(tenant.begin)
        print("begun", execution, flush=True)
        await tenant.ended(execution)
        print("ended", execution, flush=True)

async def main():
    folder = Path(sys.argv[1])
    tenant = Tenant(folder, None, Keystore.open(folder / "keystore.json", PASSPHRASE))
    await tenant.start()
    workers = [asyncio.create_task(work(tenant)) for _ in range(50)]
    while tenant.engine.committer.writer_pid is None:
        await asyncio.sleep(0.01)
    print("writer", tenant.engine.committer.writer_pid, flush=True)
    await asyncio.gather(*workers)

asyncio.run(main())
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    Keystore.create(tmp_path / "keystore.json", PASSPHRASE)
    return tmp_path


@pytest.fixture
async def tenant(place: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Tenant]:
    """One whose process is there."""
    monkeypatch.setattr(ahead, "AFTER", 0)
    made = Tenant(place, None, Keystore.open(place / "keystore.json", PASSPHRASE))
    await made.start()
    await under_load(made)
    yield made
    await made.stop()


async def under_load(tenant: Tenant) -> int:
    """Load the tenant until its rows are written by a process; that process's id."""
    held = tenant.engine.committer._ahead
    assert held is not None
    while held.written == 0:
        await load(tenant, IN_FLIGHT, IN_FLIGHT)
    assert held.pid is not None
    return held.pid


def whole(tenant: Tenant) -> list[Recorded]:
    """All records, replayed with every signature checked; none of them is open."""
    found = list(replay_all(tenant.folder / "tenant.db"))
    assert {(one.status, one.size) for one in found} == {("completed", ENTRIES)}
    return found


def name_of(number: int) -> Callable[[Unit], int]:
    """A job that writes a document's row, blindly."""

    def job(unit: Unit) -> int:
        unit.insert(DocumentRow, id=f"d{number}", name="x", **DOCUMENT)
        return number

    return job


def documents(tenant: Tenant) -> list[str]:
    with closing(sqlite3.connect(tenant.folder / "tenant.db")) as connection:
        return [name for (name,) in connection.execute("SELECT id FROM document ORDER BY id")]


async def test_every_signature_holds(tenant: Tenant) -> None:
    before = len(whole(tenant))
    await load(tenant, 200, IN_FLIGHT)
    assert len(whole(tenant)) == before + 200


async def test_a_job_that_reads_sees_what_is_under_way(tenant: Tenant) -> None:
    first = [tenant.engine.committer.submit(name_of(number)) for number in range(30)]
    await asyncio.sleep(0)

    def reads(unit: Unit) -> int:
        return sum(unit.get(DocumentRow, f"d{number}") is not None for number in range(30))

    found = [tenant.engine.committer.submit(reads) for _ in range(30)]
    assert await asyncio.gather(*found) == [30] * 30
    assert await asyncio.gather(*first) == list(range(30))


async def test_a_collision_costs_nobody_else(tenant: Tenant) -> None:
    """The collision is heard from the process when the next group has run already."""
    await tenant.engine.committer.run(name_of(7))
    jobs = [tenant.engine.committer.submit(name_of(number)) for number in range(20)]
    while tenant.engine.committer._queue:  # noqa: ASYNC110 - until the group is being run or written
        await asyncio.sleep(0)
    jobs += [tenant.engine.committer.submit(name_of(number)) for number in range(20, 60)]
    found = await asyncio.gather(*jobs, return_exceptions=True)
    assert [one for number, one in enumerate(found) if number != 7] == [number for number in range(60) if number != 7]
    assert isinstance(found[7], Exception)
    assert len(documents(tenant)) == 60


async def test_the_process_is_killed_under_load(tenant: Tenant) -> None:
    tenant.engine.committer._ahead._not_before = 0.0  # type: ignore[union-attr]
    before = len(whole(tenant))
    rng = random.Random(SEED)  # noqa: S311 - a repeatable choice, not a secret
    for _ in range(ROUNDS):
        pid = await under_load(tenant)
        running = asyncio.create_task(load(tenant, 300, IN_FLIGHT))
        await asyncio.sleep(rng.uniform(0.0, 0.3))
        os.kill(pid, signal.SIGKILL)
        await running
        held = tenant.engine.committer._ahead
        assert held is not None
        held._not_before, held.written = 0.0, 0
    assert len(whole(tenant)) >= before + 300 * ROUNDS


@pytest.mark.parametrize("committed", [True, False])
async def test_killed_after_or_before_the_commit(
    tenant: Tenant, committed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the process did last is read from the file, so that no job is done twice and none is lost."""
    send = Ahead.send
    runs = [0] * 20

    def kills(self: Ahead[Any], whose: Any, group: Any) -> bool:
        pid = self.pid
        assert pid is not None
        if not committed:
            os.kill(pid, signal.SIGKILL)
        sent = send(self, whose, group)
        if committed:
            while len(documents(tenant)) < 20:
                time.sleep(0.01)
            os.kill(pid, signal.SIGKILL)
        return sent

    def counted(number: int) -> Callable[[Unit], int]:
        def job(unit: Unit) -> int:
            runs[number] += 1
            return name_of(number)(unit)

        return job

    monkeypatch.setattr(Ahead, "send", kills)
    if committed:  # the answer is lost as well: what the socket still holds is not read
        monkeypatch.setattr("tallystick.node.work.writer.read_frame", _lost)
    jobs = [tenant.engine.committer.submit(counted(number)) for number in range(20)]
    assert await asyncio.gather(*jobs) == list(range(20))
    assert runs == [1 if committed else 2] * 20
    assert len(documents(tenant)) == 20


def _lost(_stream: Any) -> Any:
    raise EOFError


async def test_a_process_whose_disk_is_full(tenant: Tenant) -> None:
    """Its groups are written by the node itself, whose own disk has room."""
    pid = await under_load(tenant)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, 4096))
    before = len(whole(tenant))
    await load(tenant, 100, IN_FLIGHT)
    assert len(whole(tenant)) == before + 100


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Databases that wait for a lock for a moment only."""
    pragmas = tuple("busy_timeout=100" if one.startswith("busy") else one for one in PRAGMAS)
    for module in ("tallystick.tenants.database", "tallystick.node.work.writer"):
        monkeypatch.setattr(f"{module}.PRAGMAS", pragmas)


@pytest.mark.usefixtures("impatient")
async def test_a_locked_database_is_refused(tenant: Tenant) -> None:
    with closing(sqlite3.connect(tenant.folder / "tenant.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        jobs = [tenant.engine.committer.submit(name_of(number)) for number in range(30)]
        found = await asyncio.gather(*jobs, return_exceptions=True)
        assert {type(one) for one in found} == {DatabaseUnavailable}
        other.execute("ROLLBACK")
    jobs = [tenant.engine.committer.submit(name_of(number)) for number in range(30)]
    assert await asyncio.gather(*jobs) == list(range(30))


async def test_nobody_can_tell_what_became_of_it(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process is gone and the file cannot be read: jobs fail as unavailable, and the tenant goes on after that."""

    def unreadable(self: Any) -> int:
        raise DatabaseUnavailable("io")

    with monkeypatch.context() as patched:
        patched.setattr("tallystick.tenants.database.Database.mark", unreadable)
        os.kill(await under_load(tenant), signal.SIGKILL)
        jobs = [tenant.engine.committer.submit(name_of(number)) for number in range(20)]
        found = await asyncio.gather(*jobs, return_exceptions=True)
    assert all(isinstance(one, Unavailable) for one in found)
    await load(tenant, 100, IN_FLIGHT)
    whole(tenant)


async def test_it_is_there_under_load_only(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = await under_load(tenant)
    monkeypatch.setattr(ahead, "KEEP_S", 0.1)
    monkeypatch.setattr(committer, "KEEP_S", 0.1)
    await tenant.engine.committer.idle()
    async with asyncio.timeout(10):
        while _runs(pid):
            await tenant.engine.committer.idle()
            await asyncio.sleep(0.05)
    assert tenant.engine.committer.writer_pid is None


async def test_closing_ends_it(tenant: Tenant) -> None:
    pid = await under_load(tenant)
    await tenant.engine.committer.close()
    assert not _runs(pid)


async def test_secrets_are_not_on_its_command_line(tenant: Tenant) -> None:
    pid = await under_load(tenant)
    words = await asyncio.to_thread(Path(f"/proc/{pid}/cmdline").read_bytes)
    assert words.split(b"\0")[-2] == b"tallystick.node.work.rowwriter"
    assert str(tenant.folder).encode() not in words


async def test_the_node_is_killed_under_load(place: Path) -> None:
    """What it acknowledged is there, once, and its process has gone with it."""
    rng = random.Random(SEED)  # noqa: S311 - see above
    begun: set[str] = set()
    ended: set[str] = set()
    for _ in range(ROUNDS):
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", NODE, str(place), stdout=subprocess.PIPE)
        assert process.stdout is not None
        killing = None
        pid = 0
        async for line in process.stdout:
            word, name = line.decode().split()
            if word == "writer":
                pid = int(name)
                killing = asyncio.create_task(_kill_later(process, rng.uniform(0.1, 1.5)))
            else:
                (begun if word == "begun" else ended).add(name)
        await process.wait()
        assert killing is not None
        await killing
        async with asyncio.timeout(10):
            while _runs(pid):  # noqa: ASYNC110 - it is not our child
                await asyncio.sleep(0.02)
    again = Tenant(place, None, Keystore.open(place / "keystore.json", PASSPHRASE))
    await again.start()
    await asyncio.gather(*(again.ended(one.id) for one in replay_all(place / "tenant.db") if one.status != "completed"))
    await again.stop()
    found = {one.id for one in whole(again)}
    assert ended <= begun <= found


async def _kill_later(process: asyncio.subprocess.Process, seconds: float) -> None:
    await asyncio.sleep(seconds)
    process.kill()


def _runs(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False
