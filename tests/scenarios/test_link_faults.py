"""Links that fail as networks do, between whole nodes in network namespaces: packets are dropped and nobody is told."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from support.exchange import begin, ended, exchange, once, pair
from support.network import Network, why_not
from tallystick.node.bench.load import BUYER, CARRIER, LINES, SUPPLIER
from tallystick.node.bench.organisations import ORGS, World

pytestmark = pytest.mark.timeout(400)
SHORT_S, LONG_S = 10, 25


@pytest.fixture
def network() -> Iterator[Network]:
    """Three hosts on one wire."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with Network(ORGS) as made:
        yield made


@pytest.fixture
async def world(tmp_path: Path, network: Network) -> AsyncIterator[World]:
    """The three organisations, each on its host."""
    async with exchange(tmp_path, network) as found:
        yield found


async def test_blackholes_of_10_and_25_seconds(world: World, network: Network, tmp_path: Path) -> None:
    """One link is silent for 10 s and another one for 25 s, side by side; all that was begun before, meanwhile and
    afterwards ends, and what needs the link that stands does not wait for the other one.
    """
    orders = await begin(world, 2)
    network.silence(BUYER, CARRIER)
    network.silence(SUPPLIER, BUYER)
    orders += await begin(world, 2)
    await asyncio.sleep(SHORT_S)
    network.heal(BUYER)
    direct = await begin(world, 1, of=pair())
    await ended(world, direct, (BUYER, CARRIER))
    stuck = [await world.buyer.ask("status", execution=one) for one in orders[2:]]
    assert {one["status"] for one in stuck} == {"created"}  # the supplier has heard of none of them
    await asyncio.sleep(LONG_S - SHORT_S)
    network.heal()
    orders += await begin(world, 1)
    await ended(world, orders)
    found = await world.buyer.ask("tally", since=0, until=2**53)
    assert (found["completions"], found["repeated"]) == (2 * LINES * len(orders) + LINES, 0)


async def test_one_direction_only(world: World, network: Network, tmp_path: Path) -> None:
    """The supplier hears nothing of the buyer, and the carrier is heard by nobody, while their own words pass."""
    orders = await begin(world, 2)
    network.deafen(SUPPLIER, BUYER)
    network.deafen(BUYER, CARRIER)
    orders += await begin(world, 1)
    await asyncio.sleep(SHORT_S)
    network.heal()
    await ended(world, orders)
    await once(world, tmp_path, orders)


async def test_a_tenth_of_all_packets_is_lost(world: World, network: Network, tmp_path: Path) -> None:
    network.lose(0.1)
    orders = await begin(world, 4, lines=5)
    await ended(world, orders)
    network.heal()
    await once(world, tmp_path, orders, per_execution=10)
