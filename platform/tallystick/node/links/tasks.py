"""Ending background tasks for certain."""

import asyncio

_ASK_AGAIN_S = 0.5  # longer than closing a connection takes, which must not be interrupted


async def end_tasks(*tasks: asyncio.Task[None]) -> None:
    """Cancel ``tasks`` and wait until all are done; what they raise is dropped.

    nats-py swallows a cancellation that reaches it while it writes to its socket, so one request is not enough.
    """
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=_ASK_AGAIN_S)
    await asyncio.gather(*tasks, return_exceptions=True)
