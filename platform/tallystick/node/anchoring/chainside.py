"""The node's side of the chain: our organisation, our log's anchors, proofs and what to trust."""

import asyncio

from tallystick.core.agreement import Anchoring
from tallystick.node.settings import Settings
from tallystick.node.work.bell import Bell
from tallystick.tenants.database import Database
from tallystick.tenants.keystore import Keystore


class ChainSide:
    """Without a chain in the settings nothing is anchored, and the status says so."""

    def __init__(self, settings: Settings, keystore: Keystore, database: Database, bell: Bell) -> None:
        self._settings = settings

    @property
    def org(self) -> str | None:
        return None

    @property
    def anchoring(self) -> Anchoring | None:
        return None

    async def status(self) -> dict[str, object]:
        return {"blockchain_url": None, "reachable": False}

    async def proof_material(self, execution: str) -> list[dict[str, object]]:
        return []

    async def run(self) -> None:
        await asyncio.Event().wait()
