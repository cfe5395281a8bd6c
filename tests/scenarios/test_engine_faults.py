"""One node under load, killed with SIGKILL at random moments: TALLY_ROUNDS says how often (once in `make test`).

What it acknowledged is there afterwards, once, and every tree adds up.
"""

import asyncio
import contextlib
import os
import random
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest

from support.integrity import Recorded, replay_all
from support.parties import BUYER
from support.soak import write_result
from support.trio import Member, until

ROUNDS = int(os.environ.get("TALLY_ROUNDS", "1"))
SEED = int(os.environ.get("TALLY_SEED", "1"))
IN_FLIGHT = 8
LOADED_S = (0.0, 2.0)  # after the first acknowledgement of a round
pytestmark = pytest.mark.timeout(120 + 30 * ROUNDS)
FIVE_STEPS: dict[str, Any] = {
    "id": "five-steps",
    "name": "Five steps",
    "participants": [{"org_id": BUYER, "role": "alone", "can_terminate": True}],
    "steps": [
        {
            "id": f"step{number}",
            "name": f"Step {number}",
            "step_type": "decision",
            "assigned_org": BUYER,
            "decision": {"expression": f"input.amount + {number} > 3"},
            "next_steps": [f"step{number + 1}"] if number < 5 else [],
        }
        for number in range(1, 6)
    ],
}


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Member]:
    """A node of one organisation without partners or a chain."""
    member = Member(BUYER, tmp_path)
    try:
        await member.init()
        await member.start()
        yield member
    finally:
        await member.stop()


class Load:
    """Clients that start executions one after the other and remember what was acknowledged."""

    def __init__(self, node: Member) -> None:
        self._node = node
        self.proposed: set[str] = set()
        self.started: set[str] = set()

    async def client(self, amount: int) -> None:
        """One client, until it is cancelled or the node is gone."""
        body = {"definition": FIVE_STEPS, "input": {"amount": amount}}
        while True:
            try:
                made = await self._node.post("/collaborations", body)
                self.proposed.add(made["execution_id"])
                await self._node.post(f"/collaborations/{made['execution_id']}/start", {"input": {"amount": amount}})
                self.started.add(made["execution_id"])
            except (httpx2.TransportError, RuntimeError):
                return  # killed: the next round brings new clients


async def test_killed_under_load(node: Member) -> None:
    """Round after round of load and SIGKILL; then everything that was acknowledged is found whole."""
    began = time.monotonic()
    load = Load(node)
    for number in range(SEED, SEED + ROUNDS):
        rng = random.Random(number)  # noqa: S311 - a repeatable choice, not a secret
        clients = [asyncio.create_task(load.client(amount)) for amount in range(IN_FLIGHT)]
        await until(partial(_more, load, len(load.started)))
        await asyncio.sleep(rng.uniform(*LOADED_S))
        await node.kill()
        await asyncio.gather(*clients)
        await node.start()
        print(f"round {number}: {len(load.started)} started and acknowledged", flush=True)  # noqa: T201 - progress
    assert load.started
    found = await until(lambda: _settled(node, load.started))
    assert load.proposed <= set(found)
    write_result(
        "engine",
        "a node under load killed at random",
        {
            "first_seed": SEED,
            "kills": ROUNDS,
            "acknowledged_starts": len(load.started),
            "acknowledged_proposals": len(load.proposed),
            "entries_replayed": sum(one.size for one in found.values()),
            "lost": 0,
            "seconds": round(time.monotonic() - began),
        },
    )


async def _more(load: Load, before: int) -> bool | None:
    return len(load.started) > before or None


async def _settled(node: Member, started: set[str]) -> dict[str, Recorded] | None:
    """Every execution's record once all that started have completed; replay raises where one does not add up."""
    pending = await node.get("/executions?status=running&limit=1")
    if pending["items"]:
        return None
    found = {one.id: one for one in await asyncio.to_thread(lambda: list(replay_all(_database(node))))}
    assert started <= set(found), f"{len(started - set(found))} acknowledged executions are lost"
    assert {found[one].status for one in started} == {"completed"}
    return found


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 MiB of its own."""
    if os.geteuid() != 0:
        pytest.skip("mounting a file system needs root; enable: run as root")
    folder = tmp_path / "disk"
    folder.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,mode=700", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


async def test_disk_full(small_disk: Path) -> None:
    """Refused cleanly while nothing can be written; what was there stays; afterwards it goes on without repair."""
    node = Member(BUYER, small_disk)
    try:
        await node.init()
        await node.start()
        before = await _run_one(node)
        filler = small_disk / "filler"
        await asyncio.to_thread(_fill, filler)
        refused = await node.http.post("/collaborations", json={"definition": FIVE_STEPS})
        assert (refused.status_code, refused.json()["code"]) == (503, "database_unavailable"), refused.text
        assert "disk full" in refused.json()["detail"]
        assert (await node.get(f"/executions/{before}"))["status"] == "completed"
        await asyncio.to_thread(filler.unlink)
        after = await _run_one(node)
        found = {one.id: one.status for one in await asyncio.to_thread(lambda: list(replay_all(_database(node))))}
        assert found == {before: "completed", after: "completed"}
    finally:
        await node.stop()


def _fill(filler: Path) -> None:
    """Write until nothing more fits; unbuffered, so that nothing is left to be written when the file is closed."""
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


async def _run_one(node: Member) -> str:
    made = await node.post("/collaborations", {"definition": FIVE_STEPS, "input": {"amount": 2}})
    await node.post(f"/collaborations/{made['execution_id']}/start", {"input": {"amount": 2}})
    await until(lambda: _completed(node, made["execution_id"]))
    return str(made["execution_id"])


async def _completed(node: Member, execution: str) -> bool | None:
    return (await node.get(f"/executions/{execution}"))["status"] == "completed" or None


def _database(node: Member) -> Path:
    return node.data / "tenant.db"
