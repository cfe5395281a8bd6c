"""`tally bench exchange`: what three organisations get done together, each on a node and a nats-server of its own.

The links are those of every node: leafnodes with mutual TLS, streams that are on disk before they acknowledge. A
completion is a partner's result that stands applied in the coordinator's record, counted once; a hop is the time from
a result's signature at one organisation until it is durable in the record of another, by the clock both share here.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec

from tallystick.node.bench import strangers
from tallystick.node.bench.load import BUYER, CARRIER, SUPPLIER, TASKS
from tallystick.node.bench.organisations import Span, World, now_ms, until, world
from tallystick.node.bench.relay import Relay

Figures = dict[str, float]
Say = Callable[[str], None]
Hop = tuple[str, int, int]


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


async def measure(size: Size, folder: Path, tell: Say) -> Figures:
    """All figures."""
    figures: Figures = {}
    tell("three nodes start")
    async with world(folder) as found:
        tell(f"{size.raw_s:g} s of publishing alone")
        raw = await found.supplier.ask("raw", partner=BUYER, seconds=size.raw_s, size=1_000)
        figures |= {f"raw.{name}.acks_per_s": value for name, value in raw.items()}
        tell(f"{size.full_s:g} s of full load")
        full = await found.rate(size.in_flight, size.warm_s, size.full_s)
        rate = full.rate
        figures |= {
            "full.completions_per_s": rate,
            "full.cpu_ms_per_completion": full.cpu_ms,
            "full.counted_twice": full.repeated,
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
        figures |= await _growth(found, size, tell)
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
    os.kill(pid, signal.SIGTERM)
    await until(partial(_has_ended, pid))  # it goes on serving for a moment
    return await _flowing(found, now_ms(), {SUPPLIER, CARRIER})


async def _has_ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


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


async def _growth(found: World, size: Size, tell: Say) -> Figures:
    """The same load with many more partners pinned, of whom nobody answers, and then with many executions stored.

    Each is compared with the load right before it: the machine's speed drifts.
    """

    async def again() -> Span:
        span = await found.rate(size.in_flight, size.warm_s, size.again_s)
        await found.drain()
        return span

    figures: Figures = {}
    before = await again()
    for name, change in (("partners", _pin_strangers), ("past", _fill)):
        await change(found, size, tell)
        span = await again()
        figures[f"{name}.completions_per_s"] = span.rate
        figures[f"{name}.ratio"] = before.rate / span.rate if span.rate else float("inf")
        figures[f"{name}.cpu_ratio"] = span.cpu_ms / before.cpu_ms if before.cpu_ms else float("nan")
        before = span
    return figures


async def _pin_strangers(found: World, size: Size, tell: Say) -> None:
    tell(f"{size.partners} partners pinned")
    await found.buyer.ask("meet", cards=await asyncio.to_thread(strangers.cards_of, size.partners - 2))


async def _fill(found: World, size: Size, tell: Say) -> None:
    tell(f"{size.past} past executions at each")
    await found.each("fill", count=size.past)
    await asyncio.to_thread(os.sync)  # gigabytes that the system has not written yet are not the load's


async def _agree(found: World) -> bool:
    """Whether all three hold the same record of every execution that has ended."""
    buyer, supplier, carrier = (await found.each("roots")).values()
    shared = buyer.keys() & supplier.keys() & carrier.keys()
    return bool(shared) and all(buyer[one] == supplier[one] == carrier[one] for one in shared)
