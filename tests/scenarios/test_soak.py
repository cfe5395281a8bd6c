"""Random faults, round after round: TALLY_ROUNDS says how many (one in `make test`), TALLY_SEED where to begin.

Each round runs one collaboration over the same three nodes and chain while something is killed with SIGKILL at a random
moment. Afterwards all three hold the same gapless record, every effect happened once, and every leaf stands on the
chain once.
"""

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from support.chain import LocalChain
from support.parties import BUYER, CARRIER, DEFINITION, NAMES, SUPPLIER
from support.soak import write_result
from support.trio import Trio, each_effect_once, until, work

ROUNDS = int(os.environ.get("TALLY_ROUNDS", "1"))
SEED = int(os.environ.get("TALLY_SEED", "1"))
FAULTS = [
    *(f"node {org}" for org in NAMES),
    *(f"nats-server {org}" for org in NAMES),
    "chain",
    f"nodes {BUYER} {CARRIER}",
    f"node {SUPPLIER} and chain",
]
LATEST_S = 2.5  # about as long as a collaboration takes
DOWN_S = (0.1, 1.5)
pytestmark = pytest.mark.timeout(120 + 60 * ROUNDS)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[tuple[Trio, LocalChain]]:
    """Three nodes that anchor on a chain which can be killed."""
    chain = LocalChain(tmp_path)
    await chain.start()
    three = Trio(tmp_path, chain)
    try:
        await three.start()
        await until(lambda: _registered(three))
        await asyncio.sleep(1.5)  # the chain writes its state down once a second
        yield three, chain
    finally:
        await three.stop()
        await chain.stop()


async def _registered(trio: Trio) -> bool | None:
    found = [await one.get("/chain") for one in trio.members.values()]
    return all(one["registered"] and not one["unsettled"] for one in found) or None


async def test_random_faults(stage: tuple[Trio, LocalChain]) -> None:
    trio, chain = stage
    began = time.monotonic()
    faults: Counter[str] = Counter()
    for number in range(SEED, SEED + ROUNDS):
        rng = random.Random(number)  # noqa: S311 - a repeatable choice, not a secret
        fault = FAULTS[number % len(FAULTS)]
        print(f"round {number}: {fault}", flush=True)  # noqa: T201 - long work shows progress, and the seed
        await _round(trio, chain, fault, rng)
        faults[fault] += 1
    leaves = await until(lambda: _anchored(trio, 2 * ROUNDS))
    _write(faults, leaves, time.monotonic() - began)


async def _round(trio: Trio, chain: LocalChain, fault: str, rng: random.Random) -> None:
    collaboration = await trio.begin(DEFINITION)
    approve = rng.random() < 0.7
    strike = asyncio.create_task(_strike(trio, chain, fault, rng.uniform(0, LATEST_S), rng.uniform(*DOWN_S)))
    while not strike.done():
        await _work_where_possible(trio, approve)
    await strike
    seen = await trio.play(collaboration, approve=approve)
    assert len({(one["size"], one["root"], one["status"], one["outcome"]) for one in seen.values()}) == 1
    assert {one["dispute"] for one in seen.values()} == {None}
    await each_effect_once(trio, collaboration)


async def _strike(trio: Trio, chain: LocalChain, fault: str, after: float, down: float) -> None:
    """Kill what the fault names, wait, and start again what does not come back by itself."""
    await asyncio.sleep(after)
    members = [trio.members[org] for org in NAMES if org in fault]
    if fault.startswith("nats-server"):
        members[0].kill_nats()  # its node starts it again
        return
    await asyncio.gather(*(one.kill() for one in members))
    if "chain" in fault:
        await chain.kill()
    await asyncio.sleep(down)
    if "chain" in fault:
        await chain.start()
    await asyncio.gather(*(one.start() for one in members))


async def _work_where_possible(trio: Trio, approve: bool) -> None:
    for one in trio.members.values():
        try:
            await work(one, approve=approve)
        except (AssertionError, OSError, RuntimeError, httpx2.TransportError):
            await asyncio.sleep(0.05)  # it is down, or came back with another state than the one just seen
    await asyncio.sleep(0.02)


async def _anchored(trio: Trio, leaves: int) -> int | None:
    found = [await one.get("/chain") for one in trio.members.values()]
    assert {one["log_size"] for one in found} == {leaves}
    settled = all((one["anchored_size"], one["unsettled"]) == (leaves, 0) for one in found)
    return leaves if settled else None


def _write(faults: Counter[str], leaves: int, seconds: float) -> None:
    write_result(
        "soak",
        "random faults over three nodes and a chain",
        {
            "first_seed": SEED,
            "rounds": ROUNDS,
            "failures": 0,
            "faults": dict(sorted(faults.items())),
            "leaves_anchored_once_by_each": leaves,
            "seconds": round(seconds),
        },
    )
