"""Executions anchored through random faults: TALLY_ROUNDS says how many, TALLY_SEED where to begin.

Twenty rounds are fifty faults and ten thousand executions. Each kind of fault is also a test of its own.

A process anchors through a proxy, on a chain that mines only when told, so that every block it ever had is known. All
the time nothing may be called confirmed that never was. After each fault everything settles; at the end every leaf is
proven, no anchor stands on the chain twice, and no two heads of one size ever left the process.
"""

import asyncio
import os
import random
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ledger.parties import ETHER
from support.anchorer import MOMENTS
from support.anchoring import BLOCK_S, CHAIN_ID, Anchoring
from support.processes import Processes
from support.rpc_proxy import (
    answers_lost,
    failing,
    forgetful,
    garbled,
    lagging,
    lying,
    other_chain,
    refusing,
    silent,
    taking_turns,
)
from support.soak import write_result
from tallystick.ledger import contracts as calls
from tallystick.ledger.accounts import Account
from tallystick.ledger.contracts import ORG_REGISTRY
from tallystick.ledger.errors import LedgerError
from tallystick.ledger.hashing import unhex

ROUNDS = int(os.environ.get("TALLY_ROUNDS", "0"))
SEED = int(os.environ.get("TALLY_SEED", "1"))
FAULTS = max(2, ROUNDS * 5 // 2)
EXECUTIONS = 200 if ROUNDS else 20  # between two faults
BURSTS = 20  # in which they come
TWO_DAYS_MS = 2 * 86_400_000
pytestmark = pytest.mark.timeout(300 + 120 * FAULTS)


class Faults:
    """Everything that goes wrong; each kind is over when its method returns."""

    def __init__(self, world: Anchoring, seed: int) -> None:
        self.world = world
        self.random = random.Random(seed)  # noqa: S311 - a repeatable choice, not a secret

    async def reorganisation(self) -> None:
        """Some of the newest blocks are replaced, one to twelve of them."""
        depth = self.random.randint(1, 12)
        await self._under_way()
        await asyncio.sleep(self.random.uniform(0, 2 * BLOCK_S * depth))  # so that some of it is in the blocks that go
        await self.world.reorganise(depth)

    async def dropped(self) -> None:
        """The chain's pool loses what waits in it."""
        self.world.mining = False
        await self._under_way()
        await self.world.chain.ask("anvil_dropAllTransactions")
        self.world.mining = True

    async def fee_spike(self) -> None:
        """What waits is in no block any more, until more is offered."""
        self.world.mining = False
        sent = await self._under_way()
        fee = max(one.attempts[-1].max_fee for one in sent)
        most = 150 * 10**9  # below the ceiling, above what was offered
        await self.world.chain.ask("anvil_setNextBlockBaseFeePerGas", hex(min(3 * fee, most)))
        self.world.mining = True
        await asyncio.sleep(3)

    async def nonce_taken(self) -> None:
        """Somebody else signs with the accounts' keys, for the next nonce and for the one after it."""
        for key in (self.world.admin, self.world.relayer):
            for ahead in self.random.sample((0, 1), self.random.randint(1, 2)):
                await self._foreign(key, ahead)

    async def two_relayers(self) -> None:
        """Another instance with accounts of its own anchors the same log for a while."""
        keys = [secrets.token_bytes(32) for _ in range(2)]
        for key in keys:
            await self.world.chain.ask("anvil_setBalance", Account(key).address, hex(10 * ETHER))
        other = await self.world.process(self.world.plan(relayers=keys, own_store=False))
        await asyncio.sleep(4)
        other.kill()
        await other.wait()

    async def chain_killed(self) -> None:
        """The chain's last second is gone, as far as it was not written down."""
        await self.world.restart_chain()

    async def chain_reset(self) -> None:
        """The chain comes back as it was before everything that was anchored since."""
        spare = await self.world.saved_chain()
        self.world.append(3)
        await self.world.settle()
        await self.world.restart_chain(spare)

    async def endpoint_lies(self) -> None:
        """It tells of heads, counts and receipts that are not so."""
        lies = [
            lying("eth_blockNumber", lambda _, true: hex(int(true, 16) + 50)),
            lying("eth_getTransactionCount", lambda _, true: hex(int(true, 16) + 2)),
            lying("eth_getTransactionReceipt", _forged),
            lying("eth_estimateGas", lambda *_: hex(10**12)),
            lying("eth_maxPriorityFeePerGas", lambda *_: hex(10**20)),
        ]
        await self._endpoint(self.random.choice(lies))

    async def endpoint_lags(self) -> None:
        """It is some blocks behind, always or by turns."""
        behind = lagging(self.random.randint(1, 12))
        await self._endpoint(self.random.choice((behind, taking_turns(behind, None))))

    async def endpoint_answers_for_another_chain(self) -> None:
        """Its chain id is another."""
        await self._endpoint(other_chain(CHAIN_ID + 1))

    async def endpoint_silent(self) -> None:
        """It takes requests, all or those that send, and does not answer."""
        chosen: tuple[str, ...] = self.random.choice(((), ("eth_sendRawTransaction",)))
        await self._endpoint(silent(self.world.proxy, chosen))

    async def endpoint_forgets(self) -> None:
        """It accepts transactions and passes none on."""
        await self._endpoint(forgetful())

    async def endpoint_fails(self) -> None:
        """It is overloaded, answers with something else, loses its answers, or is not there."""
        sends = {"eth_sendRawTransaction"}
        kinds = [failing(429), failing(503), garbled(), answers_lost(sends), refusing(sends), None]
        chosen = self.random.choice(kinds)
        if chosen is not None:
            await self._endpoint(chosen)
            return
        await self.world.proxy.stop()
        await asyncio.sleep(2)
        await self.world.proxy.start()

    async def process_killed(self) -> None:
        """``kill -9`` exactly around signing, sending and recording."""
        await self.world.order("die", self.random.choice(MOMENTS))
        self.world.append(1)  # so that there is something to do
        assert self.world.anchorer is not None
        await asyncio.wait_for(self.world.anchorer.wait(), 60)
        await self.world.anchor()

    async def out_of_funds(self) -> None:
        """One account or both have no ether for a while."""
        for address in self.random.sample(self.world.addresses, self.random.randint(1, 2)):
            await self.world.chain.ask("anvil_setBalance", address, "0x0")
        await asyncio.sleep(3)
        for address in self.world.addresses:
            await self.world.chain.ask("anvil_setBalance", address, hex(100 * ETHER))

    async def clock_turned(self) -> None:
        """The wall clock goes two days ahead or back, and right again."""
        await self.world.order("clock", self.random.choice((-TWO_DAYS_MS, TWO_DAYS_MS)))
        await asyncio.sleep(3)
        await self.world.order("clock", 0)

    async def log_key_retired(self) -> None:
        """The key that signed what is under way is retired; the process goes on with a new one."""
        world = self.world
        old = Account(world.log_key)
        await self._under_way()
        key = (calls.ROLE_LOG, calls.SCHEME_SECP256K1, unhex(old.address))
        key_id = await world.chain.view(world.contracts.org_registry, ORG_REGISTRY, "keyIdOf", *key)
        for _ in range(20):
            if not await calls.is_log_key(world.chain, world.contracts.org_registry, world.org, old.address):
                break
            await self._foreign(world.admin, 0, ORG_REGISTRY.call("retire", world.org, key_id), 1)
            await asyncio.sleep(4 * BLOCK_S)
        else:
            raise AssertionError("the key is not retired")
        await world.kill()
        world.log_key = secrets.token_bytes(32)
        await world.anchor()

    async def _under_way(self) -> list[Any]:
        """Wait until something has been sent and is in no block."""
        found: list[Any] = []

        def sent() -> bool:
            found[:] = self.world.submissions("sent", "reorged")
            return bool(found)

        self.world.append(1)
        await self.world.until(sent)
        return found

    async def _endpoint(self, fault: Any) -> None:
        """It misbehaves for a while."""
        self.world.proxy.fault = fault
        await asyncio.sleep(self.random.uniform(2, 4))
        self.world.proxy.fault = None

    async def _foreign(self, key: bytes, ahead: int, data: bytes = b"", tip: int = 3) -> None:
        """A transaction that the submitter knows nothing of; it may come too late, or pay too little."""
        world, account = self.world, Account(key)
        try:
            used = await world.chain.number("eth_getTransactionCount", account.address, "latest")
            raw, _ = account.sign_transaction(
                {
                    "type": 2,
                    "chainId": CHAIN_ID,
                    "nonce": used + ahead,
                    "value": 0,
                    "gas": 200_000,
                    "to": world.contracts.org_registry if data else account.address,
                    "data": data,
                    "maxFeePerGas": 190 * 10**9,
                    "maxPriorityFeePerGas": tip * 10**10,
                }
            )
            await world.chain.ask("eth_sendRawTransaction", "0x" + raw.hex())
        except LedgerError:
            return


def _forged(parameters: list[Any], true: Any) -> Any:
    """A receipt of success for whatever is asked about."""
    forged = {"blockHash": "0x" + "ab" * 32, "blockNumber": "0x2", "status": "0x1", "gasUsed": "0x1"}
    return true or {**forged, "effectiveGasPrice": "0x1", "transactionHash": parameters[0]}


KINDS = sorted(name for name in vars(Faults) if not name.startswith("_"))


@pytest.fixture
async def world(tmp_path: Path, processes: Processes) -> AsyncIterator[Anchoring]:
    """The chain, the proxy and the process, registered."""
    made = Anchoring(tmp_path, processes)
    try:
        await made.start()
        yield made
    finally:
        await made.stop()


@pytest.mark.parametrize("kind", KINDS)
async def test_one_fault(world: Anchoring, kind: str) -> None:
    load = asyncio.create_task(_load(world, random.Random(SEED), 10))  # noqa: S311 - repeatable
    await getattr(Faults(world, SEED), kind)()
    await load
    await world.settle()
    await world.prove()
    world.heads()


async def test_random_faults(world: Anchoring) -> None:
    began, counted = time.monotonic(), Counter[str]()
    faults = Faults(world, SEED)
    for number in range(1, FAULTS + 1):
        fewest = min(counted[kind] for kind in KINDS)
        kind = faults.random.choice([one for one in KINDS if counted[one] == fewest])
        load = asyncio.create_task(_load(world, faults.random, EXECUTIONS))
        await asyncio.sleep(faults.random.uniform(0, 1))
        await getattr(faults, kind)()
        await load
        await world.settle()
        counted[kind] += 1
        print(f"[{time.monotonic() - began:6.0f} s] {world.leaves} leaves, fault {number}: {kind}", flush=True)  # noqa: T201 - long work shows progress
    anchors = await world.prove()
    heads = world.heads()
    done = world.submissions()
    write_result(
        "anchoring",
        "executions anchored through random faults",
        {
            "seed": SEED,
            "executions": FAULTS * EXECUTIONS,
            "faults": FAULTS,
            "kinds": dict(sorted(counted.items())),
            "leaves_proven": world.leaves,
            "anchors_on_the_chain": anchors,
            "heads_signed": len(heads),
            "transactions_tried": sum(len(one.transactions) for one in done),
            "reorganised_and_sent_again": sum(any(p.state == "reorged" for p in one.passed) for one in done),
            "anchored_twice": 0,
            "lost": 0,
            "wrongly_confirmed": 0,
            "seconds": round(time.monotonic() - began),
        },
    )


async def _load(world: Anchoring, rng: random.Random, executions: int) -> None:
    """Executions in bursts, while something goes wrong."""
    for part in range(BURSTS):
        due = executions * (part + 1) // BURSTS - executions * part // BURSTS
        if due:
            await asyncio.to_thread(world.append, due)
        await asyncio.sleep(rng.uniform(0, 0.4))
