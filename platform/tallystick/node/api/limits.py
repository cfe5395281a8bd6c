"""No request body is read further, or for longer, than its kind allows, whoever reads it and whatever it declares."""

import asyncio
import contextlib

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tallystick.node.api.files import MAX_DOCUMENT
from tallystick.node.api.problems import TooLarge, TooSlow
from tallystick.node.api.reading import MAX_JSON

FORM_OVERHEAD = 1024 * 1024  # field names, boundaries and the other fields of a form that carries one file
PATIENCE_S, SLOWEST = 20, 50_000  # for any body, and bytes a second of the largest one allowed
DISCARD_S = 10  # a client still sending a refused body by then is cut off: 64 MiB take that long at 50 Mbit/s


def limit_for(path: str) -> int:
    """The largest body for ``path``, in bytes: documents and evidence are large, everything else is small."""
    if path in ("/api/v1/documents", "/api/v1/verifications"):
        return MAX_DOCUMENT
    if path == "/verify" or (path.startswith("/tasks/") and path.endswith("/complete")):
        return MAX_DOCUMENT + FORM_OVERHEAD
    return MAX_JSON


class BodyLimit:
    """ASGI middleware; the error is raised where the body is read, so the reader's error handlers answer it.

    Whoever sends one byte a minute would else hold its connection, and what has come of the body, for ever.

    A body that an answer made pointless (401, 403, 413) is read out beside the answer: a server closes a connection
    whose request is incomplete, and the client's next request on it would be lost.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = limit_for(scope["path"])
        declared = Headers(scope=scope).get("content-length", "0")
        body = Body(receive, limit, int(declared) if declared.isdecimal() else 0)

        async def finishing_send(message: Message) -> None:
            if message["type"] == "http.response.body" and not message.get("more_body") and not body.ended:
                await send({**message, "more_body": True})
                await body.discard()
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        await self._app(scope, body.receive, finishing_send)


class Body:
    """A request's body: how much of it came, and whether that was all."""

    def __init__(self, receive: Receive, limit: int, announced: int) -> None:
        self._receive = receive
        self._limit = limit
        self._announced = announced
        self._size = 0
        self._until = asyncio.get_running_loop().time() + PATIENCE_S + limit / SLOWEST
        self.ended = False

    async def receive(self) -> Message:
        """The next message; TooLarge when there are, or will be, more bytes than the limit, TooSlow after its time."""
        if self.ended:
            return await self._receive()  # who waits for the connection's end waits as long as it likes
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._next()
        except TimeoutError as error:
            raise TooSlow("the body did not come within its time") from error
        if max(self._announced, self._size) > self._limit:
            await self.discard()
            raise TooLarge(self._limit)
        return message

    async def discard(self) -> None:
        """Read on, for as much again as was allowed and no longer than a slow client deserves."""
        most = self._size + self._limit
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DISCARD_S):
                while not self.ended and self._size < most:
                    await self._next()

    async def _next(self) -> Message:
        message = await self._receive()
        self._size += len(message.get("body", b""))
        self.ended = message["type"] != "http.request" or not message.get("more_body")
        return message
