"""Tasks for people."""

from typing import Any

from node.api.standins.refusals import NOW, Recorder


class Tasks(Recorder):
    """Tasks for people."""

    def _task(self, key: str) -> dict[str, Any]:
        kinds = {"approval": "approval", "free": "activity"}
        form: list[dict[str, Any]] = [
            {"id": "note", "name": "备注", "property_type": "string", "required": True, "default_value": "x\"<y>"},
            {"id": "ok", "name": "In order?", "property_type": "boolean", "required": True},
            {"id": "count", "name": "Count", "property_type": "integer", "required": False, "default_value": 3},
            {"id": "price", "name": "Price", "property_type": "decimal", "required": False},
            {"id": "on", "name": "On", "property_type": "date", "required": False},
            {"id": "lines", "name": "Lines", "property_type": "array", "required": False},
            {"id": "advice", "name": "Advice", "property_type": "file", "required": False},
        ]  # fmt: skip
        return {
            "task_id": key, "collaboration_id": "c1", "execution_id": "e1", "collaboration_name": "轴承订单 <Order>",
            "step": "despatch", "name": "Send the <despatch> advice", "description": "Pack and send",
            "task_type": kinds.get(key, "data_exchange"), "attempt": 2,
            "status": "open" if key in ("open", "t1") else "claimed", "claimed_by": "operator", "due_at": NOW,
            "priority": "high", "assigned_org": "buyer", "form": [] if key == "free" else form,
            "parameters": {"target_orgs": ["buyer"]}, "since": NOW, "overdue": key == "approval",
            "candidate_groups": ["goods-in <收货>"] if key == "grouped" else [],
        }  # fmt: skip

    async def tasks(self, who: Any, **query: Any) -> dict[str, Any]:
        """An open and a claimed one."""
        self._called("tasks", query)
        return {"items": [self._task("t1"), self._task("approval")], "next_cursor": None}

    async def task(self, who: Any, key: str) -> dict[str, Any]:
        """By id; the refusals are for what is done with it."""
        if key == "missing":
            self._called("task", key)
        return self._task(key)

    async def claim(self, who: Any, key: str) -> dict[str, Any]:
        """Recorded."""
        self._called("claim", key)
        return self._task(key)

    async def release(self, who: Any, key: str) -> dict[str, Any]:
        """Recorded."""
        self._called("release", key)
        return self._task(key)

    async def complete(self, who: Any, key: str, data: dict[str, Any]) -> dict[str, Any]:
        """Recorded."""
        self._called("complete", key, data)
        return self._task(key)

    async def fail(self, who: Any, key: str, code: str, message: str) -> dict[str, Any]:
        """Recorded."""
        self._called("fail", key, code, message)
        return self._task(key)

    async def cancel(self, who: Any, key: str, reason: str) -> dict[str, Any]:
        """Recorded."""
        self._called("cancel", key, reason)
        return self._task(key)

    async def approve(self, who: Any, key: str, comments: str = "") -> dict[str, Any]:
        """Recorded."""
        self._called("approve", key, comments)
        return self._task(key)

    async def reject(self, who: Any, key: str, comments: str = "") -> dict[str, Any]:
        """Recorded."""
        self._called("reject", key, comments)
        return self._task(key)
