"""Our log on one chain: its rounds, what is in their way, and what they show."""

import logging
from typing import Any

import msgspec

from tallystick.core.errors import TallystickError
from tallystick.ledger.service import OrgLedger
from tallystick.ledger.urls import label_of
from tallystick.node.anchoring.sharing import Sharing
from tallystick.node.anchoring.starts import Watch
from tallystick.node.anchoring.workflows import Workflows
from tallystick.node.settings import ChainSettings

logger = logging.getLogger(__name__)


class OneChain:
    """``workflows`` are registered on the first chain only."""

    def __init__(
        self, settings: ChainSettings, ledger: OrgLedger, sharing: Sharing, watch: Watch, workflows: Workflows | None
    ) -> None:
        self.settings = settings
        self.ledger = ledger
        self._sharing = sharing
        self._watch = watch
        self._workflows = workflows
        self._trouble: str | None = None

    async def round(self, now: int) -> None:
        """One round; trouble with the chain is noted and passes."""
        try:
            await self.ledger.step()
            if self._workflows is not None:
                await self._workflows.step(self.ledger, now)
            await self._sharing.step(self.ledger)
            await self._watch.step(self.ledger)
            self._trouble = None
        except TallystickError as error:
            if self._trouble != error.detail:
                logger.warning("anchoring on chain %d waits: %s", self.settings.chain_id, error.detail)
            self._trouble = error.detail

    async def status(self) -> dict[str, Any]:
        """Where we anchor, how far, and what is in the way."""
        facts = {
            "blockchain_url": label_of(self.settings.blockchain_url),  # the rest of it may be an access key
            "chain_id": self.settings.chain_id,
            "contracts": msgspec.to_builtins(self.settings.contracts),
            "org_id": self.ledger.org,
        }
        status: dict[str, Any] = {}
        try:
            status = msgspec.to_builtins(await self.ledger.status())
            facts |= {"reachable": True, "trouble": self._trouble}
        except TallystickError as error:
            facts |= {"reachable": False, "trouble": error.detail}
        return {**status, **facts, "endpoints": msgspec.to_builtins(self.ledger.chain.endpoints())}
