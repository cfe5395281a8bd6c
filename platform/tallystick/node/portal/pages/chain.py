"""The chain as this organisation's node sees it."""

from starlette.responses import Response

from tallystick.node.portal.rendering import Visit

NEWEST = 20  # transactions; the API lists them all


async def show(visit: Visit) -> Response:
    """Connection, contracts, and the newest of what is sent there."""
    sent = await visit.services.chain_transactions(visit.who, limit=NEWEST)
    return await visit.page("chain.html", chain=await visit.services.chain(visit.who), transactions=sent["items"])
