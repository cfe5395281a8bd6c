"""One organisation's side of the chain: register, anchor, prove. The node calls ``step`` again and again."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence

import msgspec

from tallystick.core.errors import Invalid

from . import contracts as calls
from . import fees
from .accounts import Account
from .anchoring import Anchoring
from .budget import Budget, BudgetStatus, Purse
from .cadence import Batching
from .chain import Chain
from .contracts import Contracts
from .hashing import WORD, to_hex, unhex
from .networks import Balance, balance_of
from .patience import ticks
from .ports import UNMINED, LeafStore, Submission, SubmissionStore
from .proofs import LeafProof
from .registration import Registration, Standing
from .signing import HeadKeys, HeadSigner, LocalHeadSigner, Signer
from .submitter import LAG_MS, Submitter

__all__ = ["ChainStatus", "Contracts", "LedgerSettings", "OrgLedger", "Standing"]


class LedgerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Which chain and contracts, and how careful.

    ``gas_limit`` bounds one transaction, ``fee_ceiling`` (wei) what is offered for a unit of its gas. ``fallback_urls``
    are further endpoints of the same chain, of which ``endpoint_quorum`` have to agree where answers are compared;
    ``genesis_hash`` is its first block's. An endpoint that is behind what it knew before is believed after ``lag_ms``.
    """

    blockchain_url: str
    chain_id: int
    contracts: Contracts
    fallback_urls: tuple[str, ...] = ()
    endpoint_quorum: int = 1
    genesis_hash: str | None = None
    confirmations: int = 1
    gas_limit: int = 3_000_000
    fee_ceiling: int = fees.CEILING
    bump_after_ms: int = 30_000
    lag_ms: int = LAG_MS
    budget: Budget | None = None


class ChainStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What a person wants to know; ``balance`` is that of ``address``, in wei as text, as in ``payers``.

    ``log_size`` counts our leaves, ``anchored_size`` those below the newest root on the chain; ``pending`` counts
    transactions that are not mined, ``unsettled`` those that are not confirmed. ``fee_ceiling`` (wei, as text) is the
    most offered for a unit of gas.
    """

    chain_id: int
    block_number: int
    balance: str
    org: str
    address: str
    registered: bool
    log_epoch: int
    log_size: int
    anchored_size: int
    pending: int
    unsettled: int
    payers: list[Balance]
    fee_ceiling: str
    budget: BudgetStatus | None


class OrgLedger:
    """See the module; all methods raise this package's errors and may be called again at any time."""

    def __init__(
        self,
        settings: LedgerSettings,
        account: Account | Signer,
        log_key: Account | HeadSigner,
        salt: bytes,
        submissions: SubmissionStore,
        leaves: LeafStore,
        *,
        clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        batching: Batching | None = None,
        ticks: Callable[[], int] = ticks,
        relayers: Iterable[Account | Signer] = (),
        former: Sequence[Account | Signer] = (),
        former_log_keys: Sequence[HeadSigner] = (),
    ) -> None:
        self.chain = Chain(
            (settings.blockchain_url, *settings.fallback_urls),
            settings.chain_id,
            genesis_hash=settings.genesis_hash,
            quorum=settings.endpoint_quorum,
        )
        self._contracts = settings.contracts
        self._account = account
        self._submissions = submissions
        self._purse = Purse(settings.budget, submissions, clock) if settings.budget else None
        self._fee_ceiling = settings.fee_ceiling
        self._submitter = Submitter(
            self.chain,
            account,
            submissions,
            clock=clock,
            confirmations=settings.confirmations,
            gas_limit=settings.gas_limit,
            fee_ceiling=settings.fee_ceiling,
            bump_after_ms=settings.bump_after_ms,
            lag_ms=settings.lag_ms,
            ticks=ticks,
            relayers=(*relayers, *former),
            purse=self._purse,
        )
        newest = LocalHeadSigner(log_key) if isinstance(log_key, Account) else log_key
        log_keys = HeadKeys(newest, former_log_keys)
        self._registration = Registration(
            self.chain,
            settings.contracts,
            self._submitter,
            admins=[account.address, *(one.address for one in former)],
            log_keys=log_keys,
            salt=salt,
            clock=clock,
            confirmations=settings.confirmations,
        )
        self._anchoring = Anchoring(
            *(self.chain, settings.contracts, self._submitter, log_keys, self._registration.org, submissions, leaves),
            clock=clock,
            batching=batching,
        )
        self._round = asyncio.Lock()

    @property
    def org(self) -> str:
        """The organisation's id, known before it is registered."""
        return to_hex(self._registration.org)

    @property
    def address(self) -> str:
        """The account that administers the organisation and pays first; heads are signed by its log key."""
        return self._account.address

    @property
    def contract(self) -> str:
        """The address of ``ExecutionLedger``."""
        return self._contracts.execution_ledger

    async def step(self) -> None:
        """One round. Nothing is signed for a chain, or for contracts, other than those in the settings."""
        async with self._round:
            await self.chain.check()
            await self._contracts.check(self.chain)
            await self._submitter.step()
            if await self._registration.advance(self._anchoring.on_its_way):
                await self._anchoring.anchor_due()
            await self._submitter.step()

    async def registered(self) -> bool:
        """Whether heads that we sign count."""
        return await self._registration.complete()

    async def register_workflow(self, workflow_hash: str) -> Standing | None:
        """Queue ``registerTrustedWorkflow`` once; where it stands on the chain as soon as that is confirmed."""
        return await self._registration.workflow(_word(workflow_hash)) if await self.registered() else None

    async def workflow_registered(self, org: str, workflow_hash: str) -> Standing | None:
        """Where any organisation's registration of a workflow stands, once that is confirmed."""
        return await self._registration.standing(_word(org), _word(workflow_hash))

    async def anchor_of(self, index: int) -> Submission | None:
        """The anchor that covers a leaf, and its state."""
        return await self._anchoring.anchor_of(index)

    async def proof(self, index: int, block: int | None = None) -> LeafProof:
        """A leaf's proof; NotAnchored while there is none."""
        return await self._anchoring.proof(index, block)

    async def status(self) -> ChainStatus:
        """What the chain says now."""
        log = await calls.log_of(self.chain, self._contracts.execution_ledger, self._registration.org)
        live = await self._submissions.unsettled()
        accounts = self._submitter.relayers
        payers = [await balance_of(self.chain, one) for one in accounts]
        return ChainStatus(
            chain_id=self.chain.chain_id,
            block_number=await self.chain.block_number(),
            balance=payers[0].balance,
            org=self.org,
            address=self.address,
            registered=await self.registered(),
            log_epoch=log.epoch,
            log_size=await self._anchoring.log.refresh(),
            anchored_size=log.size,
            pending=sum(1 for one in live if one.state in UNMINED),
            unsettled=len(live),
            payers=payers,
            fee_ceiling=str(self._fee_ceiling),
            budget=await self._purse.status() if self._purse else None,
        )

    async def close(self) -> None:
        """End connections."""
        await self.chain.close()


def _word(text: str) -> bytes:
    try:
        return unhex(text if text.startswith("0x") else "0x" + text, WORD)
    except ValueError as error:
        raise Invalid(f"is no 32-byte hash: {error}", code="bad_hash") from error
