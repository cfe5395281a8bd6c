"""Collaborations: proposing, changing and steering them."""

from typing import Any

from node.api.standins.refusals import BUYER, NOW, Recorder
from tallystick.core.policy import DIRECT


class Collaborations(Recorder):
    """Collaborations: proposing, changing and steering them."""

    async def propose(
        self,
        who: Any,
        definition: dict[str, Any],
        values: dict[str, Any],
        *,
        terms: dict[str, Any] | None = None,
        asked: Any = None,
    ) -> dict[str, Any]:
        """A definition's id may refuse it; what is asked again is recorded and not told apart."""
        self.asked.append(asked)
        self._called("propose", definition.get("id"), definition, values)
        return self._collaboration("c1")

    async def consent(self, who: Any, key: str, decision: str, reason: str | None = None) -> dict[str, Any]:
        """Recorded."""
        self._called("consent", key, decision, reason)
        return self._collaboration(key)

    async def propose_change(
        self,
        who: Any,
        key: str,
        definition: dict[str, Any] | None,
        terms: dict[str, Any],
        reason: str | None,
        *,
        asked: Any = None,
    ) -> dict[str, Any]:
        """Recorded."""
        self.asked.append(asked)
        self._called("propose_change", key, (definition or {}).get("id"), definition, terms, reason)
        return {"collaboration_id": key, "replaced_by": "c2", "agreement_hash": "cd" * 32, "version": 2}

    async def changes(self, who: Any, key: str, language: str = "en") -> dict[str, Any]:
        """One difference of a proposal that replaces another."""
        self._called("changes", key, language)
        place = {"execution": "c0", "agreement": "ef" * 32, "version": 2, "by": "supplier"}
        item = {"section": "terms", "section_name": "Terms", "kind": "changed", "pointer": "/retention_days",
                "before": 3650, "after": 30, "text": "kept for <days>: 3650 → 30"}  # fmt: skip
        return {"collaboration_id": key, "version": 2, "replaces": place, "known": True, "items": [item]}

    async def start(self, who: Any, key: str, values: dict[str, Any]) -> dict[str, Any]:
        """Recorded."""
        self._called("start", key, values)
        return self._collaboration(key)

    async def terminate(self, who: Any, key: str, reason: str) -> dict[str, Any]:
        """Recorded."""
        self._called("terminate", key, reason)
        return self._collaboration(key)

    async def signal_execution(self, who: Any, key: str, signal: str, data: dict[str, Any]) -> dict[str, Any]:
        """Recorded."""
        self._called("signal_execution", key, signal, data)
        return self._collaboration(key)

    async def suspend_execution(self, who: Any, key: str, reason: str) -> dict[str, Any]:
        """Recorded."""
        self._called("suspend_execution", key, reason)
        return self._collaboration(key)

    async def resume_execution(self, who: Any, key: str) -> dict[str, Any]:
        """Recorded."""
        self._called("resume_execution", key)
        return self._collaboration(key)

    async def cancel_execution(self, who: Any, key: str, reason: str) -> dict[str, Any]:
        """Recorded."""
        self._called("cancel_execution", key, reason)
        return self._collaboration(key)

    async def retry_task(self, who: Any, key: str) -> dict[str, Any]:
        """Recorded."""
        self._called("retry_task", key)
        return self._collaboration("c1")

    def _collaboration(self, key: str) -> dict[str, Any]:
        state = key if key in ("ready", "in_progress", "completed") else "created"
        return {
            "collaboration_id": key, "execution_id": "e1", "name": "轴承订单 <Order>", "status": state,
            "workflow_status": "running", "participants": [
                {"org_id": "buyer", "name": BUYER, "role": "buyer", "consent": "pending",
                 "can_terminate": True},
                {"org_id": "supplier", "name": "Nordic Bearings", "role": "supplier", "consent": "pending"},
            ],
            "completed_activities": [{"task": "order", "name": "Send the order", "org": "buyer", "outcome": None}],
            "pending_activities": [{"task": "approve", "task_id": "t1", "name": "Approve", "waiting_for": ["supplier"],
                                    "due_date": NOW, "priority": "high", "since": NOW}],
            "last_updated": NOW, "coordinator": "buyer", "agreement_hash": "ab" * 32, "outcome": None,
            "initiator": "buyer", "dispute": None, "proposed_by": "supplier", "version": 2, "replaces": "c0",
            "replaced_by": "c2" if key == "completed" else None,
        }  # fmt: skip

    async def collaborations(self, who: Any, **query: Any) -> dict[str, Any]:
        """One."""
        self._called("collaborations", query)
        return {"items": [self._collaboration("c1")], "next_cursor": "next page"}

    async def collaboration(self, who: Any, key: str) -> dict[str, Any]:
        """By id."""
        self._called("collaboration", key)
        return self._collaboration(key)

    async def agreement(self, who: Any, key: str) -> dict[str, Any]:
        """By id."""
        self._called("agreement", key)
        terms = {"retention_days": 3650, "limits": {"skew_ms": 300_000, "sequencing_ms": 60_000}}
        agreement = {"v": 1, "kind": "agreement", "anchoring": dict(DIRECT), **terms}
        return {"agreement_hash": "ab" * 32, "agreement": agreement,
                "source": {"id": "order", "name": "订单 <Order>"}}  # fmt: skip
