"""What stands on the chain, and how the chain does."""

from typing import Any

from node.api.standins.refusals import NOW, Recorder
from tallystick.ledger.ports import Passed, Submission, Tried
from tallystick.node.anchoring.telling import told, unsent


class OnChain(Recorder):
    """What stands on the chain, and how the chain does."""

    async def anchors(self, who: Any, key: str) -> dict[str, Any]:
        """A waiting one and a confirmed one."""
        self._called("anchors", key)
        return {"items": [
            {"org": "buyer", "kind": "start", **self._sent()},
            {"org": "buyer", "kind": "completion", **unsent(NOW), "error": "the chain does not answer"},
        ]}  # fmt: skip

    def _sent(self) -> dict[str, Any]:
        tried: dict[str, Any] = {
            "transaction_hash": "0x" + "34" * 32,
            "relayer": "0x" + "5" * 40,
            "nonce": 3,
            "at": NOW,
        }
        return told(Submission(key="k", to="0x", data=b"", state="reorged", since=NOW, gas_used=76413, price=10**10,
                               passed=(Passed("sent", NOW), Passed("mined", NOW)), transaction_hash="0x" + "12" * 32,
                               tried=(Tried(**tried, reason="<taken>"), Tried(**tried, reason="failed", cost=10**15)),
                               block_number=7, block_time=NOW // 1000, log_size=1))  # fmt: skip

    async def chain_transactions(self, who: Any, **query: Any) -> dict[str, Any]:
        """An anchor that cost something."""
        self._called("chain_transactions", *query.values())
        return {
            "items": [{"purpose": "anchor:0:<1>", "chain_id": 31337, "to": "0x" + "1" * 40, **self._sent()}],
            "next_cursor": None,
        }

    async def chain(self, who: Any) -> dict[str, Any]:
        """Down."""
        return {"blockchain_url": "http://127.0.0.1:1", "chain_id": 31337,
                "contracts": {"OrgRegistry": "0x" + "1" * 40},
                "block_number": None, "reachable": False, "balance": None, "trouble": "no answer <b>",
                "org_id": "0x" + "2" * 64, "log_size": 4, "pending": 2,
                "fee_ceiling": "200000000000",
                "budget": {"limit": "10" * 9, "spent": "9" * 17, "reserved": "1", "percent": 98, "alert": True,
                           "alert_percent": 80, "period_ms": 86_400_000, "next_period_at": NOW},
                "also": [{"blockchain_url": "http://127.0.0.1:2", "chain_id": 31338, "trouble": "no answer"}],
                "endpoints": [{"endpoint": "http://127.0.0.1:1", "state": "disagree", "since": NOW, "head": 7,
                               "trouble": "they contradict <i>each</i> other"}]}  # fmt: skip
