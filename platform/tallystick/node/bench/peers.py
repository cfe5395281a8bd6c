"""`tally bench peers`: the same five steps here and on DBOS, in one run on one machine; the ratio is what counts.

Ours and theirs take turns in short slices, so that whatever else the machine does falls on both alike; a ratio is the
median of what neighbouring slices give.
"""

import asyncio
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

import msgspec

from tallystick.core.errors import Unavailable
from tallystick.node.bench import engine
from tallystick.node.bench.postgres import server
from tallystick.node.bench.turns import IN_FLIGHT, SLICES, Rate, load, ratio
from tallystick.node.bench.world import Tenant, tenant

PYTHON = Path(".cache/peers/bin/python")
SCRIPT = Path(__file__).with_name("peer_dbos.py")
MINUTES = 4  # of the full run on two cores
_LAST_S = 600.0  # that a slice of theirs may take


class _Turns(msgspec.Struct, frozen=True):
    """How many executions of each kind a slice has: ours, theirs."""

    in_flight: int
    ours: int
    theirs: int


async def measure(size: engine.Size, folder: Path, tell: engine.Say) -> engine.Figures:
    """Rates of both on SQLite and on Postgres, and ours divided by theirs."""
    if not await asyncio.to_thread(PYTHON.exists):
        raise Unavailable(f"{PYTHON} is missing; run make bench-peers", code="no_peers")
    figures: engine.Figures = {}
    with tempfile.TemporaryDirectory(prefix="tally-peers-", dir=folder) as name:
        figures |= await _compare("sqlite", None, f"sqlite:///{name}/dbos.sqlite", size, Path(name), tell)
    async with server(folder) as url:
        if url:
            figures |= await _compare("postgres", url, url, size, folder, tell)
    return figures


async def _compare(
    where: str, ours: str | None, theirs: str, size: engine.Size, folder: Path, tell: engine.Say
) -> engine.Figures:
    figures: engine.Figures = {}
    each = (
        _Turns(1, max(size.alone // SLICES, 1), max(size.alone // SLICES // 5, 1)),
        _Turns(IN_FLIGHT, max(size.executions // SLICES, 1), max(size.executions // SLICES // 5, 1)),
    )
    async with tenant(ours, folder) as one, _peer(theirs) as peer:
        await load(one, max(size.alone // 10, 1), 5)
        await _slice(peer, 5, 5)
        for turns in each:
            tell(f"{where}: ours and DBOS in turn, {turns.in_flight} in flight")
            figures |= await _in_turn(where, one, peer, turns)
    return figures


async def _in_turn(where: str, one: Tenant, peer: Process, turns: _Turns) -> engine.Figures:
    """Which of the two comes first changes from pair to pair."""
    ours: list[Rate] = []
    theirs: list[float] = []
    for number in range(SLICES):
        if number % 2:
            theirs.append(await _slice(peer, turns.theirs, turns.in_flight))
        ours.append(await load(one, turns.ours, turns.in_flight))
        if not number % 2:
            theirs.append(await _slice(peer, turns.theirs, turns.in_flight))
    name = f"c{turns.in_flight}"
    waits = sorted(wait for rate in ours for wait in rate.waits)
    whole = Rate(median(rate.per_s for rate in ours), median(rate.cpu_us for rate in ours), waits)
    return {
        **engine.named(f"{where}.{name}", whole),
        f"dbos.{where}.{name}.executions_per_s": median(theirs),
        f"ratio.{where}.{name}": ratio((rate.per_s, other) for rate, other in zip(ours, theirs, strict=True)),
    }


@asynccontextmanager
async def _peer(url: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(str(PYTHON), str(SCRIPT), url, stdin=PIPE, stdout=PIPE)
    try:
        yield process
    finally:
        if process.returncode is None and process.stdin is not None:
            process.stdin.close()
            await process.wait()


async def _slice(peer: Process, count: int, in_flight: int) -> float:
    """Executions a second of theirs."""
    if peer.stdin is None or peer.stdout is None:
        raise Unavailable("the peer cannot be asked", code="peer_failed")
    peer.stdin.write(f"{count} {in_flight}\n".encode())
    async with asyncio.timeout(_LAST_S):
        said = await peer.stdout.readline()
    try:
        return float(said)
    except ValueError as error:
        raise Unavailable(f"the peer said {said[:100]!r}", code="peer_failed") from error
