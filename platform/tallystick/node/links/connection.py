"""Connections of the node to its own nats-server."""

import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from nats.aio.client import Client

_LOG = logging.getLogger(__name__)


@asynccontextmanager
async def connected(
    url: str,
    seed: str,
    *,
    name: str,
    inbox_prefix: str = "_INBOX",
    tls: ssl.SSLContext | None = None,
    reconnected: Callable[[], Awaitable[None]] | None = None,
) -> AsyncIterator[Client]:
    """Yield a client that reconnects for ever, and close it; ``reconnected`` is called whenever it has.

    ``url`` may name several servers, by commas.
    """

    async def note(error: Exception) -> None:
        # While the server is away this comes at every attempt; the supervisor has already said so.
        _LOG.debug("%s: %s", name, error)

    client = Client()
    try:
        await client.connect(
            url.split(","),
            tls=tls,
            name=name,
            nkeys_seed_str=seed,
            inbox_prefix=inbox_prefix,
            error_cb=note,
            reconnected_cb=reconnected,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.1,  # type: ignore[arg-type]  # seconds; the annotation says int, the code sleeps
            connect_timeout=2,
            ping_interval=5,
        )
        yield client
    finally:
        # Also when cancelled half-way through connecting: the socket may exist already.
        await client.close()
