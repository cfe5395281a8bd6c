"""Queues of tasks for workers."""

from typing import Any

from node.api.standins.refusals import NOW
from node.api.standins.tasks import Tasks


class Queues(Tasks):
    """Queues of tasks for workers."""

    async def task_queues(self, who: Any) -> dict[str, Any]:
        """One."""
        return {"items": [{"queue": "press", "depth": 2, "oldest_since": NOW, "in_flight": 1}]}

    async def queue_tasks(self, who: Any, queue: str, *, limit: int = 50, cursor: str | None = None) -> dict[str, Any]:
        """One that waits and one that a worker holds."""
        self._called("queue_tasks", queue)
        common = {"execution_id": "e1", "activity_type": "press <x>", "since": NOW, "due_at": None, "priority": "high"}
        free = {"claimed_by": None, "worker_id": None, "claimed_at": None, "lease_expires_at": None}
        held = {"claimed_by": "token:k1", "worker_id": "line <3>", "claimed_at": NOW, "lease_expires_at": NOW}
        return {
            "queue": queue,
            "claimed": [{"task_id": "q2", "state": "claimed", "deliveries": 2, **common, **held}],
            "items": [{"task_id": "q1", "state": "waiting", "deliveries": 0, **common, **free}],
            "next_cursor": None,
        }

    async def claim_tasks(
        self, who: Any, queue: str, *, worker_id: str, max_tasks: int, wait_seconds: int, lease_seconds: int
    ) -> dict[str, Any]:
        """Recorded."""
        self._called("claim_tasks", queue, worker_id, max_tasks, wait_seconds, lease_seconds)
        return {"items": []}

    async def heartbeat(self, who: Any, key: str, claim_token: str) -> dict[str, Any]:
        """Recorded."""
        self._called("heartbeat", key, claim_token)
        return {"lease_expires_at": NOW}

    async def complete_claimed(self, who: Any, key: str, claim_token: str, data: dict[str, Any]) -> dict[str, Any]:
        """Recorded."""
        self._called("complete_claimed", key, claim_token, data)
        return self._task(key)

    async def fail_claimed(self, who: Any, key: str, claim_token: str, code: str, message: str) -> dict[str, Any]:
        """Recorded."""
        self._called("fail_claimed", key, claim_token, code, message)
        return self._task(key)
