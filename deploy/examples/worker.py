"""A worker for the task queue ``inspection``: it looks at what the press reports and says whether a part is in order.

An administrator makes its token once (it is shown that once)::

    curl -X POST $NODE/api/v1/access-tokens -H "authorization: Bearer $SESSION" -H "content-type: application/json" \
        -d '{"name": "inspection station 3", "queues": ["inspection"]}'

Then, on any machine that reaches the node::

    TALLYSTICK_TOKEN=tally_… python deploy/examples/worker.py https://node.example
"""

import asyncio
import os
import sys
from typing import Any

from tallystick.node.worker import Task, TaskFailed, Worker


async def inspect(task: Task) -> dict[str, Any]:
    """The result of one part; the same task may come twice, and the same measurement gives the same answer."""
    measured = task.input.get("force_newtons")
    if not isinstance(measured, int):
        raise TaskFailed("the step's input has no force_newtons", code="invalid_input")
    return {"in_order": 9_000 <= measured <= 11_000, "inspected_by": "station 3"}


async def main(url: str) -> None:
    """Work until interrupted."""
    async with Worker(url, os.environ["TALLYSTICK_TOKEN"], "inspection", concurrency=4) as worker:
        await worker.run(inspect)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
