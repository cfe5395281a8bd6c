"""Nodes and servers that end at exactly the wrong moment: nothing is lost, and nothing happens twice."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.exchange import begin, ended, exchange, holds, once, restart
from tallystick.node.bench.load import BUYER, CARRIER, SUPPLIER
from tallystick.node.bench.organisations import World

pytestmark = pytest.mark.timeout(400)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """The three organisations."""
    async with exchange(tmp_path) as found:
        yield found


async def test_senders_and_receivers_killed_around_the_acknowledgement(world: World, tmp_path: Path) -> None:
    """Each of the three moments, at a partner and at the coordinator."""
    orders = []
    for org in (SUPPLIER, BUYER):
        for moment in ("unsent", "sent", "taken"):
            orders += await begin(world, 1, lines=4)
            await world.members[org].ask("die", moment=moment)
            await restart(world.members[org])
            assert world.members[org].process.returncode is None
    await ended(world, orders)
    await once(world, tmp_path, orders, per_execution=8)


async def test_either_broker_killed_and_a_partner_stopped_for_8_seconds(world: World, tmp_path: Path) -> None:
    orders = await begin(world, 2)
    for org in (BUYER, SUPPLIER):
        os.kill((await world.members[org].ask("server"))["pid"], signal.SIGKILL)
        orders += await begin(world, 1, lines=20)
    carrier = world.members[CARRIER]
    pids = [carrier.process.pid, (await carrier.ask("server"))["pid"]]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    orders += await begin(world, 1)
    await asyncio.sleep(8)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    await ended(world, orders)
    await once(world, tmp_path, orders)


async def test_results_that_a_brokers_store_lost_after_acknowledging_them_come_again(
    world: World, tmp_path: Path
) -> None:
    """The coordinator's broker says that it has the supplier's results, and then its store is gone: past the agreed
    limit their author sends them to everyone, and each is taken in once.
    """
    orders = await begin(world, 1)
    buyer = world.buyer
    server = (await buyer.ask("server"))["pid"]
    await holds(lambda: _assigned(world, orders[0]))
    os.kill(buyer.process.pid, signal.SIGSTOP)
    await asyncio.sleep(2)  # its broker goes on taking in what partners send
    os.kill(server, signal.SIGKILL)
    await buyer.kill()
    lost = [block for block in (tmp_path / BUYER / "nats").rglob("*.blk") if block.stat().st_size]
    for block in lost:
        block.write_bytes(b"")
    assert lost
    await buyer.start()
    await ended(world, orders)
    await once(world, tmp_path, orders)


async def _assigned(world: World, order: str) -> bool:
    found = await world.buyer.ask("roots")
    return bool(found[order][0] > 6)  # it is under way, and far from its end
