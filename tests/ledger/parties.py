"""Organisations for tests: an account of their own with some ether, the contracts, and a log."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from tallystick.core.merkle import Tree
from tallystick.ledger import contracts as calls
from tallystick.ledger import deploy as tools
from tallystick.ledger import leaf as leaves
from tallystick.ledger.accounts import Account
from tallystick.ledger.chain import Chain
from tallystick.ledger.contracts import Contracts, Head
from tallystick.ledger.deploy import Deployment
from tallystick.ledger.errors import ChainUnavailable, Reverted
from tallystick.ledger.hashing import keccak
from tallystick.ledger.leaf import Leaf
from tallystick.ledger.memory import InMemoryLeaves, InMemorySubmissions
from tallystick.ledger.orglog import head_digest
from tallystick.ledger.patience import ticks
from tallystick.ledger.ports import SubmissionStore
from tallystick.ledger.service import LedgerSettings, OrgLedger
from tallystick.ledger.signing import HeadSigner, Signer
from tallystick.ledger.submitter import Submitter

ETHER = 10**18
ROUNDS, PAUSE_S = 500, 0.01
LAG_MS = 50  # an endpoint that is behind is believed sooner here than in production
# Anvil's first account: known to everybody, so good for nothing but giving its ether away.
FAUCET = Account(bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"))


def new_account() -> Account:
    """Make an account that nobody knows."""
    return Account(secrets.token_bytes(32))


class Clock:
    """A wall clock that stands still until it is told, and ticks that pass by themselves besides."""

    def __init__(self) -> None:
        self.now = 1_800_000_000_000
        self._passed = 0

    def __call__(self) -> int:
        return self.now

    def ticks(self) -> int:
        """Milliseconds that no turning of the clock changes."""
        return ticks() + self._passed

    def advance(self, seconds: float) -> None:
        self.turn(seconds)
        self._passed += int(seconds * 1000)

    def turn(self, seconds: float) -> None:
        """Set the wall clock alone."""
        self.now += int(seconds * 1000)


@dataclass
class Party:
    """One organisation; `tree` is what its tests anchor by hand, `leaves` and `submissions` what `ledger` works on."""

    url: str
    chain: Chain
    contracts: Contracts
    account: Account = field(default_factory=new_account)
    log_key: Account = field(default_factory=new_account)
    salt: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    tree: Tree = field(default_factory=lambda: Tree(keccak))
    leaves: InMemoryLeaves = field(default_factory=InMemoryLeaves)
    submissions: InMemorySubmissions = field(default_factory=InMemorySubmissions)
    clock: Clock = field(default_factory=Clock)

    @property
    def org(self) -> bytes:
        return calls.org_id(self.account.address, self.salt)

    def ledger(
        self,
        *,
        submissions: SubmissionStore | None = None,
        confirmations: int = 1,
        relayers: Sequence[Account | Signer] = (),
        admin: Signer | None = None,
        log_key: HeadSigner | None = None,
    ) -> OrgLedger:
        """Build what a node runs; building it again over the same stores is a restart."""
        settings = LedgerSettings(
            blockchain_url=self.url,
            chain_id=self.chain.chain_id,
            contracts=self.contracts,
            confirmations=confirmations,
            lag_ms=LAG_MS,
        )
        kept = submissions or self.submissions
        stores, clock = (kept, self.leaves), self.clock
        return OrgLedger(
            settings,
            admin or self.account,
            log_key or self.log_key,
            self.salt,
            *stores,
            clock=clock,
            ticks=clock.ticks,
            relayers=relayers,
        )

    async def register(self) -> None:
        """Put the organisation and its log key on the chain by hand."""
        await self.send(self.contracts.org_registry, calls.create_org(self.salt))
        await self.send(self.contracts.org_registry, calls.add_log_key(self.org, self.log_key.address))

    async def send(self, to: str, data: bytes) -> None:
        """Send one transaction and wait for it."""
        await tools.transact(self.chain, self.account, {"to": to, "data": data})

    async def refusal(self, to: str, data: bytes) -> str:
        """Say why the contract would refuse a call from this organisation's account."""
        call = {"from": self.account.address, "to": to, "data": "0x" + data.hex()}
        with pytest.raises(Reverted) as caught:
            await self.chain.ask("eth_call", call, "latest")
        return calls.describe(caught.value)

    def grow(self, count: int = 1) -> None:
        """Add leaves to the tree anchored by hand."""
        for _ in range(count):
            self.tree.append(self.leaf(self.tree.size).encode())

    def head(self, old: int, *, epoch: int = 0) -> Head:
        """Give the head over the whole tree, extending the one of `old` leaves."""
        return Head(org=self.org, epoch=epoch, old_size=old, new_size=self.tree.size, root=self.tree.root())

    def sign(self, head: Head) -> bytes:
        """Sign a head for this chain and ledger."""
        return self.log_key.sign(head_digest(head, self.chain.chain_id, self.contracts.execution_ledger))

    def anchor(self, old: int) -> bytes:
        """Give the call that anchors the whole tree."""
        head = self.head(old)
        return calls.anchor(head, self.tree.consistency(old), self.sign(head))

    def leaf(self, start_index: int = 0, **changes: object) -> Leaf:
        """Make a leaf of this organisation about nothing in particular."""
        random = {name: secrets.token_bytes(32) for name in ("execution", "agreement", "root", "salt")}
        fields = {"kind": leaves.START, "org": self.org, "term": 0, "size": 3, "start_index": start_index, **random}
        return Leaf(**{**fields, **changes})  # type: ignore[arg-type]

    def append(self, count: int = 1) -> None:
        """Add leaves to the log that `ledger` anchors."""
        for _ in range(count):
            self.leaves.append(self.leaf().encode())


async def make_party(url: str, chain: Chain, deployment: Deployment) -> Party:
    """Make an organisation with ether, not registered yet."""
    made = Party(url, chain, deployment.contracts)
    await tools.fund(chain, FAUCET, made.account.address, ETHER)
    return made


async def settle(ledger: OrgLedger) -> None:
    """Run rounds until the organisation is registered and all of its leaves are anchored."""
    for _ in range(ROUNDS):
        with contextlib.suppress(ChainUnavailable):
            await ledger.step()
        status = await ledger.status()
        if status.registered and status.anchored_size == status.log_size and not status.unsettled:
            return
        await asyncio.sleep(PAUSE_S)
    raise AssertionError("the log does not settle")


async def finish(submitter: Submitter, store: SubmissionStore) -> None:
    """Run rounds until nothing is under way; the chain mines in its own time, and its endpoint may be behind."""
    for _ in range(ROUNDS):
        with contextlib.suppress(ChainUnavailable):
            await submitter.step()
            if not await store.unsettled():
                return
        await asyncio.sleep(PAUSE_S)
    raise AssertionError("something remains under way")
