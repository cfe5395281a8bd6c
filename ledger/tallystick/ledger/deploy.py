"""Deploying the contracts: at the same addresses on every chain, and only where they do not stand yet."""

import asyncio

import msgspec

from . import contracts as calls
from .accounts import Account
from .chain import Chain
from .contracts import Contracts
from .errors import ChainUnavailable
from .factory import Factory, factory
from .hashing import WORD, to_hex
from .transactions import PAUSE_S, TRIES, transact

SALT = bytes(WORD)

__all__ = ["Deployment", "deploy", "fund", "transact"]


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """Where the contracts stand, and what their code hashes to.

    ``genesis_hash`` is that of the chain's first block; ``factory`` created them, with ``salt``. ``factory_note`` says
    why the addresses differ from other chains', ``created`` which contracts were not there before.
    """

    chain_id: int
    org_registry: str
    workflow_registry: str
    execution_ledger: str
    code_hashes: dict[str, str]
    genesis_hash: str | None = None
    factory: str | None = None
    factory_note: str | None = None
    salt: str | None = None
    created: tuple[str, ...] = ()

    @property
    def contracts(self) -> Contracts:
        """The addresses alone."""
        return Contracts(
            org_registry=self.org_registry,
            workflow_registry=self.workflow_registry,
            execution_ledger=self.execution_ledger,
        )


def planned(through: Factory) -> tuple[Contracts, dict[str, bytes]]:
    """Where a factory puts the contracts, and the creation code of each, by name and in order."""
    ledger = calls.EXECUTION_LEDGER.deployment()
    address = through.place(ledger, SALT)
    workflows = calls.WORKFLOW_REGISTRY.deployment(address)
    contracts = Contracts(
        org_registry=address, workflow_registry=through.place(workflows, SALT), execution_ledger=address
    )
    return contracts, {"ExecutionLedger": ledger, "WorkflowRegistry": workflows}


async def deploy(chain: Chain, account: Account) -> Deployment:
    """Deploy from a funded account, which has no say in them afterwards. The ledger holds organisations and keys.

    What stands there already is taken as it is once its code is found to be ours (WrongChain otherwise), so that doing
    it again changes nothing.
    """
    await chain.check()
    await _funded(chain, account)
    through = await factory(chain, account)
    contracts, creations = planned(through)
    created = [name for name, init in creations.items() if await through.create(chain, account, init, SALT)]
    await contracts.check(chain)
    return Deployment(
        chain_id=chain.chain_id,
        genesis_hash=await chain.genesis(),
        **msgspec.structs.asdict(contracts),
        code_hashes=contracts.code_hashes(),
        factory=through.address,
        factory_note=through.note,
        salt=to_hex(SALT),
        created=tuple(created),
    )


async def fund(chain: Chain, faucet: Account, address: str, wei: int) -> None:
    """Send ether from the faucet and wait until it has arrived."""
    await transact(chain, faucet, {"to": address, "value": wei, "data": b""})


async def _funded(chain: Chain, account: Account) -> None:
    """Wait for the account's ether, which may still be on its way."""
    for _ in range(TRIES):
        if await chain.balance(account.address):
            return
        await asyncio.sleep(PAUSE_S)
    raise ChainUnavailable(f"{account.address} has no ether to deploy with", code="no_funds")
