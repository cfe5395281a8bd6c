"""`tally bench peers`: the same five steps here and on DBOS, in one run on one machine; the ratio is what counts."""

import asyncio
import json
import tempfile
from pathlib import Path

from tallystick.core.errors import Unavailable
from tallystick.node.bench import engine
from tallystick.node.bench.postgres import server

PYTHON = Path(".cache/peers/bin/python")
SCRIPT = Path(__file__).with_name("peer_dbos.py")


async def measure(size: engine.Size, folder: Path, tell: engine.Say) -> engine.Figures:
    """Rates of both on SQLite and on Postgres, and ours divided by theirs."""
    if not await asyncio.to_thread(PYTHON.exists):
        raise Unavailable(f"{PYTHON} is missing; run make bench-peers", code="no_peers")
    figures: engine.Figures = {}
    with tempfile.TemporaryDirectory(prefix="tally-peers-", dir=folder) as name:
        tell("SQLite: ours, then DBOS")
        figures |= await engine.rates(size, "sqlite", None, Path(name))
        figures |= await _dbos("sqlite", f"sqlite:///{name}/dbos.sqlite", size)
    async with server(folder) as url:
        if url:
            tell("Postgres: ours, then DBOS")
            figures |= await engine.rates(size, "postgres", url, folder)
            figures |= await _dbos("postgres", url, size)
    for where in ("sqlite", "postgres"):
        for rate in ("c1.executions_per_s", "c50.executions_per_s"):
            if f"dbos.{where}.{rate}" in figures:
                ratio = figures[f"{where}.{rate}"] / figures[f"dbos.{where}.{rate}"]
                figures[f"ratio.{where}.{rate.partition('.')[0]}"] = ratio
    return figures


async def _dbos(where: str, url: str, size: engine.Size) -> engine.Figures:
    counts = (str(max(size.alone // 5, 1)), str(max(size.executions // 10, 1)))
    process = await asyncio.create_subprocess_exec(
        str(PYTHON), str(SCRIPT), url, *counts, stdout=asyncio.subprocess.PIPE
    )
    said = (await process.communicate())[0].decode()
    if process.returncode:
        raise Unavailable(f"the peer ended with {process.returncode}", code="peer_failed")
    return {f"dbos.{where}.{name}": value for name, value in json.loads(said.splitlines()[-1]).items()}
