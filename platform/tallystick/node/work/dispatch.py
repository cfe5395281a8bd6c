"""Running activities: who is next, how many at once, and what becomes of their answers."""

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

from tallystick.node.record.queues import rank_of
from tallystick.node.work.activities import Activities, ActivityCall, ActivityFailed
from tallystick.node.work.pulses import Keep, outcome_with

Answer = Callable[[ActivityCall, dict[str, Any], ActivityFailed | None], Awaitable[None]]
MAX_QUEUED = 1_000  # calls kept in memory; beyond that they stay in the table until there is room


class Dispatch:
    """Calls queue by activity type, the most urgent first; ``answer`` takes what they give, ``keep`` what they say."""

    def __init__(self, activities: Activities, answer: Answer, keep: Keep) -> None:
        self._activities = activities
        self._answer = answer
        self._keep = keep
        self._queues: dict[str, list[tuple[int, int, ActivityCall]]] = {}
        self._running: dict[str, int] = {}
        self._tasks: dict[str, tuple[ActivityCall, asyncio.Task[None]]] = {}
        self._queued: set[str] = set()
        self._numbers = itertools.count()
        self._stopped = False

    def holds(self, token: str) -> bool:
        """Whether that call waits or runs here."""
        return token in self._tasks or token in self._queued

    @property
    def has_room(self) -> bool:
        """Whether more calls can be queued."""
        return len(self._queued) < MAX_QUEUED

    def offer(self, call: ActivityCall, since: int, priority: str) -> bool:
        """Queue a call, once; False when there is no room or nothing here runs it."""
        if self.holds(call.token):
            return True
        if self._stopped or call.activity_type not in self._activities:
            return False
        if not self.has_room:
            return False
        place = (rank_of(since, priority), next(self._numbers), call)
        heapq.heappush(self._queues.setdefault(call.activity_type, []), place)
        self._queued.add(call.token)
        self._fill(call.activity_type)
        return True

    def end(self, *, token: str | None = None, execution: str | None = None) -> None:
        """Cancel calls whose answer no longer counts: the one of that token, or all of that execution."""
        for call, task in list(self._tasks.values()):
            if (call.token == token or call.execution == execution) and task is not asyncio.current_task():
                task.cancel()

    async def stop(self) -> None:
        """Cancel every call; their tasks stay open in the table."""
        self._stopped = True
        self._queues.clear()
        self._queued.clear()
        running = [task for _, task in self._tasks.values()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _fill(self, activity_type: str) -> None:
        registered = self._activities.find(activity_type)
        queue = self._queues.get(activity_type)
        while queue and registered and len(self._tasks) < self._activities.in_all:
            if self._running.get(activity_type, 0) >= registered.at_once:
                return
            call = heapq.heappop(queue)[2]
            self._queued.discard(call.token)
            self._running[activity_type] = self._running.get(activity_type, 0) + 1
            task = asyncio.create_task(self._run(call))
            self._tasks[call.token] = (call, task)

    async def _run(self, call: ActivityCall) -> None:
        try:
            registered = self._activities.find(call.activity_type)
            if registered is not None:
                result, failure = await outcome_with(registered, call, self._keep)
                await self._answer(call, result, failure)
        finally:
            del self._tasks[call.token]
            self._running[call.activity_type] -= 1
            for activity_type in (call.activity_type, *self._queues):
                self._fill(activity_type)
