"""The organisation itself, its card and its keys."""

from typing import Any

from node.api.standins.refusals import BUYER, NOW, Recorder


class Organisation(Recorder):
    """The organisation itself, its card and its keys."""

    async def organisation(self) -> dict[str, Any]:
        """Ours; its clock is in doubt until somebody accepts it, and one certificate ends soon."""
        doubt = None if ("accept_clock", ()) in self.calls else {"behind_ms": 172_800_000, "mark": NOW}
        ends = [
            {"name": one, "not_after": 1_795_000_000_000, "ends_soon": one == "server"} for one in ("client", "server")
        ]
        return {"id": "buyer", "name": BUYER, "domain": "buyer.example", "is_active": True, "capabilities": [],
                "clock_doubt": doubt, "certificates": ends}  # fmt: skip

    async def accept_clock(self, who: Any) -> dict[str, Any]:
        """Recorded."""
        self._called("accept_clock")
        return await self.organisation()

    async def card(self) -> dict[str, Any]:
        """Public."""
        return {"id": "buyer"}

    async def did_document(self) -> dict[str, Any]:
        """Public."""
        return {"id": "did:web:buyer.example"}

    async def keys(self, who: Any) -> dict[str, Any]:
        """One."""
        facts = {"key": "ab" * 32, "overlap": 64, "sealing_kid": "s1", "since": None}
        states = [("k3", True, True, None), ("k2", False, True, 7), ("k1", False, False, None)]
        return {
            "root": {"kid": "r0", "key": "cd" * 32, "is_away": True},
            "waiting": {"card": True, "statements": 200, "more": True},
            "link": {
                "nkey": "U" + "A" * 55,
                "serial": 2,
                "made_at": 7,
                "is_shown": False,
                "behind": ["supplier"],
                "behind_count": 21,
                "older_held": 1,
                "is_external": True,
            },
            "items": [
                {
                    **facts,
                    "kid": kid,
                    "serial": int(kid[1]),
                    "made_at": int(kid[1]) - 1,
                    "is_current": current,
                    "is_held": held,
                    "revoked_at": revoked,
                    "reason": "compromised" if revoked else None,
                }
                for kid, current, held, revoked in states
            ],
        }

    async def pending_signatures(self, who: Any, *, limit: int, cursor: str | None) -> dict[str, Any]:
        """None."""
        self._called("pending_signatures", limit, cursor)
        return {"org_id": "huaxia", "root": {"kid": "r0", "key": "cd" * 32}, "items": [], "next_cursor": None}

    async def take_signatures(self, who: Any, tokens: list[str]) -> dict[str, Any]:
        """Recorded."""
        self._called("take_signatures", tokens)
        return {"items": [], "waiting": {"card": False, "statements": 0, "more": False}}

    async def rotate_keys(self, who: Any, *, overlap: int, sealing: bool) -> dict[str, Any]:
        """Recorded."""
        self._called("rotate_keys", overlap, sealing)
        return await self.keys(who)

    async def rotate_link(self, who: Any) -> dict[str, Any]:
        """Recorded."""
        self._called("rotate_link")
        return await self.keys(who)

    async def revoke_key(self, who: Any, kid: str, *, reason: str, since: int | None = None) -> dict[str, Any]:
        """Recorded."""
        self._called("revoke_key", kid, reason, since)
        return await self.keys(who)

    async def compromise_report(self, who: Any, kid: str, **facts: Any) -> dict[str, Any]:
        """Recorded."""
        self._called("compromise_report", kid, facts)
        proof = {"org": "0x1", "size": 4, "block_number": 12, "time": 1_789_999_999_000}
        item = {
            "what": "statement",
            "execution_id": "e1",
            "place": 3,
            "id": "s",
            "kind": "result",
            "outcome": "applied",
        }
        return {
            "kid": kid,
            "org_id": facts.get("org") or "buyer",
            "since": facts.get("since") or 1_790_000_000_000,
            "key": None,
            "items": [
                {**item, "at": 1_789_999_000_000, "position": "proven", "proven_by": proof},
                {**item, "at": 1_789_999_000_000, "position": "claimed", "proven_by": None},
                {**item, "at": 1_790_000_001_000, "position": "after", "proven_by": None},
            ],
            "executions": [
                {"execution_id": "e1", "name": "Order <1>", "status": "running", "proven": 1, "claimed": 1, "after": 1}
            ],
            "anchors": [
                {"execution_id": "e1", "kind": "start", "size": 4, "block_number": 12, "time": 9, "position": "proven"}
            ],
            "next_cursor": None if facts.get("cursor") else "next",
        }
