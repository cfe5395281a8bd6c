"""Messages between three organisations under random faults: TALLY_MESSAGES says how many, TALLY_SEED where to begin.

One fault after the other, chosen at random, while orders flow: nodes and brokers killed or stopped, at any moment or at
exactly the wrong one, links silent, half deaf or losing packets, brokers' stores damaged, partners who flood or send
again what was taken long ago, clocks off by two days. TALLY_FAULTS says how many. Afterwards nothing is lost, nothing
has happened twice, and every execution's record is the same everywhere, in order.
"""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from support.exchange import exchange, restart
from support.integrity import replay_all
from support.network import Network, why_not
from support.soak import write_result
from tallystick.core.errors import Unavailable
from tallystick.node.bench.load import BUYER, CARRIER, SUPPLIER, TASKS
from tallystick.node.bench.organisations import ORGS, Organisation, World, until

MESSAGES = int(os.environ.get("TALLY_MESSAGES", "1500"))
SEED = int(os.environ.get("TALLY_SEED", "1"))
FAULTS = int(
    os.environ.get("TALLY_FAULTS", max(3, min(40, MESSAGES // 2_500)))
)  # one after the other, spread over the messages
IN_FLIGHT = 16
SILENT_S = (1.0, 12.0)
TWO_DAYS_MS = 2 * 86_400_000
pytestmark = pytest.mark.timeout(600 + MESSAGES // 5)


class Soak:
    """The world under faults; ``counted`` are messages that came, as far as their receivers lived to tell."""

    def __init__(self, world: World, network: Network | None, seed: int, folder: Path) -> None:
        self.world = world
        self.folder = folder
        self.network = network
        self.random = random.Random(seed)  # noqa: S311 - a repeatable choice, not a secret
        self.counted = 0
        self.faults: Counter[str] = Counter()
        self._seen = dict.fromkeys(ORGS, 0)
        self._kinds: dict[str, Callable[[], Awaitable[None]]] = {
            "node killed": self._node,
            "killed before sending": lambda: self._moment("unsent"),
            "killed before the acknowledgement was noted": lambda: self._moment("sent"),
            "killed between commit and acknowledgement": lambda: self._moment("taken"),
            "broker killed": self._broker,
            "node and broker stopped": self._stopped,
            "broker stopped": self._broker_stopped,
            "broker's store: a bit flipped": lambda: self._damaged(_flip),
            "broker's store: cut short": lambda: self._damaged(_cut),
            "broker's store: gone": lambda: self._damaged(lambda block: block.write_bytes(b"")),
            "sent again after the window": lambda: self._misbehaves("send_again"),
            "same id, other content": lambda: self._misbehaves("mix_up"),
            "flooded": lambda: self._misbehaves("flood", count=300),
            "clock two days ahead": lambda: self._turned(TWO_DAYS_MS),
            "clock two days behind": lambda: self._turned(-TWO_DAYS_MS),
        }
        if network is not None:
            self._kinds |= {"link silent": self._silent, "one direction only": self._deaf, "packets lost": self._lossy}

    async def strike(self) -> str:
        """One fault, until it is over; kinds take turns in a random order, so that none is left out."""
        fewest = min(self.faults[kind] for kind in self._kinds)
        kind = self.random.choice([one for one in self._kinds if self.faults[one] == fewest])
        await self._kinds[kind]()
        self.faults[kind] += 1
        return kind

    async def count(self) -> int:
        """Messages so far."""
        for org, one in self.world.members.items():
            seen = (await one.ask("received"))["messages"]
            self.counted += seen - self._seen[org] if seen >= self._seen[org] else seen
            self._seen[org] = seen
        return self.counted

    def _one(self) -> Organisation:
        return self.world.members[self.random.choice(ORGS)]

    async def _again(self, one: Organisation) -> None:
        """Start it again after a while; the buyer goes on with its orders."""
        await one.process.wait()
        self._seen[one.org] = 0
        await asyncio.sleep(self.random.uniform(0, 2))
        await restart(one)
        if one.org == BUYER:
            await one.ask("load", in_flight=IN_FLIGHT)

    async def _node(self) -> None:
        one = self._one()
        await self.count()
        await one.kill()
        await self._again(one)

    async def _moment(self, moment: str) -> None:
        one = self._one()
        await self.count()
        await one.ask("die", moment=moment)
        await self._again(one)

    async def _broker(self) -> None:
        os.kill((await self._one().ask("server"))["pid"], signal.SIGKILL)

    async def _stopped(self) -> None:
        one = self._one()
        pids = [one.process.pid, (await one.ask("server"))["pid"]]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(self.random.uniform(*SILENT_S))
        for pid in pids:
            os.kill(pid, signal.SIGCONT)

    async def _broker_stopped(self) -> None:
        pid = (await self._one().ask("server"))["pid"]
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(self.random.uniform(*SILENT_S))
        os.kill(pid, signal.SIGCONT)

    async def _damaged(self, damage: Callable[[Path], object]) -> None:
        """The coordinator's broker takes results in while its node cannot, and then its store is not what it was."""
        one = self.world.buyer
        await self.count()
        pid = (await one.ask("server"))["pid"]
        os.kill(one.process.pid, signal.SIGSTOP)
        await asyncio.sleep(2)
        os.kill(pid, signal.SIGKILL)
        await one.kill()
        blocks = [block for block in (self.folder / BUYER / "nats").rglob("*.blk") if block.stat().st_size]
        assert blocks, "nothing lies in the store"
        for block in blocks:
            damage(block)
        await self._again(one)

    async def _misbehaves(self, how: str, **facts: int) -> None:
        """One that has just been started again has sent nothing yet that it could send otherwise."""
        one = self._one()

        async def taken() -> bool:
            return bool((await one.ask(how, **facts))["taken"])

        await until(taken)

    async def _turned(self, ms: int) -> None:
        one = self._one()
        await one.ask("turn", ms=ms)
        await asyncio.sleep(self.random.uniform(*SILENT_S))
        await one.ask("turn", ms=0)

    async def _silent(self) -> None:
        assert self.network is not None
        self.network.silence(BUYER, self.random.choice((SUPPLIER, CARRIER)))
        await self._heal()

    async def _deaf(self) -> None:
        assert self.network is not None
        pair = [BUYER, self.random.choice((SUPPLIER, CARRIER))]
        self.random.shuffle(pair)
        self.network.deafen(*pair)
        await self._heal()

    async def _lossy(self) -> None:
        assert self.network is not None
        self.network.lose(0.1)
        await self._heal()

    async def _heal(self) -> None:
        assert self.network is not None
        await asyncio.sleep(self.random.uniform(*SILENT_S))
        self.network.heal()


def _flip(block: Path) -> None:
    """One bit in the middle of what the store holds."""
    data = bytearray(block.read_bytes())
    data[len(data) // 2] ^= 1
    block.write_bytes(data)


def _cut(block: Path) -> None:
    """Its last third is missing."""
    with block.open("r+b") as file:
        file.truncate(block.stat().st_size * 2 // 3)


@pytest.fixture
async def soak(tmp_path: Path) -> AsyncIterator[Soak]:
    """The three in network namespaces where those can be made, else on the loopback device."""
    reason = why_not()
    if reason is not None:
        async with exchange(tmp_path) as world:
            yield Soak(world, None, SEED, tmp_path)
        return
    with Network(ORGS) as network:
        async with exchange(tmp_path, network) as world:
            yield Soak(world, network, SEED, tmp_path)


async def test_random_faults_between_organisations(soak: Soak, tmp_path: Path) -> None:
    began = time.monotonic()
    await soak.world.buyer.ask("load", in_flight=IN_FLIGHT)
    for number in range(1, FAULTS + 1):
        due = MESSAGES * number // (FAULTS + 1)
        await until(lambda due=due: _reached(soak, due), 600 + MESSAGES)  # type: ignore[misc]
        kind = await soak.strike()
        print(f"[{time.monotonic() - began:6.0f} s] {soak.counted} messages, fault {number}: {kind}", flush=True)  # noqa: T201 - long work shows progress
    await until(lambda: _reached(soak, MESSAGES), 600 + MESSAGES)
    await soak.world.buyer.ask("load")
    completed = await _all_ended(soak.world)
    tally = await soak.world.buyer.ask("tally", since=0, until=2**53)
    assert (tally["completions"], tally["repeated"]) == (TASKS * completed, 0)
    entries = {org: _replayed(tmp_path / org / "tenant.db", completed) for org in ORGS}
    assert len(set(entries.values())) == 1
    _write(soak, completed, tally["completions"], entries[BUYER], time.monotonic() - began)


async def _reached(soak: Soak, messages: int) -> bool:
    try:
        return await soak.count() >= messages
    except Unavailable:
        raise AssertionError("a member has ended by itself") from None


async def _all_ended(world: World) -> int:
    """How many executions there are, once all of them are completed and alike at all three."""
    found: dict[str, dict[str, list[object]]] = {}

    async def alike() -> bool:
        nonlocal found
        found = await world.each("roots")
        first = found[BUYER]
        return all(one[2] == "completed" for one in first.values()) and all(one == first for one in found.values())

    await until(alike, 300)
    return len(found[BUYER])


def _replayed(database: Path, executions: int) -> int:
    """Every record replays from its statements; how many entries there are."""
    found = list(replay_all(database))
    assert [one.status for one in found] == ["completed"] * executions
    return sum(one.size for one in found)


def _write(soak: Soak, executions: int, completions: int, entries: int, seconds: float) -> None:
    write_result(
        "exchange",
        "messages between three organisations under random faults",
        {
            "seed": SEED,
            "messages": soak.counted,
            "faults": sum(soak.faults.values()),
            "kinds": dict(sorted(soak.faults.items())),
            "executions": executions,
            "tasks_completed_once": completions,
            "entries_replayed_at_each": entries,
            "lost": 0,
            "repeated": 0,
            "seconds": round(seconds),
        },
    )
