"""What an execution costs when a thousand are stored, and when a million are: two tenants that take turns."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from statistics import median

from tallystick.node.bench import filling
from tallystick.node.bench.turns import IN_FLIGHT, SLICES, Rate, load, ratio
from tallystick.node.bench.world import Tenant, tenant

FEW = 1_000
SLICE = 300  # executions


async def measure(stored: int, count: int, folder: Path, tell: Callable[[str], None]) -> dict[str, float]:
    """Fill one of two databases with ``stored`` executions, then load both in turn with ``count`` in each slice."""
    async with tenant(None, folder) as few, tenant(None, folder) as many:
        await load(few, min(FEW, stored // 3), IN_FLIGHT)
        await load(many, IN_FLIGHT, IN_FLIGHT)
        await asyncio.to_thread(filling.fill, many, stored, tell=tell)
        await load(many, min(500, count), IN_FLIGHT)
        turns: list[tuple[Rate, Rate]] = []
        for number in range(SLICES):
            one, other = await _turn(few, many, count, few_first=number % 2 == 0)
            tell(f"turn {number + 1} of {SLICES}: {one.per_s:.0f}/s with few, {other.per_s:.0f}/s with many")
            turns.append((one, other))
        size = sum(path.stat().st_size for path in many.folder.glob("tenant.db*"))
    return {
        "stored.at_1e3_executions_per_s": median(one.per_s for one, _ in turns),
        "stored.at_1e6_executions_per_s": median(one.per_s for _, one in turns),
        "stored.at_1e3_cpu_us_per_execution": median(one.cpu_us for one, _ in turns),
        "stored.at_1e6_cpu_us_per_execution": median(one.cpu_us for _, one in turns),
        "stored.ratio_1e6_to_1e3": ratio((one.per_s, other.per_s) for one, other in turns),
        "stored.cpu_ratio_1e6_to_1e3": ratio((other.cpu_us, one.cpu_us) for one, other in turns),
        "stored.bytes_per_execution": size / stored,
    }


async def _turn(few: Tenant, many: Tenant, count: int, *, few_first: bool) -> tuple[Rate, Rate]:
    """Both, in an order that changes: whoever comes second finds the machine as the first has left it."""
    if few_first:
        return await load(few, count, IN_FLIGHT), await load(many, count, IN_FLIGHT)
    second = await load(many, count, IN_FLIGHT)
    return await load(few, count, IN_FLIGHT), second
