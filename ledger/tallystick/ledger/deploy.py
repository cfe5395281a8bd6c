"""Deploying the contracts, and giving an account its first ether on a local chain."""

import asyncio
from typing import Any

import msgspec

from . import contracts as calls
from . import fees
from .abi import Abi
from .accounts import Account
from .chain import Chain
from .contracts import Contracts
from .errors import ChainUnavailable, Reverted

GAS = 5_000_000
TRIES = 100
PAUSE_S = 0.1


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """Where the contracts stand, and what their code hashes to."""

    chain_id: int
    org_registry: str
    workflow_registry: str
    execution_ledger: str
    code_hashes: dict[str, str]

    @property
    def contracts(self) -> Contracts:
        """The addresses alone."""
        return Contracts(
            org_registry=self.org_registry,
            workflow_registry=self.workflow_registry,
            execution_ledger=self.execution_ledger,
        )


async def deploy(chain: Chain, account: Account) -> Deployment:
    """Deploy from a funded account, which has no say in them afterwards. The ledger holds organisations and keys."""
    await chain.check()
    await _funded(chain, account)
    ledger = await _create(chain, account, calls.EXECUTION_LEDGER)
    workflows = await _create(chain, account, calls.WORKFLOW_REGISTRY, ledger)
    contracts = Contracts(org_registry=ledger, workflow_registry=workflows, execution_ledger=ledger)
    await contracts.check(chain)
    return Deployment(
        chain_id=chain.chain_id,
        org_registry=ledger,
        workflow_registry=workflows,
        execution_ledger=ledger,
        code_hashes=contracts.code_hashes(),
    )


async def fund(chain: Chain, faucet: Account, address: str, wei: int) -> None:
    """Send ether from the faucet and wait until it has arrived."""
    await transact(chain, faucet, {"to": address, "value": wei, "data": b""})


async def transact(chain: Chain, account: Account, fields: dict[str, Any]) -> dict[str, Any]:
    """One transaction of a tool (no database, no second try), waited for; its receipt."""
    fee = await fees.current(chain)
    nonce = await chain.number("eth_getTransactionCount", account.address, "pending")
    raw, name = account.sign_transaction(
        {
            "type": 2,
            "chainId": chain.chain_id,
            "nonce": nonce,
            "gas": GAS,
            "value": 0,
            "maxFeePerGas": fee.max_fee,
            "maxPriorityFeePerGas": fee.priority_fee,
            **fields,
        }
    )
    await chain.ask("eth_sendRawTransaction", "0x" + raw.hex())
    for _ in range(TRIES):
        receipt = await chain.ask("eth_getTransactionReceipt", name)
        if receipt:
            if int(receipt["status"], 16) != 1:
                raise Reverted(f"transaction {name} failed")
            return dict(receipt)
        await asyncio.sleep(PAUSE_S)
    raise ChainUnavailable(f"transaction {name} is not mined yet")


async def _funded(chain: Chain, account: Account) -> None:
    """Wait for the account's ether, which may still be on its way."""
    for _ in range(TRIES):
        if await chain.balance(account.address):
            return
        await asyncio.sleep(PAUSE_S)
    raise ChainUnavailable(f"{account.address} has no ether to deploy with", code="no_funds")


async def _create(chain: Chain, account: Account, abi: Abi, *values: str) -> str:
    receipt = await transact(chain, account, {"data": abi.deployment(*values)})
    return str(receipt["contractAddress"]).lower()
