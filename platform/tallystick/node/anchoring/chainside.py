"""The node's side of the chain: our organisation there, our log's anchors, and the proofs that they give.

The chain may be down or lie: work goes on without it, and what waits for it says so.
"""

import asyncio
import hashlib
import logging
from typing import Any

import msgspec
from sqlmodel import col, select

from tallystick.core.agreement import Ledger
from tallystick.core.errors import Invalid, TallystickError
from tallystick.core.policy import Padding, terms
from tallystick.ledger import header as headers
from tallystick.ledger.audit.trust import Trust
from tallystick.ledger.budget import Budget
from tallystick.ledger.contracts import org_id
from tallystick.ledger.hashing import to_hex, unhex
from tallystick.ledger.service import Contracts as LedgerContracts
from tallystick.ledger.service import LedgerSettings, OrgLedger
from tallystick.ledger.trust import chain_trust
from tallystick.node.anchoring.accounts import Accounts, accounts, former_log_signers, founder, log_signer
from tallystick.node.anchoring.batching import SqlBatching
from tallystick.node.anchoring.onechain import OneChain
from tallystick.node.anchoring.sharing import Sharing
from tallystick.node.anchoring.starts import Watch
from tallystick.node.anchoring.stores import SqlLeaves, SqlSubmissions
from tallystick.node.anchoring.workflows import Workflows
from tallystick.node.record.context import Context
from tallystick.node.record.onchain import Heartbeat, OnChain
from tallystick.node.settings import Blockchain, BudgetSettings, ChainSettings
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
        self._database = database
        self._bell = bell
        org = identity(blockchain, context.keystore).org
        heartbeat = _heartbeat(blockchain)
        watch = Watch(context, committer)
        sharing = Sharing(context, database, bell, committer)
        # The same accounts on every chain: our id follows from the first.
        signing = accounts(blockchain, context.keystore)
        batching = SqlBatching(database, committer, org, context.now, heartbeat)
        ledger = _ledger(blockchain, signing, context.keystore, database, batching, 0)
        self._first = OneChain(blockchain, ledger, sharing, watch, Workflows(database))
        self._further = []
        for one in blockchain.also:
            batching = SqlBatching(database, committer, org, context.now, heartbeat)
            ledger = _ledger(one, signing, context.keystore, database, batching, one.chain_id)
            sharing = Sharing(context, database, bell, committer, one.chain_id)
            self._further.append(OneChain(one, ledger, sharing, watch, None))

    @property
    def org(self) -> str:
        """Our 32-byte id in ``OrgRegistry`` (``0x…``), the same on every chain."""
        return self._first.ledger.org

    @property
    def further(self) -> list[int]:
        """The ids of further chains that our log stands on."""
        return [one.settings.chain_id for one in self._further]

    async def run(self) -> None:
        """Anchor until cancelled; trouble with one chain is noted, and holds up no other."""
        async with asyncio.TaskGroup() as group:
            for one in (self._first, *self._further):
                group.create_task(self._rounds(one))

    async def _rounds(self, one: OneChain) -> None:
        ear = self._bell.ear()
        try:
            while True:
                await one.round(self._context.now())
                await ear.wait(PAUSE_S)
        finally:
            await one.ledger.close()

    async def status(self) -> dict[str, Any]:
        """Where we anchor, how far, and what is in the way; ``also`` the same of each further chain."""
        first, *further = await asyncio.gather(*(one.status() for one in (self._first, *self._further)))
        return {**first, "also": further}

    def _chain(self, chain_id: Any) -> OneChain | None:
        return next((one for one in (self._first, *self._further) if one.settings.chain_id == chain_id), None)

    async def proof_material(self, execution: str, chain_id: int | None = None) -> list[dict[str, Any]]:
        """The anchors of our leaves of an execution on one chain (the first if None), where it has proofs."""
        material: list[dict[str, Any]] = []
        chain = self._first if chain_id is None else self._chain(chain_id)
        if chain is None:
            raise Invalid("our log stands on no such chain", code="other_chain", pointer="/chain_id")
        for row in await asyncio.to_thread(self._leaves, execution):
            try:
                material.append(msgspec.to_builtins(await chain.ledger.proof(row.index)))
            except TallystickError as error:
                logger.info("leaf %d has no proof yet: %s", row.index, error.detail)
        return material

    async def trust(self, trust: Trust, anchors: list[Any]) -> Trust:
        """``trust`` with what our own endpoint says of the chain and of the blocks that the anchors rest on.

        The chain is that of the first anchor, where our log stands on it.
        """
        named = next((one.get("chain_id") for one in anchors if isinstance(one, dict)), None)
        chain = self._chain(named) or self._first
        try:
            contracts = _contracts(chain.settings)
            found = await chain_trust(chain.ledger.chain, contracts, proof_blocks(anchors))
        except TallystickError as error:
            logger.warning("verifying without the chain: %s", error.detail)
            return trust
        known = msgspec.to_builtins(trust)
        return msgspec.convert({**known, **found}, Trust)

    def _leaves(self, execution: str) -> list[LeafRow]:
        query = select(LeafRow).where(LeafRow.execution == execution).order_by(col(LeafRow.index))
        with self._database.session() as session:
            return list(session.exec(query))


def _ledger(
    blockchain: ChainSettings,
    signing: Accounts,
    keystore: Keystore,
    database: Database,
    batching: SqlBatching,
    chain: int,
) -> OrgLedger:
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
        budget=_budget(blockchain.budget),
    )
    admin, *relayers = signing.payers
    stores = SqlSubmissions(database, chain), SqlLeaves(database)
    before: dict[str, Any] = {"former": signing.former, "former_log_keys": signing.former_log_keys}
    more: dict[str, Any] = {"batching": batching, "relayers": relayers, **before}
    return OrgLedger(settings, admin, signing.log_key, _salt(keystore), *stores, **more)


def _heartbeat(blockchain: Blockchain) -> Heartbeat | None:
    if not blockchain.heartbeat:
        return None
    asked = terms(blockchain.policy)
    return Heartbeat(asked["max_age_seconds"], msgspec.convert(asked["padding"], Padding))


def _budget(settings: BudgetSettings | None) -> Budget | None:
    if settings is None:
        return None
    period_ms = settings.period_seconds * 1000
    return Budget(limit=int(settings.wei), period_ms=period_ms, alert_percent=settings.alert_percent)


def _salt(keystore: Keystore) -> bytes:
    """Fixed by the root key: the same organisation has the same id on every chain."""
    return hashlib.sha256(b"tallystick/org-salt/v1" + bytes.fromhex(keystore.root_public.key)).digest()


def identity(blockchain: Blockchain, keystore: Keystore) -> OnChain:
    """Who the holder of the keystore is on that chain."""
    return OnChain(
        org=to_hex(org_id(founder(blockchain, keystore), _salt(keystore))),
        log_key=log_signer(blockchain, keystore).address,
        former_log_keys=[one.address for one in former_log_signers(blockchain, keystore)],
        chain_id=blockchain.chain_id,
        contracts=msgspec.to_builtins(blockchain.contracts),
        secret=keystore.session_secret,
        policy=blockchain.policy,
        also=[_named(one) for one in blockchain.also],
    )


def _named(chain: ChainSettings) -> Ledger:
    return msgspec.convert({"chain_id": chain.chain_id, **msgspec.to_builtins(chain.contracts)}, Ledger)


def _contracts(blockchain: ChainSettings) -> LedgerContracts:
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
