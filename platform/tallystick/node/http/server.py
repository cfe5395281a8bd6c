"""Serves one organisation's node by Hypercorn's protocols, on a port that a crowd guards.

Hypercorn's own ``serve`` bounds no connections, and (0.18) keeps one whose client has gone until the keep-alive
timeout: a thousand clients that come and go would hold a thousand files for a minute.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Any, cast

from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.utils import wrap_app
from starlette.types import ASGIApp

from tallystick.node.http.attending import Attended
from tallystick.node.http.crowd import Crowd
from tallystick.node.links.tasks import end_tasks
from tallystick.node.settings import Settings

LOOPBACK = ("127.0.0.1", "::1")
ACCEPTED_A_TURN = 100  # files that accepted connections may take before the crowd has looked at them
BACKLOG = 1024  # a burst waits in the kernel, and not in vain
STREAMS = 16  # requests at once on one connection of HTTP/2
PARTING_S = 2.0  # for answers under way when the node stops


def crowd_of(settings: Settings, most: int | None = None) -> Crowd:
    """Who may connect to this organisation's port."""
    proxies = settings.http.proxies or (LOOPBACK if settings.url else ())
    return Crowd(settings.http, most=most, vouched_for=proxies)


async def serve(
    app: ASGIApp, listener: socket.socket, crowd: Crowd, *, keep_alive_s: float, until: Callable[[], Awaitable[Any]]
) -> None:
    """Answer requests until ``until`` returns, then let those under way end; no lifespan events."""
    config, context = _config(keep_alive_s), WorkerContext(None)
    wrapped = wrap_app(cast(Any, Attended(app, crowd)), config.wsgi_max_body_size, "asgi")
    running: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer, task = writer.get_extra_info("peername"), asyncio.current_task()
        if peer is None or task is None or not crowd.admit(peer[:2], writer.transport):
            writer.transport.abort()
            return
        running.add(task)
        try:
            await _Client(wrapped, asyncio.get_running_loop(), config, context, {}, reader, writer)
        finally:
            running.discard(task)
            crowd.gone(peer[:2], writer.transport)

    server = await asyncio.start_server(connected, sock=listener, backlog=ACCEPTED_A_TURN)
    listener.listen(BACKLOG)
    try:
        await until()
    finally:
        await context.terminated.set()  # idle connections end by it
        server.close()
        if running:
            await asyncio.wait(running, timeout=PARTING_S)
        await end_tasks(*running)


class _Client(TCPServer):
    """One connection, which ends when its client has gone."""

    async def _read_data(self) -> None:
        await super()._read_data()
        await self.idle_task.stop()


def _config(keep_alive_s: float) -> Config:
    config = Config()
    # From the end of an answer to the end of the next request's headers; a byte now and then does not extend it.
    config.keep_alive_timeout = keep_alive_s
    config.h2_max_concurrent_streams = STREAMS
    config.errorlog = logging.getLogger("hypercorn.error")
    return config
