"""Live changes as server-sent events (HTML Living Standard §9.2)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import msgspec
from starlette.responses import StreamingResponse

from tallystick.core.errors import Unavailable
from tallystick.node.api.ports import Services

KEEP_ALIVE_S = 15.0
# A stream ends before its session could outlive a revocation for long; browsers and htmx reconnect by themselves.
MAX_STREAM_S = 600.0
MAX_STREAMS = 200

Event = dict[str, Any]
Render = Callable[[Event], bytes | None]


def frame(name: str, data: Any) -> bytes:
    """One named event; JSON never holds a raw newline, so one data line is enough."""
    safe = "".join(character for character in name if character.isalnum() or character in "_-.")
    return b"event: " + safe.encode() + b"\ndata: " + msgspec.json.encode(data) + b"\n\n"


def as_json(event: Event) -> bytes:
    """The API's rendering: the topic as event name, the change as data."""
    return frame(str(event.get("topic", "change")), event)


class Streams:
    """Open streams of one node, counted so that forgotten tabs cannot exhaust it."""

    def __init__(self, services: Services, limit: int = MAX_STREAMS) -> None:
        self._services = services
        self._limit = limit
        self._open = 0

    def response(self, render: Render) -> StreamingResponse:
        """A stream of the node's changes as ``render`` shows them; it may return None to leave one out."""
        if self._open >= self._limit:
            raise Unavailable("too many live streams are open")
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(self._frames(render), headers=headers, media_type="text/event-stream")

    async def _frames(self, render: Render) -> AsyncIterator[bytes]:
        self._open += 1
        changes = self._services.subscribe()
        try:
            yield b"retry: 1000\n\n"
            async for change in _until(changes, MAX_STREAM_S):
                shown = b": still here\n\n" if change is None else render(change)
                if shown:
                    yield shown
        finally:
            self._open -= 1
            await _close(changes)


async def _until(changes: AsyncIterator[Event], seconds: float) -> AsyncIterator[Event | None]:
    """The changes, with None whenever a while passed without one, until ``seconds`` are over."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    following = asyncio.ensure_future(anext(changes))
    try:
        while (left := end - loop.time()) > 0:
            done, _ = await asyncio.wait({following}, timeout=min(KEEP_ALIVE_S, left))
            if not done:
                yield None
                continue
            try:
                change = following.result()
            except StopAsyncIteration:
                return
            following = asyncio.ensure_future(anext(changes))
            yield change
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError, StopAsyncIteration):
            await following


async def _close(changes: AsyncIterator[Event]) -> None:
    if closing := getattr(changes, "aclose", None):
        await closing()
