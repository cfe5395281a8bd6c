"""What the organisation waits for, over all executions, and what it has not been able to send."""

from starlette.responses import Response

from tallystick.node.portal.rendering import Visit

OUTBOX_SHOWN = 50


async def show(visit: Visit) -> Response:
    """Open executions with what they wait for, and the beginning of the outbox."""
    query = visit.request.query_params
    waiting = await visit.services.all_waiting(visit.who, cursor=query.get("cursor"))
    outbox = await visit.services.outbox(visit.who, limit=OUTBOX_SHOWN, cursor=query.get("outbox"))
    return await visit.page("waiting.html", waiting=waiting, outbox=outbox)
