"""Partners in each state, and invitations."""

from typing import Any

from node.api.standins.refusals import NOW, Recorder


class Partners(Recorder):
    """Partners in each state, and invitations."""

    def _partner(self, key: str) -> dict[str, Any]:
        state = {"waiting": "pending", "apart": "suspended", "left": "removed"}.get(key, "active")
        found: dict[str, Any] = {
            "id": key, "name": "Nordic <Bearings>", "names": {"zh-CN": "北欧轴承"}, "domain": "nordic.example",
            "did": "did:web:nordic.example", "operator": "Nordic IT & Co", "public_key": "ab" * 32,
            "endpoint_url": "https://nordic.example", "capabilities": ["approval"], "is_active": True,
            "card_issued_at": NOW, "chain_org": "0x" + "cd" * 32, "chain_admin": "0x" + "12" * 20, "status": state,
            "status_since": NOW, "fingerprint": "61325 54237 04887 09151 05250 45792", "connected": key == "supplier",
            "incoming": key == "supplier", "since": NOW, "last_seen": NOW, "last_error": "link_down: <not linked>",
            "transport": "nats", "pinned_ca": False, "resembles": ["nordic"] if state == "pending" else [],
        }  # fmt: skip
        if state == "pending":
            return {**found, "answer": "a.b.c", "delivered_at": None, "invited_by": key, "expires_at": NOW}
        newest = [{"execution_id": "e1", "name": "轴承订单 <Order>", "status": "running"}]
        return {**found, "open_executions": 1, "newest_open": newest, "undelivered": 3}

    async def partners(self, who: Any) -> dict[str, Any]:
        """One of each kind."""
        return {"items": [self._partner(one) for one in ("waiting", "supplier", "apart", "left")]}

    async def partner(self, who: Any, org_id: str) -> dict[str, Any]:
        """By id."""
        self._called("partner", org_id)
        return self._partner(org_id)

    def _invitation(self, key: str, state: str = "open") -> dict[str, Any]:
        return {"invitation_id": key, "link": f"https://buyer.example/api/v1/invitations/{key}", "note": "<轴承>",
                "state": state, "created_by": "admin", "created_at": NOW, "expires_at": NOW,
                "answered_by": "supplier" if state == "answered" else None}  # fmt: skip

    async def invite(self, who: Any, hours: int = 72, note: str = "") -> dict[str, Any]:
        """Recorded."""
        self._called("invite", hours, note)
        return {**self._invitation("i1"), "invitation": "a.b.c"}

    async def invitations(self, who: Any) -> dict[str, Any]:
        """An open one and an answered one."""
        return {"items": [self._invitation("i1"), self._invitation("i2", "answered")], "next_cursor": None}

    async def invitation(self, name: str) -> dict[str, Any]:
        """By name."""
        self._called("invitation", name)
        return {"invitation": "a.b.c"}

    async def withdraw_invitation(self, who: Any, name: str) -> None:
        """Recorded."""
        self._called("withdraw_invitation", name)

    async def accept_invitation(self, who: Any, given: str) -> dict[str, Any]:
        """Recorded."""
        self._called("accept_invitation", given)
        return self._partner("waiting")

    async def answer_invitation(self, answer: str) -> dict[str, Any]:
        """Recorded."""
        self._called("answer_invitation", answer)
        return {"status": "received", "organisation": "buyer", "waits": True}

    async def confirm_partner(self, who: Any, org_id: str, given: str) -> dict[str, Any]:
        """Recorded."""
        self._called("confirm_partner", org_id, given)
        return self._partner(org_id)

    async def suspend_partner(self, who: Any, org_id: str) -> dict[str, Any]:
        """Recorded."""
        self._called("suspend_partner", org_id)
        return self._partner("apart")

    async def resume_partner(self, who: Any, org_id: str) -> dict[str, Any]:
        """Recorded."""
        self._called("resume_partner", org_id)
        return self._partner(org_id)

    async def remove_partner(self, who: Any, org_id: str, *, force: bool = False) -> dict[str, Any]:
        """Recorded."""
        self._called("remove_partner", org_id, force)
        return {"id": org_id, "status": "removed"}

    async def put_partner(self, who: Any, card: dict[str, Any]) -> dict[str, Any]:
        """As given."""
        self._called("put_partner", card)
        return card

    async def set_transport(self, who: Any, org_id: str, transport: str, ca_pem: str | None = None) -> dict[str, Any]:
        """As given."""
        self._called("set_transport", org_id, transport, ca_pem)
        return {"id": org_id, "transport": transport}
