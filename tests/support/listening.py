"""An HTTP server of a test's own, that can be stopped and started at the same place."""

from __future__ import annotations

from typing import Self

from aiohttp import web


class Listening:
    """Gives what is posted to ``handle``; ``port`` stays the same over ``stop`` and ``start``."""

    def __init__(self) -> None:
        self.port = 0
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        """Listen."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """End it."""
        await self.stop()

    async def start(self) -> None:
        """Listen, on the same port as before if it was stopped."""
        application = web.Application(client_max_size=2**24)
        application.router.add_post("/", self.handle)
        # Nobody is waited for at the end: a request may hang on purpose.
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Refuse connections from now on."""
        if self._runner is not None:
            await self._runner.cleanup()
        self._runner = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """The answer."""
        raise NotImplementedError
