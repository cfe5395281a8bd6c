"""Bringing an organisation onto the chain: its id, its log key, its workflows. Each step looks before it acts."""

from collections.abc import Callable

import msgspec

from . import contracts as calls
from .chain import Chain
from .contracts import Contracts
from .errors import WrongChain
from .hashing import to_hex
from .ports import Submission
from .submitter import Submitter

NOBODY = "0x" + "00" * 20


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A confirmed registration: its time on the chain (seconds since 1970) and the block that it rests on."""

    time: int
    block_number: int
    block_hash: str


class Registration:
    """Idempotent: safe to repeat after a kill at any point, or on a chain that lost its newest blocks."""

    def __init__(
        self,
        chain: Chain,
        contracts: Contracts,
        submitter: Submitter,
        *,
        admin: str,
        log_key: str,
        salt: bytes,
        clock: Callable[[], int],
        confirmations: int = 1,
    ) -> None:
        self._chain = chain
        self._contracts = contracts
        self._submitter = submitter
        self._admin = admin
        self._log_key = log_key
        self._salt = salt
        self._clock = clock
        self._confirmations = confirmations
        self.org = calls.org_id(admin, salt)

    async def complete(self) -> bool:
        """Whether heads that we sign count already."""
        registry = self._contracts.org_registry
        return await calls.was_log_key(self._chain, registry, self.org, self._log_key)

    async def advance(self) -> bool:
        """Queue the next step that is missing; True when none is."""
        registry = self._contracts.org_registry
        admin = await calls.admin_of(self._chain, registry, self.org)
        if admin == NOBODY:
            await self._queue("org", registry, calls.create_org(self._salt))
            return False
        if not await calls.was_log_key(self._chain, registry, self.org, self._log_key):
            await self._queue(f"log-key:{self._log_key.lower()}", registry, calls.add_log_key(self.org, self._log_key))
            return False
        if not await calls.is_log_key(self._chain, registry, self.org, self._log_key):
            raise WrongChain("our log key is retired or revoked", code="log_key_closed")
        return True

    async def workflow(self, workflow_hash: bytes) -> Standing | None:
        """Queue a workflow's registration; where it stands once that is confirmed."""
        registry = self._contracts.workflow_registry
        if await calls.workflow_registered(self._chain, registry, self.org, workflow_hash) is None:
            data = calls.register_workflow(self.org, workflow_hash)
            await self._queue(f"workflow:{to_hex(workflow_hash)}", registry, data)
            return None
        return await self.standing(self.org, workflow_hash)

    async def standing(self, org: bytes, workflow_hash: bytes) -> Standing | None:
        """Any organisation's registration, once its block has the confirmations that anchors need; None before.

        A chain that loses that block registers it again at another time, so whoever keeps the answer compares the
        block with the chain from then on.
        """
        registry = self._contracts.workflow_registry
        head = await self._chain.block_number()
        found = await calls.workflow_registered(self._chain, registry, org, workflow_hash)
        if found is None or head - found.block + 1 < self._confirmations:
            return None
        block_hash = await self._chain.block_hash(found.block)
        # Between the two questions the chain may have become another one; then the hash belongs to another block.
        if block_hash is None or found != await calls.workflow_registered(self._chain, registry, org, workflow_hash):
            return None
        return Standing(time=found.time, block_number=found.block, block_hash=block_hash)

    async def _queue(self, key: str, to: str, data: bytes) -> None:
        await self._submitter.submit(Submission(key=key, to=to, data=data, by=self._admin, since=self._clock()))
