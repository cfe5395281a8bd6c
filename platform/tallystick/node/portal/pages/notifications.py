"""What partners and this node told the organisation."""

from starlette.responses import RedirectResponse, Response

from tallystick.node.portal.rendering import Visit


async def show(visit: Visit) -> Response:
    """The list, newest first."""
    cursor = visit.request.query_params.get("cursor")
    page = await visit.services.notifications(visit.who, cursor=cursor)
    return await visit.page("notifications.html", notifications=page)


async def acknowledge(visit: Visit) -> Response:
    """Acknowledge one."""
    await visit.services.acknowledge(visit.who, visit.request.path_params["notification_id"])
    return RedirectResponse("/notifications", 303)
