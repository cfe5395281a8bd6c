"""The same five steps on DBOS, run by the Python of ``.cache/peers``; nothing of ours is imported.

The argument is the database's URL. Each line of the input asks for a slice, ``COUNT IN_FLIGHT``, and is answered with a
line that holds the executions a second.
"""

import asyncio
import os
import sys
import time

from dbos import DBOS, DBOSConfig  # type: ignore[import-not-found, unused-ignore]


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


async def serve() -> None:
    """Answer until the input ends."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        count, in_flight = map(int, line.split())
        print(await load(count, in_flight), flush=True)  # noqa: T201 - its answer


def main() -> None:
    """Measure on the database that the argument names."""
    config: DBOSConfig = {"name": "peer", "system_database_url": sys.argv[1], "log_level": "ERROR"}
    DBOS(config=config)
    DBOS.launch()
    asyncio.run(serve())
    os._exit(0)  # its background threads need not be waited for


if __name__ == "__main__":
    main()
