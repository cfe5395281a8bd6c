"""The chain as this organisation's node sees it."""

from starlette.responses import Response

from tallystick.node.portal.rendering import Visit


async def show(visit: Visit) -> Response:
    """Connection, contracts, what waits to be anchored, and partners."""
    return await visit.page("chain.html", chain=await visit.services.chain(visit.who))
