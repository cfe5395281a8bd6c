"""The same five steps on DBOS, run by the Python of ``.cache/peers``; nothing of ours is imported.

Arguments: database URL, executions one at a time, executions at fifty in flight. Prints one JSON object.
"""

import asyncio
import json
import os
import sys
import time

from dbos import DBOS, DBOSConfig  # type: ignore[import-not-found, unused-ignore]

IN_FLIGHT = 50


@DBOS.step()  # type: ignore[untyped-decorator, unused-ignore]
async def step(number: int) -> dict[str, int]:
    """One durable step that answers at once."""
    return {"number": number}


@DBOS.workflow()  # type: ignore[untyped-decorator, unused-ignore]
async def five_steps(number: int) -> int:
    """Five steps, one after the other."""
    for index in range(1, 6):
        number += (await step(index))["number"]
    return number


async def load(count: int, in_flight: int) -> float:
    """Executions a second."""
    left = iter(range(count))

    async def work() -> None:
        for number in left:
            handle = await DBOS.start_workflow_async(five_steps, number)
            await handle.get_result()

    begun = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(in_flight)))
    return count / (time.perf_counter() - begun)


async def measure(alone: int, many: int) -> dict[str, float]:
    """Both rates, after a few executions to warm up."""
    await load(5, 5)
    return {"c1.executions_per_s": await load(alone, 1), "c50.executions_per_s": await load(many, IN_FLIGHT)}


def main() -> None:
    """Measure on the database that the first argument names."""
    url, alone, many = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    config: DBOSConfig = {"name": "peer", "system_database_url": url, "log_level": "ERROR"}
    DBOS(config=config)
    DBOS.launch()
    print(json.dumps(asyncio.run(measure(alone, many))), flush=True)  # noqa: T201 - its one answer
    os._exit(0)  # its background threads need not be waited for


if __name__ == "__main__":
    main()
