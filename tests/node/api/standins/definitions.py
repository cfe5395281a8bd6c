"""Definitions with two versions, and what triggers started of them."""

from typing import Any

from node.api.standins.collaborations import Collaborations
from node.api.standins.refusals import NOW


class Definitions(Collaborations):
    """Definitions with two versions, and what triggers started of them."""

    def _definition(self, key: str, version: str = "2") -> dict[str, Any]:
        return {
            "definition_id": key, "version": version, "name": "轴承订单 <Order>", "created_by": "operator",
            "created_at": NOW, "deprecated_at": None if version == "2" else NOW,
            "triggers": [{"trigger_type": "api"}, {"trigger_type": "schedule", "cron": "*/5 * * * *",
                         "time_zone": "UTC"}, {"trigger_type": "event", "topic": "areas/+/alarm"}],
        }  # fmt: skip

    async def add_definition(self, who: Any, definition: dict[str, Any]) -> dict[str, Any]:
        """A definition's id may refuse it."""
        self._called("add_definition", definition.get("id"), definition)
        return self._definition("d1")

    async def definitions(self, who: Any, **query: Any) -> dict[str, Any]:
        """Two versions."""
        self._called("definitions", query)
        return {"items": [self._definition("d1"), self._definition("d1", "1")], "next_cursor": None}

    async def definition(
        self, who: Any, definition_id: str, *, limit: int = 50, cursor: str | None = None
    ) -> dict[str, Any]:
        """A run that started something, and one that could not."""
        self._called("definition", definition_id)
        common = {"definition_id": definition_id, "version": "2", "trigger": 1, "at": NOW}
        runs = [
            {"occasion": f"due/{NOW}", "execution_id": "e1", "code": None, "detail": None, **common},
            {"occasion": "event/ab", "execution_id": None, "code": "bad_payload", "detail": "no <JSON>", **common},
        ]
        items = [{**self._definition(definition_id, one), "definition": {"id": "<d1>"}} for one in ("2", "1")]
        return {"definition_id": definition_id, "items": items, "next_cursor": None, "recent_runs": runs}

    async def deprecate_definition(self, who: Any, definition_id: str, version: str | None = None) -> dict[str, Any]:
        """Recorded."""
        self._called("deprecate_definition", definition_id, version)
        return {"definition_id": definition_id, "current_version": None}

    async def start_definition(
        self, who: Any, definition_id: str, input: dict[str, Any], *, version: str | None = None, asked: Any = None
    ) -> dict[str, Any]:
        """Recorded."""
        self.asked.append(asked)
        self._called("start_definition", definition_id, input, version)
        return self._collaboration("c1")

    async def propose_definition(
        self, who: Any, definition_id: str, input: dict[str, Any], *, version: str | None = None, asked: Any = None
    ) -> dict[str, Any]:
        """Recorded."""
        self.asked.append(asked)
        self._called("propose_definition", definition_id, input, version)
        return self._collaboration("c1")

    async def send_event(self, who: Any, topic: str, payload: Any, event_id: str | None = None) -> dict[str, Any]:
        """Recorded."""
        self._called("send_event", topic, payload, event_id)
        return {"event_id": event_id or "x", "runs": []}
