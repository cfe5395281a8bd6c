"""What the operations on tasks and their queues do."""

import asyncio
from typing import Any

import msgspec
from starlette.requests import Request

from tallystick.node.api.operation import Call


async def task_queues(call: Call) -> Any:
    """The queues that have something waiting or in work."""
    return await call.services.task_queues(call.who)


async def queue_tasks(call: Call) -> Any:
    """What waits in a queue, and who holds what of it."""
    return await call.services.queue_tasks(call.who, call.path["queue"], **msgspec.structs.asdict(call.query))


async def claim_tasks(call: Call) -> Any:
    """Take tasks from a queue, waiting for some when there are none; nothing is taken for a worker that has gone."""
    queue, body = call.path["queue"], msgspec.structs.asdict(call.body)
    asking = asyncio.ensure_future(call.services.claim_tasks(call.who, queue, **body))
    leaving = asyncio.ensure_future(_gone(call.request))
    try:
        await asyncio.wait({asking, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return asking.result() if asking.done() else None
    finally:
        asking.cancel()
        leaving.cancel()


async def _gone(request: Request) -> None:
    """Return when the client has hung up."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def heartbeat(call: Call) -> Any:
    """Say that a claimed task is still worked on."""
    return await call.services.heartbeat(call.who, call.path["task_id"], call.body.claim_token)


async def complete(call: Call) -> Any:
    """Answer a task with the values of its form."""
    task, body = call.path["task_id"], call.body
    if body.claim_token is not None:
        return await call.services.complete_claimed(call.who, task, body.claim_token, body.data)
    return await call.services.complete(call.who, task, body.data)


async def fail(call: Call) -> Any:
    """Say why a task cannot be done."""
    task, body = call.path["task_id"], call.body
    if body.claim_token is not None:
        return await call.services.fail_claimed(call.who, task, body.claim_token, body.code, body.message)
    return await call.services.fail(call.who, task, body.code, body.message)


async def cancel(call: Call) -> Any:
    """Cancel a task with a reason."""
    return await call.services.cancel(call.who, call.path["task_id"], call.body.reason)


async def approve(call: Call) -> Any:
    """Approve."""
    return await call.services.approve(call.who, call.path["task_id"], call.body.comments)


async def reject(call: Call) -> Any:
    """Reject."""
    return await call.services.reject(call.who, call.path["task_id"], call.body.comments)
