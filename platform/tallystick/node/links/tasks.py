"""Ending background tasks for certain."""

import asyncio

_ASK_AGAIN_S = 0.5  # longer than closing a connection takes, which must not be interrupted


async def end_tasks(*tasks: asyncio.Task[None], ask_again_s: float = _ASK_AGAIN_S) -> None:
    """Cancel ``tasks`` and wait until all are done; what they raise is dropped.

    nats-py, and `asyncio.wait_for` of Python 3.11 under it, swallow a cancellation that comes together with what they
    wait for, so one request is not enough. ``ask_again_s`` has to be longer than what the tasks do once they are
    cancelled.
    """
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=ask_again_s)
    await asyncio.gather(*tasks, return_exceptions=True)
