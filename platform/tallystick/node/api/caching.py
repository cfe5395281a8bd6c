"""Public documents that anybody may keep for a while (RFC 9111), with an entity tag to ask again by (RFC 9110)."""

import hashlib

from starlette.requests import Request
from starlette.responses import Response

FRESH_S = 300  # a partner that asks sees a new key this soon


def cached(request: Request, content: bytes, media_type: str) -> Response:
    """``content``, or 304 for whoever has it already; pages of other origins may read it as well."""
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {
        "cache-control": f"public, max-age={FRESH_S}",
        "etag": tag,
        "access-control-allow-origin": "*",
        "cross-origin-resource-policy": "cross-origin",
    }
    given = request.headers.get("if-none-match", "")
    known = {one.strip().removeprefix("W/") for one in given[:2000].split(",")}
    if known & {tag, "*"}:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)
