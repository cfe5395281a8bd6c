"""`tally bench exchange`: what three organisations get done together, each on a node and a nats-server of its own.

The links are those of every node: leafnodes with mutual TLS, streams that are on disk before they acknowledge. A
completion is a partner's result that stands applied in the coordinator's record, counted once; a hop is the time from
a result's signature at one organisation until it is durable in the record of another, by the clock both share here.
"""

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tallystick.core.errors import Unavailable
from tallystick.node.bench import strangers
from tallystick.node.bench.load import BUYER, CARRIER, SUPPLIER, TASKS
from tallystick.node.bench.relay import Relay

Figures = dict[str, float]
Say = Callable[[str], None]
Hop = tuple[str, int, int]
ORGS = (BUYER, SUPPLIER, CARRIER)
PATIENCE_S = 60.0
_LINE = 2**26


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds of everything, and how much is pinned and stored."""

    raw_s: float
    warm_s: float
    full_s: float
    half_s: float
    again_s: float
    hole_s: float
    in_flight: int
    partners: int
    past: int


FULL = Size(
    raw_s=6, warm_s=5, full_s=60, half_s=30, again_s=20, hole_s=10, in_flight=64, partners=20, past=5_000
)  # fmt: skip
QUICK = Size(
    raw_s=0.6, warm_s=0.5, full_s=2, half_s=1.5, again_s=0.7, hole_s=0.5, in_flight=12, partners=4, past=5
)  # fmt: skip
MINUTES = 8


class Organisation:
    """The process of one member, which ``command`` starts."""

    def __init__(self, org: str, command: Sequence[str]) -> None:
        self.org = org
        self._command = command
        self._asking = asyncio.Lock()

    async def start(self) -> None:
        """Start it, on what an earlier life has left; return when it serves."""
        self.process = await asyncio.create_subprocess_exec(
            *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=_LINE
        )
        await self.answer()

    async def kill(self) -> None:
        """End it as ``kill -9`` does."""
        self.process.kill()
        await self.process.wait()

    async def ask(self, what: str, **facts: Any) -> Any:
        """Have it do something; what it answers."""
        assert self.process.stdin is not None  # noqa: S101 - both are pipes
        async with self._asking:
            self.process.stdin.write(msgspec.json.encode({"do": what, **facts}) + b"\n")
            await self.process.stdin.drain()
            return await self.answer()

    async def answer(self) -> Any:
        """The next line that it says."""
        assert self.process.stdout is not None  # noqa: S101 - both are pipes
        line = await self.process.stdout.readline()
        if not line:
            raise Unavailable(f"{self.org} has ended; what it said last stands above", code="member_ended")
        return msgspec.json.decode(line)

    async def end(self) -> None:
        """Close its input, upon which it ends."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            async with asyncio.timeout(20):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


class Span(NamedTuple):
    """What was completed between two moments (ms since 1970), how much of it twice, and the seconds of CPU."""

    since: int
    until: int
    completions: int
    repeated: int
    cpu_s: float

    @property
    def rate(self) -> float:
        """Completions a second."""
        return self.completions / (self.until - self.since) * 1000

    @property
    def cpu_ms(self) -> float:
        """CPU for each completion, in ms."""
        return self.cpu_s / max(self.completions, 1) * 1000


class World:
    """Three members who are each other's partners."""

    def __init__(self, members: dict[str, Organisation]) -> None:
        self.members = members
        self.buyer, self.supplier, self.carrier = (members[org] for org in ORGS)
        self.cards: dict[str, str] = {}

    async def each(self, what: str, **facts: Any) -> dict[str, Any]:
        """Ask all of them the same."""
        answers = await asyncio.gather(*(one.ask(what, **facts) for one in self.members.values()))
        return dict(zip(self.members, answers, strict=True))

    async def meet(self) -> None:
        """Exchange cards, and wait until every link stands."""
        if not self.cards:
            self.cards = {org: answer["card"] for org, answer in (await self.each("card")).items()}
        for org, one in self.members.items():
            await one.ask("meet", cards=[card for other, card in self.cards.items() if other != org])
        await self.linked()

    async def linked(self) -> None:
        """Wait until the three are linked with each other."""

        async def all_linked() -> bool:
            found = await self.each("linked")
            return all(links.get(other) for org, links in found.items() for other in ORGS if other != org)

        await until(all_linked)

    async def rate(self, size: Size, seconds: float) -> tuple[float, float, int]:
        """Completions a second with so many executions in flight, CPU in ms for each, and how many came twice."""
        await self.buyer.ask("load", in_flight=size.in_flight)
        await asyncio.sleep(size.warm_s)
        span = await self.span(seconds)
        return span.rate, span.cpu_ms, span.repeated

    async def span(self, seconds: float) -> Span:
        """What is completed meanwhile, and the CPU that it takes; the record is asked when the span is over."""
        since, before = now_ms(), await self.cpu()
        await asyncio.sleep(seconds)
        until_ms, after = now_ms(), await self.cpu()
        found = await self.buyer.ask("tally", since=since, until=until_ms)
        return Span(since, until_ms, found["completions"], found["repeated"], after - before)

    async def cpu(self) -> float:
        """Seconds of CPU that nodes and nats-servers have used."""
        return float(sum(sum(one.values()) for one in (await self.each("cpu")).values()))

    async def drain(self) -> None:
        """Begin nothing more, and wait until all that has begun has ended everywhere."""
        await self.buyer.ask("load")

        async def ended() -> bool:
            return not (await self.buyer.ask("idle"))["open"]

        await until(ended)


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


async def until(holds: Callable[[], Any], patience: float = PATIENCE_S) -> None:
    """Return when it holds; :class:`Unavailable` when it never does."""
    deadline = time.monotonic() + patience
    while not await holds():
        if time.monotonic() > deadline:
            raise Unavailable("the organisations did not get that far", code="stuck")
        await asyncio.sleep(0.02)


MEMBER = (sys.executable, "-m", "tallystick.node.bench.member")


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    """The three, started and linked; their folders go with them."""
    with tempfile.TemporaryDirectory(prefix="tally-exchange-", dir=folder) as name:
        async with together({org: [*MEMBER, f"{name}/{org}", org] for org in ORGS}) as found:
            yield found


@asynccontextmanager
async def together(commands: Mapping[str, Sequence[str]]) -> AsyncIterator[World]:
    """Members by the commands that start them."""
    members = {org: Organisation(org, command) for org, command in commands.items()}
    try:
        await asyncio.gather(*(one.start() for one in members.values()))
        found = World(members)
        await found.meet()
        yield found
    finally:
        await asyncio.gather(*(one.end() for one in members.values()), return_exceptions=True)


async def measure(size: Size, folder: Path, tell: Say) -> Figures:
    """All figures."""
    figures: Figures = {}
    tell("three nodes start")
    async with world(folder) as found:
        tell(f"{size.raw_s:g} s of publishing alone")
        raw = await found.supplier.ask("raw", partner=BUYER, seconds=size.raw_s, size=1_000)
        figures |= {f"raw.{name}.acks_per_s": value for name, value in raw.items()}
        tell(f"{size.full_s:g} s of full load")
        rate, cpu, repeated = await found.rate(size, size.full_s)
        figures |= {
            "full.completions_per_s": rate,
            "full.cpu_ms_per_completion": cpu,
            "full.counted_twice": repeated,
            "full.ratio_to_raw_c50": rate / raw["c50"],
            "full.ratio_to_raw_c1": rate / raw["c1"],
        }
        await found.drain()
        tell(f"{size.half_s:g} s of half load")
        figures |= await _half(found, size, rate)
        await found.drain()
        tell("a restart of the coordinator's nats-server")
        figures["restart.flowing_s"] = await _restart(found, rate)
        tell(f"a blackhole of {size.hole_s:g} s")
        figures["blackhole.flowing_s"] = await _blackhole(found, size, rate)
        await found.drain()
        figures |= await _growth(found, size, tell, rate, cpu)
        await until(lambda: _agree(found))
        figures["agree"] = 1.0
    return figures


async def _half(found: World, size: Size, rate: float) -> Figures:
    """Hops of results that were signed within the span: counting it afterwards reads all of the buyer's record."""
    await found.buyer.ask("load", per_s=rate / 2 / TASKS)
    await asyncio.sleep(size.warm_s)
    await found.buyer.ask("hops")
    span = await found.span(size.half_s)
    hops: list[Hop] = await found.buyer.ask("hops")
    waits = sorted(applied - signed for _, signed, applied in hops if span.since <= signed < span.until)
    return {
        "half.completions_per_s": span.rate,
        "half.cpu_ms_per_completion": span.cpu_ms,
        "half.hops": len(waits),
        "half.hop_p50_ms": waits[len(waits) // 2] if waits else float("nan"),
        "half.hop_p99_ms": waits[len(waits) * 99 // 100] if waits else float("nan"),
    }


async def _restart(found: World, rate: float) -> float:
    """Seconds from the end of the buyer's nats-server until results signed after it arrive from both partners."""
    await found.buyer.ask("load", per_s=rate / 4 / TASKS)
    await asyncio.sleep(1)
    pid = (await found.buyer.ask("server"))["pid"]
    begun = now_ms()
    os.kill(pid, signal.SIGTERM)
    return await _flowing(found, begun, {SUPPLIER, CARRIER})


async def _blackhole(found: World, size: Size, rate: float) -> float:
    """Seconds from the end of a silence between buyer and supplier until results signed after it arrive."""
    urls = {org: answer["leaf_url"] for org, answer in (await found.each("card")).items()}
    async with Relay(urls[BUYER]) as to_buyer, Relay(urls[SUPPLIER]) as to_supplier:
        ways = {BUYER: to_buyer, SUPPLIER: to_supplier}
        direct = dict(found.cards)
        for org, way in ways.items():
            found.cards[org] = (await found.members[org].ask("card", leaf_url=way.url))["card"]
        await found.supplier.ask("meet", cards=[found.cards[BUYER]])
        await found.buyer.ask("meet", cards=[found.cards[SUPPLIER]])
        await found.linked()
        await asyncio.sleep(1)
        for way in ways.values():
            way.swallow()
        await asyncio.sleep(size.hole_s)
        await found.buyer.ask("hops")
        for way in ways.values():
            way.flow()
        took = await _flowing(found, now_ms(), {SUPPLIER})
        await found.drain()
        found.cards = direct
        fresh = {org: (await found.members[org].ask("card"))["card"] for org in ways}
        await found.supplier.ask("meet", cards=[fresh[BUYER]])
        await found.buyer.ask("meet", cards=[fresh[SUPPLIER]])
    await found.linked()
    return took


async def _flowing(found: World, since: int, partners: set[str]) -> float:
    """Seconds since that moment until a result signed after it is here from each partner."""
    missing, last = set(partners), since

    async def all_here() -> bool:
        nonlocal last
        for partner, signed, applied in await found.buyer.ask("hops"):
            if signed > since and partner in missing:
                missing.discard(partner)
                last = max(last, applied)
        return not missing

    await until(all_here)
    return (last - since) / 1000


async def _growth(found: World, size: Size, tell: Say, rate: float, cpu: float) -> Figures:
    """The same load with many more partners pinned, of whom nobody answers, and then with many executions stored."""
    figures: Figures = {}
    tell(f"{size.partners} partners pinned")
    await found.buyer.ask("meet", cards=await asyncio.to_thread(strangers.cards_of, size.partners - 2))
    for name, before in (("partners", None), ("past", size.past)):
        if before is not None:
            tell(f"{before} past executions at each")
            await found.each("fill", count=before)
        found_rate, found_cpu, _ = await found.rate(size, size.again_s)
        await found.drain()
        figures[f"{name}.completions_per_s"] = found_rate
        figures[f"{name}.ratio"] = rate / found_rate if found_rate else float("inf")
        figures[f"{name}.cpu_ratio"] = found_cpu / cpu if cpu else float("nan")
    return figures


async def _agree(found: World) -> bool:
    """Whether all three hold the same record of every execution that has ended."""
    buyer, supplier, carrier = (await found.each("roots")).values()
    shared = buyer.keys() & supplier.keys() & carrier.keys()
    return bool(shared) and all(buyer[one] == supplier[one] == carrier[one] for one in shared)
