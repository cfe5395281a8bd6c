"""Executions: their record, data, what they wait for, and verdicts on them."""

from typing import Any

from node.api.standins.refusals import BUYER, NOW, Recorder
from tallystick.core.errors import Invalid


class Executions(Recorder):
    """Executions: their record, data, what they wait for, and verdicts on them."""

    def _execution(self, key: str) -> dict[str, Any]:
        return {"execution_id": key, "collaboration_id": "c1", "name": "轴承订单", "status": "running", "size": 3,
                "root": "cd" * 32, "attested_by": [{"org_id": "supplier", "size": 2}]}  # fmt: skip

    async def executions(self, who: Any, **query: Any) -> dict[str, Any]:
        """One."""
        return {"items": [self._execution("e1")], "next_cursor": None}

    async def execution(self, who: Any, key: str) -> dict[str, Any]:
        """By id."""
        self._called("execution", key)
        return self._execution(key)

    async def timeline(self, who: Any, key: str, *, after: int = -1) -> dict[str, Any]:
        """An applied entry and a void one."""
        self._called("timeline", key, after)
        common = {"at": NOW, "statement_id": "ef" * 32, "signed_by_kid": "0123456789abcdef"}
        return {"items": [
            {"seq": 0, "kind": "propose", "issuer": "buyer", "issuer_name": BUYER, "outcome": "applied",
             "events": [{"type": "proposed"}], **common},
            {"seq": 1, "kind": "result", "issuer": "supplier", "issuer_name": "Nordic", "outcome": "void:late",
             "events": [], **common},
        ]}  # fmt: skip

    async def data(self, who: Any, key: str) -> dict[str, Any]:
        """A text, a number and a file."""
        self._called("data", key)
        manifest = {"document_id": "d1", "name": "订单.xml", "media_type": "application/xml", "size": 2048}
        common = {"statement_id": "ef" * 32, "task": "order", "attempt": 1, "issuer": "buyer"}
        return {"items": [
            {"property": "order", "value": {"$file": manifest}, **common},
            {"property": "note", "value": "<script>alert(1)</script>", **common},
            {"property": "lines", "value": [{"quantity": 12}], **common},
            {"property": "urgent", "value": True, **common},
        ]}  # fmt: skip

    async def waiting(self, who: Any, key: str) -> dict[str, Any]:
        """For the chain."""
        self._called("waiting", key)
        return {"items": [{"what": "anchor", "for_whom": "the chain", "since": NOW, "tried": 3}]}

    async def all_waiting(self, who: Any, **query: Any) -> dict[str, Any]:
        """One execution that waits for one thing."""
        self._called("all_waiting", query)
        item = {"what": "result of approve.1", "for_whom": "supplier", "since": NOW, "tried": None}
        one = {"execution_id": "e1", "name": "轴承订单 <Order>", "status": "running", "since": NOW, "waiting": [item]}
        return {"items": [one], "next_cursor": "next page"}

    async def outbox(self, who: Any, **query: Any) -> dict[str, Any]:
        """One message."""
        self._called("outbox", query)
        item = {"outbox_id": 7, "what": "delivery of entries", "for_whom": "supplier", "since": NOW, "tried": "3 times",
                "attempts": 3, "last_error": "unreachable: <gone>", "next_try_at": NOW,
                "execution_id": "e1"}  # fmt: skip
        return {"items": [item], "next_cursor": "further"}

    async def verifications(self, who: Any, key: str) -> dict[str, Any]:
        """One."""
        self._called("verifications", key)
        return {"items": [self._verification(key)]}

    def _verification(self, key: str) -> dict[str, Any]:
        return {"execution_id": key, "workflow_id": "w", "is_valid": True, "local_hash": "aa" * 32,
                "blockchain_hash": "aa" * 32, "verification_time": NOW, "blockchain_tx_hash": "0x" + "bb" * 32,
                "verifier_id": "auditor", "checks": self._checks()}  # fmt: skip

    def _checks(self) -> list[dict[str, Any]]:
        return [
            {"number": 1, "name": "Format", "status": "PASS", "detail": "version 1"},
            {"number": 2, "name": "Signatures", "status": "FAIL", "detail": "entry 1 <bad>"},
            {"number": 3, "name": "Openings", "status": "INDETERMINATE", "detail": "withheld"},
        ]

    async def verify_execution(self, who: Any, key: str) -> dict[str, Any]:
        """Stored."""
        self._called("verify_execution", key)
        return self._verification(key)

    async def verify_bundle(self, who: Any, bundle: bytes) -> dict[str, Any]:
        """What is not JSON is refused."""
        if not bundle.startswith(b"{"):
            raise Invalid("this is not an evidence bundle", code="malformed_json")
        return {"verdict": "FAIL", "checks": self._checks()}

    async def evidence(self, who: Any, key: str, chain_id: int | None = None) -> dict[str, Any]:
        """Small."""
        self._called("evidence", key)
        return {"v": 1, "agreement": "订单"}
