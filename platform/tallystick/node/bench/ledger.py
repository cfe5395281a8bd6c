"""`tally bench ledger`: what anchoring costs in gas and how fast it goes, beside the ways that it replaces, in one run.

An execution is a start and a completion: two leaves in a batch, two transactions otherwise. Gas is that of whole
transactions, base cost and call data included. The log holds a million leaves before (ten thousand with ``--quick``).
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from typing import Any

import msgspec
from web3 import Web3
from web3.middleware import SignAndSendRawMiddlewareBuilder
from web3.types import TxReceipt

from tallystick.ledger import artifact
from tallystick.ledger.contracts import EXECUTION_LEDGER
from tallystick.ledger.leaf import START

from .chain_world import BATCH, World, deploy_compared, world

Tell = Callable[[str], None]
MINUTES = 3
SMALL, LARGE = 256, 4096


class Size(msgspec.Struct, frozen=True):
    """How many leaves stand before; how many batches and executions are timed."""

    log: int
    batches: int
    naive: int
    pipelined: int


FULL = Size(log=1_000_000, batches=40, naive=40, pipelined=400)
QUICK = Size(log=10_000, batches=4, naive=4, pipelined=50)


async def measure(size: Size, tell: Tell) -> dict[str, float]:
    """All figures by name."""
    async with world() as one:
        tell(f"building a log of {size.log:,} leaves")
        for number in range(size.log):
            one.tree.append_hash(number.to_bytes(32, "big"))
        await one.send(one.ledger, one.anchor(0, one.keys[:1]))
        tell("gas")
        figures = {"log.leaves": float(size.log), **await _batched_gas(one), **await _direct_gas(one)}
        figures |= await _compared_gas(one)
        tell("naive start and completion with web3.py")
        naive = await asyncio.to_thread(_naive, one, size.naive)
        one.skip_nonces(2 * size.naive)
        tell("batches")
        batched = await _batches(one, size.batches)
        tell("pipelined starts and completions")
        pipelined = await _pipelined(one, size.pipelined)
    rates = {"naive": naive, "batch256": batched, "pipelined": pipelined}
    figures |= {f"{name}.executions_per_s": rate for name, rate in rates.items()}
    return {**figures, "ratio.batch256": batched / naive, "ratio.pipelined": pipelined / naive}


async def _batched_gas(one: World) -> dict[str, float]:
    figures = {}
    for name, executions, keys in (("batch256", SMALL, 1), ("batch4096", LARGE, 1), ("batch4096x5", LARGE, 5)):
        old = one.tree.size
        one.grow(executions)
        spent = await one.gas(one.ledger, one.anchor(old, one.keys[:keys]))
        figures[f"{name}.gas_per_execution"] = spent / executions
        if name == "batch256":
            figures["anchor.gas"] = float(spent)
    old = one.tree.size
    leaf = one.leaf(START, old, 0).encode()
    one.tree.append(leaf)
    await one.send(one.ledger, one.anchor(old, one.keys[:1]))
    values = (one.org, leaf, old, one.tree.inclusion(old), one.tree.root())
    call = {"to": one.ledger, "data": "0x" + EXECUTION_LEDGER.call("verify", *values).hex()}
    return {**figures, "verify.gas": float(await one.chain.number("eth_estimateGas", call))}


async def _direct_gas(one: World) -> dict[str, float]:
    execution, workflow, result = (secrets.token_bytes(32) for _ in range(3))
    begun = await one.send(one.ledger, _start(one, execution, workflow))
    time_ = int((await one.chain.block(begun["blockNumber"]))["timestamp"], 16)
    facts = (one.org, execution, workflow, one.completer, int(begun["blockNumber"], 16), time_)
    ended = await one.gas(one.ledger, EXECUTION_LEDGER.call("completeExecution", facts, result, 1))
    return {"direct.gas": float(int(begun["gasUsed"], 16) + ended)}


async def _compared_gas(one: World) -> dict[str, float]:
    """FireFly's shape of a batch pin, and storage per execution."""
    compared = await deploy_compared(one)
    pin, pin_abi = compared["EventPin"]
    figures = {}
    for name, contexts in (("pin256.gas_per_execution", SMALL), ("pin256_one_context.gas_per_execution", 1)):
        words = [secrets.token_bytes(32) for _ in range(contexts + 2)]
        data = pin_abi.call("pinBatch", words[0], words[1], "", words[2:])
        figures[name] = await one.gas(pin, data) / SMALL
    stored, abi = compared["StoredExecutions"]
    execution, workflow, result = (secrets.token_bytes(32) for _ in range(3))
    spent = await one.gas(stored, abi.call("start", execution, workflow))
    spent += await one.gas(stored, abi.call("complete", execution, result, 1))
    return {**figures, "stored.gas_per_execution": float(spent)}


def _naive(one: World, count: int) -> float:
    """Executions a second as web3.py's documentation shows it: one transaction at a time, each waited for."""
    chain = Web3(Web3.HTTPProvider(one.url))
    account = chain.eth.account.from_key(one.payer_key)
    chain.middleware_onion.inject(SignAndSendRawMiddlewareBuilder.build(account), layer=0)
    address = Web3.to_checksum_address(one.ledger)
    functions = chain.eth.contract(address=address, abi=artifact.load("ExecutionLedger").abi).functions

    def wait(call: Any) -> TxReceipt:
        return chain.eth.wait_for_transaction_receipt(call.transact({"from": account.address}))

    begun = time.monotonic()
    for _ in range(count):
        execution, workflow, result = (secrets.token_bytes(32) for _ in range(3))
        block = wait(functions.startExecution(one.org, execution, workflow, one.completer))["blockNumber"]
        time_ = chain.eth.get_block(block)["timestamp"]
        facts = (one.org, execution, workflow, one.completer, block, time_)
        wait(functions.completeExecution(facts, result, 1))
    return count / (time.monotonic() - begun)


async def _batches(one: World, count: int) -> float:
    """Executions a second in batches of 256: leaves made and hashed, head signed, anchor sent and mined."""
    begun = time.monotonic()
    for _ in range(count):
        old = one.tree.size
        one.grow(SMALL)
        await one.send(one.ledger, one.anchor(old, one.keys[:1]))
    return count * SMALL / (time.monotonic() - begun)


async def _pipelined(one: World, count: int) -> float:
    """Executions a second when nothing waits for its predecessor: all starts, then all completions."""
    begun = time.monotonic()
    executions = [secrets.token_bytes(32) for _ in range(count)]
    workflow = secrets.token_bytes(32)
    starts = await _all(one, [_start(one, execution, workflow) for execution in executions])
    times: dict[str, int] = {}
    for number in {receipt["blockNumber"] for receipt in starts}:
        times[number] = int((await one.chain.block(number))["timestamp"], 16)
    facts = [
        (one.org, execution, workflow, one.completer, int(receipt["blockNumber"], 16), times[receipt["blockNumber"]])
        for execution, receipt in zip(executions, starts, strict=True)
    ]
    await _all(one, [EXECUTION_LEDGER.call("completeExecution", one_, secrets.token_bytes(32), 1) for one_ in facts])
    return count / (time.monotonic() - begun)


async def _all(one: World, calls: list[bytes]) -> list[dict[str, Any]]:
    """Send them with nonces of their own, many in one request, sign on meanwhile, and wait for all; their receipts."""
    names: list[str] = []
    under_way: asyncio.Task[list[Any]] | None = None
    for start in range(0, len(calls), BATCH):
        signed = [one.sign(one.ledger, data) for data in calls[start : start + BATCH]]
        if under_way:
            await under_way
        names += [name for _, name in signed]
        raws = ["0x" + raw.hex() for raw, _ in signed]
        under_way = asyncio.create_task(one.ask_many("eth_sendRawTransaction", raws))
        await asyncio.sleep(0)  # let it leave
    if under_way:
        await under_way
    return await one.receipts(names)


def _start(one: World, execution: bytes, workflow: bytes) -> bytes:
    return EXECUTION_LEDGER.call("startExecution", one.org, execution, workflow, one.completer)
