"""Task queues of external workers: what is open, and who holds what since when."""

from starlette.responses import Response

from tallystick.core.errors import Invalid
from tallystick.node.portal.rendering import Visit


async def show(visit: Visit) -> Response:
    """Every queue that has something."""
    return await visit.page("task_queues.html", queues=(await visit.services.task_queues(visit.who))["items"])


async def one(visit: Visit) -> Response:
    """One queue; its name may hold anything, so it stands in the query."""
    asked = visit.request.query_params
    queue = asked.get("queue", "")
    if not queue:
        raise Invalid("name a queue", code="missing", pointer="/queue")
    found = await visit.services.queue_tasks(visit.who, queue, cursor=asked.get("cursor"))
    return await visit.page("task_queue.html", queue=found)
