"""Checking an evidence file, whoever made it."""

from starlette.datastructures import UploadFile
from starlette.responses import Response

from tallystick.core.errors import Invalid
from tallystick.node.api.files import MAX_DOCUMENT
from tallystick.node.api.problems import TooLarge
from tallystick.node.portal.rendering import Visit


async def show(visit: Visit) -> Response:
    """The drop zone."""
    return await visit.page("verify.html")


async def check(visit: Visit) -> Response:
    """The check list for the file that was dropped."""
    upload = (await visit.request.form()).get("bundle")
    if not isinstance(upload, UploadFile) or not upload.filename:
        return await visit.page("verify.html", code=422, error=Invalid("choose an evidence file", pointer="/bundle"))
    bundle = await upload.read(MAX_DOCUMENT + 1)
    if len(bundle) > MAX_DOCUMENT:
        raise TooLarge(MAX_DOCUMENT)
    try:
        result = await visit.services.verify_bundle(visit.who, bundle)
    except Invalid as error:
        return await visit.page("verify.html", code=422, error=error, name=upload.filename)
    return await visit.page("verify.html", result=result, name=upload.filename)
