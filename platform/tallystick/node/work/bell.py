"""A bell that wakes the node's loops after a commit: there may be something to do."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any


class Bell:
    """Every waiter wakes on the next ring; watchers also get what changed."""

    def __init__(self) -> None:
        self._waiters: set[asyncio.Event] = set()
        self._watchers: set[asyncio.Queue[dict[str, Any]]] = set()

    def ring(self, change: dict[str, Any] | None = None) -> None:
        """Wake everyone; ``change`` goes to watchers of live updates."""
        for event in self._waiters:
            event.set()
        for queue in self._watchers:
            if not queue.full():  # a slow reader misses updates, never delays the node
                queue.put_nowait(change or {"topic": "execution"})

    def ear(self) -> "Ear":
        """A loop's own way to wait."""
        event = asyncio.Event()
        self._waiters.add(event)
        return Ear(event)

    async def changes(self) -> AsyncIterator[dict[str, Any]]:
        """Changes as they come, until the consumer stops."""
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(maxsize=100)
        self._watchers.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._watchers.discard(queue)


class Ear:
    """One loop's ear on the bell."""

    def __init__(self, event: asyncio.Event) -> None:
        self._event = event

    async def wait(self, seconds: float) -> None:
        """Return at the next ring (also one that came while we were busy), or after ``seconds``."""
        try:
            async with asyncio.timeout(seconds):  # `wait_for` may swallow the cancellation that ends a loop
                await self._event.wait()
        except TimeoutError:
            return
        finally:
            self._event.clear()
