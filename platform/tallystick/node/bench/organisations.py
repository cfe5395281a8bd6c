"""Organisations for `tally bench exchange` and for tests: each a process with a node and a nats-server of its own."""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tallystick.core.errors import Unavailable
from tallystick.node.bench.load import BUYER, CARRIER, SUPPLIER

ORGS = (BUYER, SUPPLIER, CARRIER)
PATIENCE_S = 60.0
_LINE = 2**26


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

    async def rate(self, in_flight: int, warm_s: float, seconds: float) -> Span:
        """What is completed with so many executions in flight, once that has gone on for a while."""
        await self.buyer.ask("load", in_flight=in_flight)
        await asyncio.sleep(warm_s)
        return await self.span(seconds)

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
