"""What is signed to be sent, and single transactions of a tool: no database, no second try.

The node's own go through the submitter.
"""

import asyncio
from typing import Any

from . import fees
from .accounts import Account
from .chain import Chain
from .errors import ChainUnavailable, Reverted

GAS = 5_000_000
TRIES = 100
PAUSE_S = 0.1
FAILED = "transaction {name} failed"


async def transact(chain: Chain, account: Account, fields: dict[str, Any]) -> dict[str, Any]:
    """One transaction, waited for; its receipt. Reverted when it fails, ChainUnavailable when it is not mined."""
    fee = await fees.current(chain)
    nonce = await chain.number("eth_getTransactionCount", account.address, "pending")
    raw, name = account.sign_transaction(unsigned(chain.chain_id, nonce, GAS, fee, **fields))
    await chain.ask("eth_sendRawTransaction", "0x" + raw.hex())
    receipt = await mined(chain, name)
    if int(receipt["status"], 16) != 1:
        raise Reverted(FAILED.format(name=name))
    return receipt


def unsigned(chain_id: int, nonce: int, gas: int, fee: fees.Fee, **fields: Any) -> dict[str, Any]:
    """An EIP-1559 transaction to be signed; ``fields`` are ``data``, and ``to`` and ``value`` where there are."""
    return {
        "type": 2,
        "chainId": chain_id,
        "nonce": nonce,
        "gas": gas,
        "value": 0,
        "maxFeePerGas": fee.max_fee,
        "maxPriorityFeePerGas": fee.priority_fee,
        **fields,
    }


async def mined(chain: Chain, name: str) -> dict[str, Any]:
    """A transaction's receipt, once it is in a block."""
    for _ in range(TRIES):
        receipt = await chain.ask("eth_getTransactionReceipt", name)
        if receipt and receipt.get("blockHash"):
            return dict(receipt)
        await asyncio.sleep(PAUSE_S)
    raise ChainUnavailable(f"transaction {name} is not mined yet")
