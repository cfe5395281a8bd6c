"""The chain side of an organisation that anchors nothing; agreements drafted here say so."""

from collections.abc import Sequence
from typing import Any

from tallystick.ledger.audit.trust import Trust


class NoChain:
    """Stands where :class:`~tallystick.node.anchoring.chainside.ChainSide` would, and brings no chain client along."""

    org = None
    further: Sequence[int] = ()

    async def run(self) -> None:
        """There is nothing to do."""

    async def status(self) -> dict[str, Any]:
        """Where nothing is anchored."""
        return {"blockchain_url": None, "endpoints": [], "reachable": False, "trouble": None}

    async def proof_material(self, execution: str, chain_id: int | None = None) -> list[dict[str, Any]]:
        """There are no anchors."""
        return []

    async def trust(self, trust: Trust, anchors: list[Any]) -> Trust:
        """Nothing to add."""
        return trust
