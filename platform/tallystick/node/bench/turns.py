"""Load on one tenant, and how loads that are compared take turns."""

import asyncio
import time
from collections.abc import Iterable
from statistics import median

import msgspec

from tallystick.node.bench import cpu
from tallystick.node.bench.world import Tenant

IN_FLIGHT = 50
SLICES = 9  # of each load that is compared with another: what else the machine does meanwhile falls on both alike


class Rate(msgspec.Struct, frozen=True):
    """Executions a second, microseconds of CPU an execution, and the seconds that each took, sorted.

    The CPU is that of the node and of the process that writes its rows under load, which has a core of its own.
    """

    per_s: float
    cpu_us: float
    waits: list[float]


async def load(one: Tenant, count: int, in_flight: int) -> Rate:
    """Run ``count`` executions, so many at once."""
    left = iter(range(count))
    waits: list[float] = []

    async def work() -> None:
        for _ in left:
            begun = time.perf_counter()
            await one.execute()
            waits.append(time.perf_counter() - begun)

    spent, begun = _spent(one), time.perf_counter()
    await asyncio.gather(*(work() for _ in range(in_flight)))
    took, spent = time.perf_counter() - begun, _spent(one) - spent
    return Rate(count / took, spent / count * 1e6, sorted(waits))


def _spent(one: Tenant) -> float:
    return time.process_time() + cpu.seconds(one.engine.committer.writer_pid)


def ratio(pairs: Iterable[tuple[float, float]]) -> float:
    """The median of what neighbours give: a slice is compared with the one that ran right before or after it."""
    return median(first / second for first, second in pairs)
