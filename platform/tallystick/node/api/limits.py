"""No request body is read further than its kind allows, whoever reads it and whatever it declares."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tallystick.node.api.files import MAX_DOCUMENT
from tallystick.node.api.problems import TooLarge
from tallystick.node.api.reading import MAX_JSON

FORM_OVERHEAD = 1024 * 1024  # field names, boundaries and the other fields of a form that carries one file


def limit_for(path: str) -> int:
    """The largest body for ``path``, in bytes: documents and evidence are large, everything else is small."""
    if path in ("/api/v1/documents", "/api/v1/verifications"):
        return MAX_DOCUMENT
    if path == "/verify" or (path.startswith("/tasks/") and path.endswith("/complete")):
        return MAX_DOCUMENT + FORM_OVERHEAD
    return MAX_JSON


async def _discard(receive: Receive, message: Message, limit: int) -> None:
    """Read on for as much again: a client that is cut off while it sends never sees the answer."""
    left = limit
    while left > 0 and message["type"] == "http.request" and message.get("more_body"):
        message = await receive()
        left -= len(message.get("body", b""))


class BodyLimit:
    """ASGI middleware; the error is raised where the body is read, so the reader's error handlers answer it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = limit_for(scope["path"])
        declared = Headers(scope=scope).get("content-length", "0")
        announced = int(declared) if declared.isdecimal() else 0
        size = 0

        async def bounded_receive() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if announced > limit or size > limit:
                await _discard(receive, message, limit)
                raise TooLarge(limit)
            return message

        await self._app(scope, bounded_receive, send)
