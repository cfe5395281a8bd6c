"""A broker that has acknowledged messages and then has them no more."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from support.hosted import Hosted
from support.trio import until
from tallystick.node.links import names
from tallystick.node.links.connection import connected
from tallystick.node.links.tasks import end_tasks


class Stream:
    """The inbox stream of one partner at an organisation's nats-server, while its node does not read it."""

    def __init__(self, context: Any, partner: str) -> None:
        self._context = context
        self._stream = names.stream(partner)

    async def holds(self, count: int = 1) -> None:
        """Wait until so many messages lie in it: each of them has been acknowledged to its sender."""
        await until(partial(self._look, count))

    async def _look(self, count: int) -> bool | None:
        found = await self._context.stream_info(self._stream)
        return found.state.messages >= count or None

    async def lose(self) -> None:
        """Delete them all."""
        await self._context.purge_stream(self._stream)


@asynccontextmanager
async def unread(hosted: Hosted, partner: str) -> AsyncIterator[Stream]:
    """The node of ``hosted`` takes nothing of ``partner`` in; its nats-server does, and acknowledges it."""
    links: Any = hosted.node.parts.links
    peer = links._peers[partner]
    await end_tasks(peer._tasks[0])
    async with connected(peer._url, peer._in_seed, name=names.in_account(partner)) as client:
        yield Stream(client.jetstream(), partner)
    if hosted.node.parts.links is links:  # and not another life of the node
        peer._tasks[0] = asyncio.create_task(peer._for_ever(peer._inbox))
