"""What `tally bench ledger` works on: a chain of its own, an organisation with five log keys, contracts to compare."""

import asyncio
import secrets
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import ClientSession

from tallystick.core.errors import Unavailable
from tallystick.core.merkle import Tree
from tallystick.ledger import contracts as calls
from tallystick.ledger import deploy as tools
from tallystick.ledger.abi import Abi
from tallystick.ledger.accounts import Account, sign_all
from tallystick.ledger.artifact import Artifact
from tallystick.ledger.chain import Chain
from tallystick.ledger.compile import CONTRACTS, compile_sources
from tallystick.ledger.contracts import Head
from tallystick.ledger.deploy import Deployment
from tallystick.ledger.hashing import address_word, keccak
from tallystick.ledger.leaf import COMPLETION, START, Leaf
from tallystick.ledger.orglog import head_digest
from tallystick.node import freeport
from tallystick.node.demo.chain import CHAIN_ID, ETHER, binary
from tallystick.node.demo.processes import spawn

GAS = 12_000_000  # a transaction of the widest batch takes two
FEE = 100_000_000_000  # wei a unit of gas: more than the local chain ever asks for
KEYS = 5
_WORD = 32
_RANDOM = ("execution", "agreement", "root", "input", "result", "salt")
WAITS, PAUSE_S = 20_000, 0.002
BATCH = 50  # JSON-RPC requests that travel together


class World:
    """The organisation's side; `tree` is its log."""

    def __init__(self, chain: Chain, url: str, deployment: Deployment) -> None:
        self.chain, self.url = chain, url
        self.ledger = deployment.execution_ledger
        self.payer_key = secrets.token_bytes(32)
        self.payer = Account(self.payer_key)  # also a log key, which direct starts need
        self.keys = [self.payer, *(Account(secrets.token_bytes(32)) for _ in range(KEYS - 1))]
        self.org = calls.org_id(self.payer.address, bytes(32))
        self.tree = Tree(keccak)
        self._nonce = 0
        self._http = ClientSession()

    async def close(self) -> None:
        """End its connections."""
        await self._http.close()

    async def register(self) -> None:
        """Create the organisation and add its keys."""
        await self.send(self.ledger, calls.create_org(bytes(32)))
        for key in self.keys:
            await self.send(self.ledger, calls.add_log_key(self.org, key.address))

    def sign(self, to: str | None, data: bytes) -> tuple[bytes, str]:
        """The next transaction: its bytes and its hash."""
        fields = {"type": 2, "chainId": CHAIN_ID, "nonce": self._nonce, "gas": GAS, "value": 0, "data": data}
        target = {"to": to} if to else {}
        self._nonce += 1
        return self.payer.sign_transaction({**fields, **target, "maxFeePerGas": FEE, "maxPriorityFeePerGas": 1})

    def skip_nonces(self, count: int) -> None:
        """Another client sent so many transactions for the payer."""
        self._nonce += count

    async def send(self, to: str | None, data: bytes) -> dict[str, Any]:
        """One transaction, waited for; its receipt."""
        raw, name = self.sign(to, data)
        await self.chain.ask("eth_sendRawTransaction", "0x" + raw.hex())
        return await self.receipt(name)

    async def receipt(self, name: str) -> dict[str, Any]:
        """A transaction's receipt, once it is mined; it must have succeeded."""
        for _ in range(WAITS):
            found = await self.chain.ask("eth_getTransactionReceipt", name)
            if found:
                if int(found["status"], 16) != 1:
                    raise Unavailable(f"transaction {name} failed", code="failed")
                return dict(found)
            await asyncio.sleep(PAUSE_S)
        raise Unavailable(f"transaction {name} is not mined", code="not_mined")

    async def ask_many(self, method: str, values: Sequence[str]) -> list[Any]:
        """One JSON-RPC batch: the results of ``method`` for each value, in their order."""
        calls = [{"jsonrpc": "2.0", "id": place, "method": method, "params": [one]} for place, one in enumerate(values)]
        async with self._http.post(self.url, json=calls) as response:
            answers = sorted(await response.json(), key=lambda one: int(one["id"]))
        for one in answers:
            if "error" in one:
                raise Unavailable(f"{method}: {one['error'].get('message')}", code="failed")
        return [one["result"] for one in answers]

    async def receipts(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """Their receipts, once all are mined; each must have succeeded."""
        found: dict[str, dict[str, Any]] = {}
        for _ in range(WAITS):
            missing = [name for name in names if name not in found][:BATCH]
            if not missing:
                return [found[name] for name in names]
            receipts = await self.ask_many("eth_getTransactionReceipt", missing)
            found |= {one["transactionHash"]: one for one in receipts if one}
            if not all(receipts):
                await asyncio.sleep(PAUSE_S)
            if any(int(one["status"], 16) != 1 for one in receipts if one):
                raise Unavailable("a transaction failed", code="failed")
        raise Unavailable("transactions are not mined", code="not_mined")

    async def gas(self, to: str | None, data: bytes) -> int:
        """What a transaction took, base cost and call data included."""
        return int((await self.send(to, data))["gasUsed"], 16)

    def grow(self, executions: int) -> None:
        """Add the start and completion leaves of so many executions."""
        for _ in range(executions):
            begun = self.tree.size
            self.tree.append(self.leaf(START, begun, 0).encode())
            self.tree.append(self.leaf(COMPLETION, begun, 1).encode())

    def leaf(self, kind: int, begun: int, status: int) -> Leaf:
        """A leaf with random facts, as a node makes them."""
        words = secrets.token_bytes(_WORD * len(_RANDOM))
        random = {name: words[_WORD * place : _WORD * (place + 1)] for place, name in enumerate(_RANDOM)}
        fields: dict[str, Any] = {"kind": kind, "org": self.org, "term": 0, "size": 3, "status": status, **random}
        return Leaf(**fields, start_index=begun)

    def anchor(self, old: int, keys: Sequence[Account]) -> bytes:
        """The call that anchors the whole tree over its first `old` leaves."""
        head = Head(org=self.org, epoch=0, old_size=old, new_size=self.tree.size, root=self.tree.root())
        signed = sign_all(keys, head_digest(head, CHAIN_ID, self.ledger))
        return calls.anchor(head, self.tree.consistency(old), signed)

    @property
    def completer(self) -> bytes:
        """The payer as the completer of its own executions."""
        return address_word(self.payer.address)


async def deploy_compared(world: World) -> dict[str, tuple[str, Abi]]:
    """The contracts of `contracts/bench`: address and ABI by name."""
    sources = {path.name: path.read_text(encoding="utf-8") for path in sorted((CONTRACTS / "bench").glob("*.sol"))}
    found = {}
    for name, fields in compile_sources(sources).items():
        abi = Abi(msgspec.convert(fields, Artifact))
        found[name] = (str((await world.send(None, abi.deployment()))["contractAddress"]), abi)
    return found


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    """Start anvil, deploy, register; end anvil afterwards."""
    port = freeport.find("127.0.0.1")
    url = f"http://127.0.0.1:{port}"
    program = binary(CONTRACTS.parent)
    with tempfile.TemporaryDirectory(prefix="tally-bench-") as folder:
        words = ["--host", "127.0.0.1", "--port", str(port), "--chain-id", str(CHAIN_ID), "--quiet"]
        spawned = spawn("anvil", [program, *words], log=Path(folder) / "anvil.log")
        chain = Chain(url, CHAIN_ID, timeout_s=60)
        try:
            await spawned.ready(lambda: _answers(chain))
            faucet = Account(_FAUCET)
            made = World(chain, url, await tools.deploy(chain, faucet))
            await tools.fund(chain, faucet, made.payer.address, 1000 * ETHER)
            try:
                await made.register()
                yield made
            finally:
                await made.close()
        finally:
            await chain.close()
            await spawned.running.stop()


async def _answers(chain: Chain) -> bool | None:
    try:
        await chain.check()
    except Unavailable:
        return None
    return True


# Anvil's first account: known to everybody, so good for nothing but giving its ether away.
_FAUCET = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
