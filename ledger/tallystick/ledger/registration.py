"""Bringing an organisation onto the chain: its id, its log key, its workflows. Each step looks before it acts."""

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from . import contracts as calls
from .chain import Chain
from .contracts import Contracts
from .errors import WrongChain
from .hashing import to_hex
from .ports import Submission
from .signing import HeadKeys
from .submitter import Submitter

NOBODY = "0x" + "00" * 20


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A confirmed registration: its time on the chain (seconds since 1970) and the block that it rests on."""

    time: int
    block_number: int
    block_hash: str


class Registration:
    """Idempotent: safe to repeat after a kill at any point, or on a chain that lost its newest blocks.

    ``admins`` are the accounts that may administer the organisation, newest first: its id follows from the last one,
    which created it, and it is handed over to the first. The newest of ``log_keys`` signs as soon as the chain knows
    it, the one before until then; that is retired when nothing that it signed is on its way.
    """

    def __init__(
        self,
        chain: Chain,
        contracts: Contracts,
        submitter: Submitter,
        *,
        admins: Sequence[str],
        log_keys: HeadKeys,
        salt: bytes,
        clock: Callable[[], int],
        confirmations: int = 1,
    ) -> None:
        self._chain = chain
        self._contracts = contracts
        self._submitter = submitter
        self._admins = tuple(admins)
        self._log_keys = log_keys
        self._salt = salt
        self._clock = clock
        self._confirmations = confirmations
        self._admin = self._admins[0]  # as the chain said last
        self.org = calls.org_id(self._admins[-1], salt)

    async def complete(self) -> bool:
        """Whether heads that we sign count already."""
        registry = self._contracts.org_registry
        for one in self._log_keys.all:
            if await calls.was_log_key(self._chain, registry, self.org, one.address):
                return True
        return False

    async def advance(self, on_its_way: Callable[[], Awaitable[bool]]) -> bool:
        """Queue the next step that is missing; True when heads that we sign count.

        A key whose time is over is retired while no anchor is ``on_its_way``.
        """
        registry = self._contracts.org_registry
        admin = await calls.admin_of(self._chain, registry, self.org)
        if admin == NOBODY:
            self._admin = self._admins[-1]
            await self._queue("org", registry, calls.create_org(self._salt))
            return False
        self._admin = next((one for one in self._admins if one.lower() == admin.lower()), self._admins[0])
        await self._hand_over(registry)
        return await self._keys(registry, on_its_way)

    async def _hand_over(self, registry: str) -> None:
        newest = self._admins[0]
        if self._admin == newest:
            return
        pending = await calls.pending_admin_of(self._chain, registry, self.org)
        if pending.lower() != newest.lower():
            await self._queue(f"admin:{newest.lower()}", registry, calls.transfer_admin(self.org, newest))
        else:
            key, data = f"admin-accepted:{newest.lower()}", calls.accept_admin(self.org)
            await self._queue(key, registry, data, by=newest)

    async def _keys(self, registry: str, on_its_way: Callable[[], Awaitable[bool]]) -> bool:
        keys = self._log_keys
        if not await calls.was_log_key(self._chain, registry, self.org, keys.address):
            await self._queue(f"log-key:{keys.address.lower()}", registry, calls.add_log_key(self.org, keys.address))
            return await self._use_former(registry)
        if not await calls.is_log_key(self._chain, registry, self.org, keys.address):
            raise WrongChain("our log key is retired or revoked", code="log_key_closed")
        keys.use(keys.all[0])
        for one in keys.former if keys.former and not await on_its_way() else ():
            if await calls.is_log_key(self._chain, registry, self.org, one.address):
                data = calls.retire_log_key(self.org, one.address)
                await self._queue(f"log-key-retired:{one.address.lower()}", registry, data)
        return True

    async def _use_former(self, registry: str) -> bool:
        """Until the chain knows the newest key, the one before goes on."""
        for one in self._log_keys.former:
            if await calls.is_log_key(self._chain, registry, self.org, one.address):
                self._log_keys.use(one)
                return True
        return False

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

    async def _queue(self, key: str, to: str, data: bytes, *, by: str | None = None) -> None:
        """By who administers the organisation now, unless another is named."""
        by = by or self._admin
        await self._submitter.submit(Submission(key=key, to=to, data=data, by=by, since=self._clock()))
