"""Taking messages off a stream as they come: requests to its consumer are kept open, none waits for a batch to fill.

(The client's own ``fetch`` returns when its batch is full or its time is over: on a quiet link a message would wait.)
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

AT_ONCE = 64  # messages that are on their way or being handled
_BYTES = 4_000_000  # of one request: a flood of the largest messages must not fill the memory
_EXPIRES_S = 10.0
_LOST_S = 2.0  # after its end a request that nobody has answered is taken for lost
_NS = 1_000_000_000


class Pull:
    """What one stream's consumer gives, until the connection is lost."""

    def __init__(self, stream: str, consumer: str) -> None:
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._came: asyncio.Queue[Msg | None] = asyncio.Queue()  # None: look again
        self._running: set[asyncio.Task[None]] = set()
        self._asked = 0  # messages that may still come
        self._until = 0.0  # the end of the newest request

    async def look_again(self) -> None:
        """Have :meth:`run` notice that the connection was lost."""
        self._came.put_nowait(None)

    async def run(self, client: Client, handle: Callable[[Msg], Awaitable[None]]) -> None:
        """Begin to handle each message in the order in which they come; return when the connection was lost."""
        inbox = client.new_inbox()
        await client.subscribe(inbox, cb=self._take)
        async with asyncio.TaskGroup() as handling:
            while not client.stats["reconnects"]:
                await self._ask(client, inbox)
                message = await self._next()
                if message is None:
                    continue
                task = handling.create_task(_handled(handle, message))
                self._running.add(task)
                task.add_done_callback(self._done)

    async def _take(self, message: Msg) -> None:
        self._came.put_nowait(message)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not self._running or len(self._running) == AT_ONCE // 2:
            self._came.put_nowait(None)  # there may be room again

    async def _ask(self, client: Client, inbox: str) -> None:
        if time.monotonic() > self._until + _LOST_S:
            self._asked = 0
        room = AT_ONCE - self._asked - len(self._running)
        if room < AT_ONCE // 2:
            return
        request = {"batch": room, "max_bytes": _BYTES, "expires": int(_EXPIRES_S * _NS)}
        await client.publish(self._subject, msgspec.json.encode(request), reply=inbox)
        self._asked, self._until = self._asked + room, time.monotonic() + _EXPIRES_S

    async def _next(self) -> Msg | None:
        """The next message; None when it is time to look whether there is room, or a connection."""
        try:
            async with asyncio.timeout(max(self._until + _LOST_S - time.monotonic(), 0.01) + 0.01):
                message = await self._came.get()
        except TimeoutError:
            return None
        headers = (message.headers if message is not None else None) or {}
        if message is not None and "Status" in headers and not message.data:
            self._asked = max(self._asked - int(headers.get("Nats-Pending-Messages", 0)), 0)
            return None
        if message is not None:
            self._asked -= 1
        return message


async def _handled(handle: Callable[[Msg], Awaitable[None]], message: Msg) -> None:
    await handle(message)
