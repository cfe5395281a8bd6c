"""What strangers may have the node do at once: ASGI middleware around the whole application.

It tells the crowd whose request has come, gives up whoever does not take an answer, and lets only a few requests at
once of one address do work that needs no session: signing in takes a hash of 64 MiB, an answer to an invitation one of
32 MiB (see :mod:`tallystick.tenants.passwords` and :mod:`tallystick.tenants.fingerprint`).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tallystick.node.api import limits, problems
from tallystick.node.http.crowd import Crowd

COSTLY = frozenset({"/sign-in", "/api/v1/sessions", "/api/v1/invitations/answers"})
AT_ONCE, IN_LINE = 2, 16  # of one address: an office behind one address signs in one after the other


@dataclass
class _Line:
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    members: int = 0


class Attended:
    """Passes requests on to ``app`` and keeps each within its bounds."""

    def __init__(self, app: ASGIApp, crowd: Crowd) -> None:
        self._app = app
        self._crowd = crowd
        self._lines: dict[str, _Line] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        peer = scope.get("client")
        if scope["type"] == "lifespan" or peer is None:
            await self._app(scope, receive, send)
            return
        self._crowd.asked(tuple(peer))

        async def sending(message: Message) -> None:
            patience = limits.PATIENCE_S + len(message.get("body", b"")) / limits.SLOWEST
            giving_up = asyncio.get_running_loop().call_later(patience, self._crowd.cut, tuple(peer))
            try:
                await send(message)
            finally:
                giving_up.cancel()

        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] not in COSTLY:
            await self._app(scope, receive, sending)
            return
        async with self._turn(peer[0]) as is_due:
            if is_due:
                await self._app(scope, receive, sending)
            else:
                error = problems.TooManyAtOnce("as many requests of this address wait as may")
                answer = await problems.handle(Request(scope), error)
                await answer(scope, receive, sending)

    @asynccontextmanager
    async def _turn(self, address: str) -> AsyncIterator[bool]:
        """Wait for a turn of an address; False where its line is too long to wait in."""
        line = self._lines.setdefault(address, _Line())
        if line.members >= AT_ONCE + IN_LINE:
            yield False
            return
        line.members += 1
        try:
            async with line.turns:
                yield True
        finally:
            line.members -= 1
            if not line.members:
                self._lines.pop(address, None)
