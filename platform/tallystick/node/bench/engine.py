"""`tally bench engine`: how fast the engine works, measured through the parts that a node runs.

Each measurement is an async function that returns figures by their dotted names. ``quick`` makes the same ones with
less of everything, to see that they run; its numbers say little.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from statistics import median

import msgspec

from tallystick.core.replay import Replay, open_statement
from tallystick.core.statement import Consent
from tallystick.node.bench import filling
from tallystick.node.bench import stored as storing
from tallystick.node.bench.postgres import server
from tallystick.node.bench.turns import IN_FLIGHT, Rate, load
from tallystick.node.bench.world import PASSPHRASE, Tenant, tenant
from tallystick.node.record import store
from tallystick.node.record.authoring import Saying, say
from tallystick.node.record.unit import Unit
from tallystick.tenants.keystore import Keystore

Figures = dict[str, float]
Say = Callable[[str], None]


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How much of everything."""

    executions: int
    alone: int
    replays: int
    history: int
    stored: int
    opened: int
    tenants: int
    idle_s: int


FULL = Size(
    executions=5_000,
    alone=500,
    replays=2_000,
    history=100_000,
    stored=1_000_000,
    opened=100_000,
    tenants=200,
    idle_s=60,
)
QUICK = Size(executions=100, alone=10, replays=20, history=200, stored=300, opened=200, tenants=3, idle_s=1)
SERIES = 9  # of entries, in turn; a checkpoint or a collection that falls into one of them is not an entry's cost
MINUTES = 25  # of the full run on two cores


async def rates(size: Size, name: str, url: str | None, folder: Path) -> Figures:
    """Executions a second, one at a time and fifty at once; each is measured once it has gone on for a while."""
    figures: Figures = {}
    async with tenant(url, folder) as one:
        for in_flight, count in ((1, size.alone), (IN_FLIGHT, size.executions)):
            await load(one, max(count // 5, 1), in_flight)
            figures |= named(f"{name}.c{in_flight}", await load(one, count, in_flight))
    return figures


def named(name: str, rate: Rate) -> Figures:
    """The figures of a load."""
    waits = rate.waits
    return {
        f"{name}.executions_per_s": rate.per_s,
        f"{name}.cpu_us_per_execution": rate.cpu_us,
        f"{name}.p50_ms": waits[len(waits) // 2] * 1000,
        f"{name}.p99_ms": waits[len(waits) * 99 // 100] * 1000,
    }


async def replay(size: Size, folder: Path, tell: Say) -> Figures:
    """Entries a second: ``decide``, ``evolve`` and the tree alone, and with every statement opened and verified."""
    async with tenant(None, folder) as one:
        await load(one, 1, 1)
        with one.database.session() as session:
            entries, tokens, execution = filling.record_of(session)
        said = [open_statement(token, one.agreement, one.hash, execution) for token in tokens]
        begun = time.perf_counter()
        for _ in range(size.replays):
            walk = Replay(one.agreement, one.hash, execution)
            for entry, statement in zip(entries, said, strict=True):
                walk.step(entry, statement)
        alone = time.perf_counter() - begun
        begun = time.perf_counter()
        for _ in range(max(size.replays // 10, 1)):
            walk = Replay(one.agreement, one.hash, execution)
            for entry, token in zip(entries, tokens, strict=True):
                walk.step(entry, walk.open(token))
        verified = time.perf_counter() - begun
    steps = len(entries)
    return {
        "replay.entries_per_s": size.replays * steps / alone,
        "replay.verified_entries_per_s": max(size.replays // 10, 1) * steps / verified,
    }


async def history(size: Size, folder: Path, tell: Say) -> Figures:
    """What an entry costs when its execution has ten before it, and when it has very many."""
    async with tenant(None, folder) as one:
        execution = await one.engine.committer.run(one.begin_waiting)
        timed = min(200, size.history)
        await _append(one, execution, size.history, 0)
        shorts, longs = [], []
        for _ in range(SERIES):  # in turns, for the machine's speed drifts
            fresh = await one.engine.committer.run(one.begin_waiting)
            shorts.append(await _append(one, fresh, 10, timed))
            longs.append(await _append(one, execution, 0, timed))
    short, long = median(shorts), median(longs)
    return {
        "history.at_10_us_per_entry": short * 1e6,
        "history.at_1e5_us_per_entry": long * 1e6,
        "history.ratio_1e5_to_10": long / short,
    }


async def stored(size: Size, folder: Path, tell: Say) -> Figures:
    """What an execution costs when a thousand are stored, and when a million are."""
    return await storing.measure(size.stored, min(size.alone, storing.SLICE), folder, tell)


async def start(size: Size, folder: Path, tell: Say) -> Figures:
    """Seconds from opening the database to the end of a first new execution, with very many others open."""
    with tempfile.TemporaryDirectory(prefix="tally-bench-", dir=folder) as name:
        place = Path(name) / "tenant"
        keystore = _keystore(place)
        one = Tenant(place, keystore=keystore)
        one.holds = True
        await one.start()
        await one.engine.committer.run(one.begin)
        await asyncio.to_thread(filling.fill, one, size.opened, open=True)
        await one.stop()
        begun = time.perf_counter()
        again = Tenant(place, keystore=keystore)
        await again.start()
        await again.execute()
        took = time.perf_counter() - begun
        await again.stop()
    return {"start.open_1e5_s": took}


async def idle(size: Size, folder: Path, tell: Say) -> Figures:
    """Resident memory of a process with very many whole nodes that have nothing to do, and their CPU all the same."""
    with tempfile.TemporaryDirectory(prefix="tally-bench-", dir=folder) as name:
        words = ["-m", "tallystick.node.bench.idle", name, str(size.tenants), str(size.idle_s)]
        process = await asyncio.create_subprocess_exec(sys.executable, *words, stdout=asyncio.subprocess.PIPE)
        said = (await process.communicate())[0]
    found: dict[str, float] = msgspec.json.decode(said)
    return {f"tenants200.{name}": value for name, value in found.items()}


async def postgres(size: Size, folder: Path, tell: Say) -> Figures:
    """The same rates on Postgres."""
    async with server(folder) as url:
        return await rates(size, "postgres", url, folder) if url else {}


async def sqlite(size: Size, folder: Path, tell: Say) -> Figures:
    """The rates on SQLite."""
    return await rates(size, "sqlite", None, folder)


PARTS: dict[str, Callable[[Size, Path, Say], Awaitable[Figures]]] = {
    "idle": idle,
    "sqlite": sqlite,
    "postgres": postgres,
    "replay": replay,
    "history": history,
    "start": start,
    "stored": stored,
}


async def measure(size: Size, folder: Path, tell: Say, only: Sequence[str] = ()) -> Figures:
    """The figures of all parts, or of some."""
    figures: Figures = {}
    parts = only or list(PARTS)
    for number, name in enumerate(parts, 1):
        tell(f"{number}/{len(parts)} {name}")
        figures |= await PARTS[name](size, folder, tell)
    return figures


async def _append(one: Tenant, execution: str, untimed: int, timed: int) -> float:
    """Sequence statements that change nothing but the log; seconds of CPU for each timed one."""

    def again(unit: Unit) -> None:
        loaded = store.load(unit, execution)
        for _ in range(20):
            key = f"again/{loaded.state.size}"
            saying = Saying(kind="consent", make=lambda _data, _sealed: Consent(decision="accepted"), answer_key=key)
            say(unit, one.context, loaded, saying)

    for _ in range(-(-untimed // 20)):
        await one.engine.committer.run(again)
    begun = time.process_time()
    for _ in range(timed // 20):
        await one.engine.committer.run(again)
    return (time.process_time() - begun) / timed if timed else 0.0


def _keystore(folder: Path) -> Keystore:
    folder.mkdir(mode=0o700, exist_ok=True)
    return Keystore.create(folder / "keystore.json", PASSPHRASE)
