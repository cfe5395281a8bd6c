"""One tenant's API and portal, built when somebody first asks: most tenants of a large node sleep."""

from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class OnDemand:
    """An ASGI application that stands for the one that ``build`` makes."""

    def __init__(self, build: Callable[[], ASGIApp]) -> None:
        self._build = build
        self._built: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; the server's start and stop concern nobody inside."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        if self._built is None:
            self._built = self._build()
        await self._built(scope, receive, send)


async def _live(receive: Receive, send: Send) -> None:
    message: Message = {"type": ""}
    while message["type"] != "lifespan.shutdown":
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
