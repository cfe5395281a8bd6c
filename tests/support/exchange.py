"""Three organisations at work with each other, each a real node in a process of its own that tests can end."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from support.integrity import replay_all
from support.network import Network
from tallystick.node.bench.load import BUYER, CARRIER, TASKS, definition
from tallystick.node.bench.organisations import ORGS, Organisation, World, together

PATIENCE_S = 120.0
_TESTS = Path(__file__).parents[1]


@asynccontextmanager
async def exchange(folder: Path, network: Network | None = None) -> AsyncIterator[World]:
    """The three, linked; in a network's namespaces, or on the loopback device."""
    commands = {}
    for org in ORGS:
        before = network.inside(org) if network else []
        host = network.host(org) if network else "127.0.0.1"
        path = os.pathsep.join(filter(None, [str(_TESTS), os.environ.get("PYTHONPATH")]))
        before += ["env", f"PYTHONPATH={path}"]
        commands[org] = [*before, sys.executable, "-m", "support.mortal", str(folder / org), org, host]
    async with together(commands) as world:
        yield world


def pair() -> dict[str, Any]:
    """Work for the carrier alone, which the supplier takes no part in."""
    whole = definition()
    whole["participants"] = [one for one in whole["participants"] if one["org_id"] in {BUYER, CARRIER}]
    steps = whole["steps"][0]["for_each"]["steps"]
    whole["steps"][0]["for_each"]["steps"] = [one for one in steps if one["assigned_org"] == CARRIER]
    return whole


async def begin(world: World, count: int = 1, *, of: dict[str, Any] | None = None, lines: int = 20) -> list[str]:
    """Begin so many orders; their ids."""
    given = {"lines": [f"line {number}" for number in range(lines)]}
    asked = [await world.buyer.ask("begin", definition=of or definition(), input=given) for _ in range(count)]
    return [one["execution"] for one in asked]


async def holds(look: Callable[[], Awaitable[bool]], patience: float = PATIENCE_S) -> None:
    """Wait until it does."""
    deadline = time.monotonic() + patience
    while not await look():
        assert time.monotonic() < deadline, "it never came about"
        await asyncio.sleep(0.1)


async def ended(world: World, executions: list[str], members: tuple[str, ...] = ORGS) -> None:
    """Wait until all members hold the same end of these."""

    async def look() -> bool:
        found = {org: await world.members[org].ask("roots") for org in members}
        alike = [{tuple(found[org].get(one, ())) for org in members} for one in executions]
        return all(len(one) == 1 and next(iter(one))[2:] == ("completed",) for one in alike)

    await holds(look)


async def once(world: World, folder: Path, executions: list[str], per_execution: int = TASKS) -> None:
    """Every task was completed, and counted once, and each member's record of it replays."""
    found = await world.buyer.ask("tally", since=0, until=2**53)
    assert (found["completions"], found["repeated"]) == (per_execution * len(executions), 0)
    for org in ORGS:
        recorded = {one.id: one.status for one in replay_all(folder / org / "tenant.db")}
        assert recorded.items() >= dict.fromkeys(executions, "completed").items()


async def restart(one: Organisation) -> None:
    """Wait until it has ended itself, and start it again."""
    await one.process.wait()
    await one.start()
