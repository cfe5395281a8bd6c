"""The node's side of the chain: our organisation there, our log's anchors, and the proofs that they give.

The chain may be down or lie: work goes on without it, and what waits for it says so.
"""

import asyncio
import hashlib
import logging
from typing import Any

import msgspec
from sqlmodel import col, select

from tallystick.core.errors import TallystickError
from tallystick.ledger import header as headers
from tallystick.ledger.accounts import Account
from tallystick.ledger.audit.trust import Trust
from tallystick.ledger.contracts import org_id
from tallystick.ledger.hashing import to_hex, unhex
from tallystick.ledger.service import Contracts as LedgerContracts
from tallystick.ledger.service import LedgerSettings, OrgLedger
from tallystick.ledger.trust import chain_trust
from tallystick.ledger.urls import label_of
from tallystick.node.anchoring.accounts import administrator, payers
from tallystick.node.anchoring.sharing import Sharing
from tallystick.node.anchoring.stores import SqlLeaves, SqlSubmissions
from tallystick.node.anchoring.workflows import Workflows
from tallystick.node.record.context import Context
from tallystick.node.record.onchain import OnChain
from tallystick.node.settings import Blockchain
from tallystick.node.work.bell import Bell
from tallystick.node.work.committer import Committer
from tallystick.tenants.database import Database
from tallystick.tenants.keystore import Keystore
from tallystick.tenants.models.anchor import LeafRow

logger = logging.getLogger(__name__)
MAX_ANCHORS = 200  # of one bundle: two leaves of each of at most fifty participants, and to spare
PAUSE_S = 0.5  # between rounds; a new leaf rings the bell


class ChainSide:
    """Runs the organisation's ledger and answers for it."""

    def __init__(
        self, blockchain: Blockchain, context: Context, database: Database, bell: Bell, committer: Committer
    ) -> None:
        self._context = context
        self._blockchain = blockchain
        self._database = database
        self._bell = bell
        self._workflows = Workflows(database)
        self._sharing = Sharing(context, database, bell, committer)
        self._trouble: str | None = None
        self._ledger = _ledger(blockchain, context.keystore, database)

    @property
    def org(self) -> str:
        """Our 32-byte id in ``OrgRegistry`` (``0x…``)."""
        return self._ledger.org

    async def run(self) -> None:
        """Anchor until cancelled; trouble with the chain is noted and passes."""
        ear = self._bell.ear()
        try:
            while True:
                await self._round(self._ledger)
                await ear.wait(PAUSE_S)
        finally:
            await self._ledger.close()

    async def _round(self, ledger: OrgLedger) -> None:
        try:
            await ledger.step()
            await self._workflows.step(ledger, self._context.now())
            await self._sharing.step(ledger)
            self._trouble = None
        except TallystickError as error:
            if self._trouble != error.detail:
                logger.warning("anchoring waits: %s", error.detail)
            self._trouble = error.detail

    async def status(self) -> dict[str, Any]:
        """Where we anchor, how far, and what is in the way."""
        facts = {
            "blockchain_url": label_of(self._blockchain.blockchain_url),  # the rest of it may be an access key
            "chain_id": self._blockchain.chain_id,
            "contracts": msgspec.to_builtins(self._blockchain.contracts),
            "org_id": self._ledger.org,
        }
        try:
            status = msgspec.to_builtins(await self._ledger.status())
        except TallystickError as error:
            facts["endpoints"] = msgspec.to_builtins(self._ledger.chain.endpoints())
            return {**facts, "reachable": False, "trouble": error.detail}
        facts["endpoints"] = msgspec.to_builtins(self._ledger.chain.endpoints())
        return {**status, **facts, "reachable": True, "trouble": self._trouble}

    async def proof_material(self, execution: str) -> list[dict[str, Any]]:
        """The anchors of our leaves of an execution, with proofs where the chain has them."""
        material = []
        for row in await asyncio.to_thread(self._leaves, execution):
            try:
                material.append(msgspec.to_builtins(await self._ledger.proof(row.index)))
            except TallystickError as error:
                logger.info("leaf %d has no proof yet: %s", row.index, error.detail)
        return material

    async def trust(self, trust: Trust, anchors: list[Any]) -> Trust:
        """``trust`` with what our own endpoint says of the chain and of the blocks that the anchors rest on."""
        try:
            found = await chain_trust(self._ledger.chain, _contracts(self._blockchain), proof_blocks(anchors))
        except TallystickError as error:
            logger.warning("verifying without the chain: %s", error.detail)
            return trust
        known = msgspec.to_builtins(trust)
        return msgspec.convert({**known, **found}, Trust)

    def _leaves(self, execution: str) -> list[LeafRow]:
        query = select(LeafRow).where(LeafRow.execution == execution).order_by(col(LeafRow.index))
        with self._database.session() as session:
            return list(session.exec(query))


def _ledger(blockchain: Blockchain, keystore: Keystore, database: Database) -> OrgLedger:
    settings = LedgerSettings(
        blockchain_url=blockchain.blockchain_url,
        fallback_urls=blockchain.fallback_urls,
        endpoint_quorum=blockchain.endpoint_quorum,
        genesis_hash=blockchain.genesis_hash,
        chain_id=blockchain.chain_id,
        contracts=_contracts(blockchain),
        confirmations=blockchain.transaction_confirmation_blocks,
        gas_limit=blockchain.gas_limit,
        fee_ceiling=blockchain.fee_ceiling_gwei * 10**9,
    )
    (admin, *relayers), log_key = payers(blockchain, keystore), Account(keystore.log_key)
    stores = (SqlSubmissions(database), SqlLeaves(database))
    return OrgLedger(settings, admin, log_key, _salt(keystore), *stores, relayers=relayers)


def _salt(keystore: Keystore) -> bytes:
    """Fixed by the root key: the same organisation has the same id on every chain."""
    return hashlib.sha256(b"tallystick/org-salt/v1" + keystore.root.public).digest()


def identity(blockchain: Blockchain, keystore: Keystore) -> OnChain:
    """Who the holder of the keystore is on that chain."""
    return OnChain(
        org=to_hex(org_id(administrator(blockchain, keystore), _salt(keystore))),
        log_key=keystore.log_address,
        chain_id=blockchain.chain_id,
        contracts=msgspec.to_builtins(blockchain.contracts),
        secret=keystore.session_secret,
    )


def _contracts(blockchain: Blockchain) -> LedgerContracts:
    return LedgerContracts(**msgspec.to_builtins(blockchain.contracts))


def proof_blocks(anchors: list[Any]) -> set[int]:
    """The numbers of the blocks whose headers the anchors bring; what cannot be read names none."""
    blocks: set[int] = set()
    for one in anchors[:MAX_ANCHORS]:
        try:
            blocks.add(headers.decode(unhex(one["state"]["header"])).number)
        except (TallystickError, KeyError, TypeError, ValueError):
            continue  # the verifier will say what is wrong with it
    return blocks
