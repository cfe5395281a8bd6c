"""Starts whose anchor is required: we cite ours as soon as it counts, and look for those that others cite."""

import logging
from functools import partial

from sqlalchemy import bindparam, literal_column, update
from sqlmodel import col

from tallystick.core.engine.state import GOING
from tallystick.ledger import citation, finality
from tallystick.ledger import contracts as calls
from tallystick.ledger.hashing import unhex
from tallystick.ledger.proofs import LeafProof
from tallystick.ledger.service import OrgLedger
from tallystick.node.record import store
from tallystick.node.record.authoring import Saying, say
from tallystick.node.record.citations import Cited
from tallystick.node.record.context import Context
from tallystick.node.record.tables import word
from tallystick.node.record.unit import Unit
from tallystick.node.work.committer import Committer
from tallystick.tenants.models.record import InboxRow

logger = logging.getLogger(__name__)
_AGAIN = (
    update(InboxRow)
    .where(col(InboxRow.execution) == bindparam("b_execution"), col(InboxRow.outcome) == word("wait"))
    .values(retry_at=literal_column("0"))
)


def cite(unit: Unit, context: Context, execution: str, proof: LeafProof) -> None:
    """State where the start of an execution that we coordinate is anchored, if it waits for that."""
    loaded = store.load(unit, execution)
    waits = loaded.state.unanchored is not None and loaded.state.status in GOING
    if not waits or loaded.agreement.coordinator != context.org_id:
        return
    body = citation.of(proof)
    say(unit, context, loaded, Saying(kind="cite_start", make=lambda _data, _sealed: body, answer_key="cite_start"))


class Watch:
    """Looks on our chain for what others cite, and lets the messages that waited for it be tried again."""

    def __init__(self, context: Context, committer: Committer) -> None:
        self._context = context
        self._committer = committer

    async def step(self, ledger: OrgLedger) -> None:
        """One round; what the chain does not show stays asked for."""
        for one in self._context.citations.asked:
            if one.chain_id == ledger.chain.chain_id and await self._stands(ledger, one):
                self._context.citations.show(one)
                await self._committer.run(partial(_retry, one.execution))

    async def _stands(self, ledger: OrgLedger, one: Cited) -> bool:
        org, root = unhex(one.org), unhex(one.log_root)
        size, block, _, epoch = await calls.anchor_of(ledger.chain, ledger.contract, org, root)
        if not size:
            return False
        if (size, epoch) != (one.log_size, one.log_epoch):
            logger.warning("the chain holds the head cited in %s with another size or epoch", one.execution[:16])
            return False
        return bool(block <= await finality.reached(ledger.chain, one.finality))


def _retry(execution: str, unit: Unit) -> None:
    unit.later(InboxRow, _AGAIN, {"b_execution": execution})
    unit.note("due", 0)
