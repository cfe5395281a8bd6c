"""A TCP relay that can swallow everything, as a link does whose packets are dropped: nobody is told."""

import asyncio
import contextlib
from typing import Self
from urllib.parse import urlsplit

_CHUNK = 2**16


class Relay:
    """Listens on a loopback port and passes bytes on to ``target`` (``tls://host:port``), or keeps them back."""

    def __init__(self, target: str) -> None:
        address = urlsplit(target)
        self._target = (address.hostname or "", address.port or 0)
        self._open = asyncio.Event()
        self._open.set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Begin to listen."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close everything."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        """Where to connect instead."""
        assert self._server is not None  # noqa: S101 - within the block
        return f"tls://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def swallow(self) -> None:
        """From now on nothing arrives at either end, and no connection is ended."""
        self._open.clear()

    def flow(self) -> None:
        """What was held back, and all that follows, passes."""
        self._open.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(OSError):
            await self._open.wait()
            onward_reader, onward_writer = await asyncio.open_connection(*self._target)
            try:
                ways = (self._pass(reader, onward_writer), self._pass(onward_reader, writer))
                await asyncio.wait([asyncio.create_task(way) for way in ways], return_when=asyncio.FIRST_COMPLETED)
            finally:
                onward_writer.close()
        writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                await self._open.wait()
                writer.write(data)
                await writer.drain()
