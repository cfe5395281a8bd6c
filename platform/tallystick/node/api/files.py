"""Documents over HTTP: bounded on the way in, never rendered on the way out."""

import re
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote

from starlette.responses import StreamingResponse

from tallystick.node.api.problems import TooLarge, UnsupportedMediaType

MAX_DOCUMENT = 64 * 1024 * 1024  # what a data exchange may carry
ANY = "application/octet-stream"
_MEDIA_TYPE = re.compile(r"^[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}$")


def media_type(header: str | None) -> str:
    """The essence of a Content-Type (RFC 9110 §8.3), lower-case; none means unknown bytes."""
    essence = (header or ANY).partition(";")[0].strip().lower()
    if not _MEDIA_TYPE.match(essence):
        raise UnsupportedMediaType("the Content-Type is not a media type")
    return essence


async def capped(chunks: AsyncIterable[bytes], limit: int) -> AsyncIterator[bytes]:
    """The same chunks, ending in :class:`TooLarge` as soon as they are more than ``limit`` bytes."""
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise TooLarge(limit)
        if chunk:
            yield chunk


def attachment(name: str) -> str:
    """A Content-Disposition (RFC 6266) that always saves and never shows, with the name in any script."""
    plain = re.sub(r"[^A-Za-z0-9._ -]", "_", name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def download(document: Mapping[str, Any], chunks: AsyncIterator[bytes]) -> StreamingResponse:
    """A stored document as a download; a partner chose its bytes, so no browser may interpret them."""
    headers = {
        "content-disposition": attachment(document["name"]),
        "content-length": str(document["size"]),
        "content-security-policy": "sandbox; default-src 'none'",
        "x-content-type-options": "nosniff",
    }
    return StreamingResponse(chunks, headers=headers, media_type=document["media_type"])
