"""The documents that this organisation holds."""

from starlette.responses import Response

from tallystick.node.api.files import download
from tallystick.node.portal.rendering import Visit


async def show(visit: Visit) -> Response:
    """The list."""
    cursor = visit.request.query_params.get("cursor")
    page = await visit.services.documents(visit.who, cursor=cursor)
    return await visit.page("documents.html", documents=page)


async def content(visit: Visit) -> Response:
    """One document, to save."""
    return download(*await visit.services.document_content(visit.who, visit.request.path_params["document_id"]))
