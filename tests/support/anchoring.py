"""A chain, a proxy that misbehaves, a process that anchors, and what must always hold between them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import rlp  # type: ignore[import-untyped]
from eth_abi.abi import decode
from sqlmodel import col, select

from ledger.parties import ETHER, FAUCET
from support.anchorer import CONFIRMATIONS, Plan
from support.processes import ROOT, Anvil, Processes, start_anvil
from support.rpc_proxy import RpcProxy
from tallystick.ledger import contracts as calls
from tallystick.ledger import deploy as tools
from tallystick.ledger import leaf as leaves
from tallystick.ledger.accounts import Account
from tallystick.ledger.chain import Chain
from tallystick.ledger.errors import ChainUnavailable, LedgerError
from tallystick.ledger.hashing import keccak, to_hex, unhex
from tallystick.ledger.leaf import Leaf
from tallystick.ledger.ports import UNSETTLED, Submission
from tallystick.ledger.proofs import LeafProof, verify_leaf
from tallystick.ledger.service import LedgerSettings, OrgLedger
from tallystick.node.anchoring.stores import SqlLeaves, SqlSubmissions, read_row
from tallystick.node.demo.chain import keep_first_block
from tallystick.tenants.database import Database
from tallystick.tenants.models.anchor import LeafRow, SubmissionRow

CHAIN_ID = 31337
BLOCK_S = 0.15  # between blocks
SETTLED_S = 90.0
_ANCHOR = calls.anchor(calls.Head(org=bytes(32), epoch=0, old_size=0, new_size=1, root=bytes(32)), [], b"")[:4]
_ANCHORED = to_hex(keccak(b"Anchored(bytes32,uint64,uint64,bytes32)"))


class Anchoring:
    """The world of one test; the chain mines only by ``mine``, so that every block it ever had is known."""

    def __init__(self, folder: Path, processes: Processes) -> None:
        folder.chmod(0o700)
        self.folder = folder
        self._processes = processes
        self._state = folder / "chain.json"
        self.anvil: Anvil = self._anvil()
        self.chain = Chain(self.anvil.url, CHAIN_ID, timeout_s=60)
        self.proxy = RpcProxy(self.anvil.url)
        self.admin, self.relayer, self.log_key = (secrets.token_bytes(32) for _ in range(3))
        self.salt = secrets.token_bytes(32)
        self.org = calls.org_id(Account(self.admin).address, self.salt)
        self.database = Database(folder / "tenant.db")
        self.leaves = 0
        self.mining = True
        self.contracts: calls.Contracts
        self.anchorer: asyncio.subprocess.Process | None = None
        self._moving = asyncio.Lock()  # nobody looks while the chain changes
        self._blocks: dict[str, tuple[int, set[str]]] = {}  # every block that ever was: its number, its transactions
        self._chain: dict[int, str] = {}  # the blocks that there are now
        self._highest = self._oldest = 0
        self._believed: set[tuple[str, str]] = set()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def addresses(self) -> list[str]:
        """The accounts that pay."""
        return [Account(key).address for key in (self.admin, self.relayer)]

    async def start(self) -> None:
        """Contracts, ether, the process, and an organisation that is registered."""
        self.database.create_schema()
        await self.proxy.start()
        await self._learn()
        self._tasks = [asyncio.create_task(self._mines()), asyncio.create_task(self._watches())]
        self.contracts = (await tools.deploy(self.chain, FAUCET)).contracts
        for address in self.addresses:
            await tools.fund(self.chain, FAUCET, address, 100 * ETHER)
        await self.anchor()
        await self.settle()

    async def stop(self) -> None:
        """End everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.anchorer is not None:
            await self.kill()
        await self.proxy.stop()
        await self.chain.close()
        self.database.close()

    # The process

    def plan(self, **changes: Any) -> Plan:
        """What the process works on."""
        facts: dict[str, Any] = {"admin": self.admin, "log_key": self.log_key, "salt": self.salt}
        facts |= {"relayers": [self.relayer], "database": str(self.folder / "tenant.db"), "contracts": self.contracts}
        return Plan(**{"url": self.proxy.url, "chain_id": CHAIN_ID, **facts, **changes})

    async def anchor(self) -> None:
        """Start the process."""
        self.anchorer = await self.process(self.plan())

    async def process(self, plan: Plan) -> asyncio.subprocess.Process:
        """Start one by its plan and wait until it is ready."""
        file = self.folder / f"plan-{secrets.token_hex(4)}.json"
        file.write_bytes(msgspec.json.encode(plan))
        pipe = asyncio.subprocess.PIPE
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
        words = ["-m", "support.anchorer", str(file)]
        with (self.folder / "anchorer.log").open("ab") as log:
            made = await asyncio.create_subprocess_exec(
                sys.executable, *words, stdin=pipe, stdout=pipe, stderr=log, env=environment
            )
        assert made.stdout is not None
        assert (await asyncio.wait_for(made.stdout.readline(), 60)).strip() == b"ready"
        self._tasks.append(asyncio.create_task(_logged(made.stdout, self.folder / "anchorer.log")))
        return made

    async def order(self, *words: object) -> None:
        """Tell the process something."""
        assert self.anchorer is not None
        assert self.anchorer.stdin is not None
        self.anchorer.stdin.write(" ".join(str(word) for word in words).encode() + b"\n")
        await self.anchorer.stdin.drain()

    async def kill(self) -> None:
        """``kill -9``."""
        assert self.anchorer is not None
        with contextlib.suppress(ProcessLookupError):
            self.anchorer.kill()
        await self.anchorer.wait()

    # The log

    def append(self, executions: int) -> None:
        """Add a start and a completion leaf of so many executions, as a node's transactions do."""
        with self.database.write() as session:
            for _ in range(executions):
                words = {name: secrets.token_bytes(32) for name in ("execution", "agreement", "root", "salt")}
                begun = self.leaves
                for kind in (leaves.START, leaves.COMPLETION):
                    facts: dict[str, Any] = {"kind": kind, "org": self.org, "term": 0, "size": 3, **words}
                    data = Leaf(**facts, start_index=begun, status=int(kind == leaves.COMPLETION)).encode()
                    name = words["execution"].hex()
                    session.add(LeafRow(index=self.leaves, execution=name, kind=kind, data=data, since=1))
                    self.leaves += 1

    def submissions(self, *states: str) -> list[Submission]:
        """What the process wrote down."""
        query = select(SubmissionRow).order_by(col(SubmissionRow.log_size))
        if states:
            query = query.where(col(SubmissionRow.state).in_(states))
        with self.database.session() as session:
            return [read_row(row) for row in session.exec(query)]

    async def until(self, condition: Callable[[], Awaitable[object] | object], seconds: float = SETTLED_S) -> None:
        """Wait for something; what watches must not have found a lie meanwhile."""
        loop = asyncio.get_running_loop()
        last = loop.time() + seconds
        while True:
            for task in self._tasks:
                if task.done():
                    await task
            found = condition()
            if await found if isinstance(found, Awaitable) else found:
                return
            if loop.time() > last:
                log = (self.folder / "anchorer.log").read_text(errors="replace")[-3000:]
                told = [(one.key, one.state, one.error, one.relayer, one.nonce) for one in self.submissions(*UNSETTLED)]
                raise AssertionError(f"not within {seconds} s; {self.leaves} leaves; under way {told}; log: {log}")
            await asyncio.sleep(0.05)

    async def settle(self) -> None:
        """Wait until everything is on the chain, and everything said about it is true."""
        await self.until(self._settled)

    async def _settled(self) -> bool:
        if await asyncio.to_thread(self.submissions, *UNSETTLED):
            return False
        async with self._moving:
            try:
                log = await calls.log_of(self.chain, self.contracts.execution_ledger, self.org)
            except LedgerError:
                return False
            if log.size != self.leaves or not await self._registered():
                return False
            confirmed = await asyncio.to_thread(self._claims)
            return all(self._chain.get(number or 0) == name for name, number in confirmed.values())

    async def _registered(self) -> bool:
        signer = Account(self.log_key).address
        return await calls.was_log_key(self.chain, self.contracts.org_registry, self.org, signer)

    # The chain

    def _anvil(self, port: int = 0) -> Anvil:
        options = ("--state", str(self._state), "--state-interval", "2", "--no-mining")
        return start_anvil(self._processes, *options, port=port)

    async def mine(self) -> None:
        """One block."""
        async with self._moving:
            await self.chain.ask("evm_mine")
            await self._learn()

    async def reorganise(self, depth: int) -> int:
        """Replace the newest blocks by empty ones; how many."""
        async with self._moving:
            # What came before a restart is kept without its states, so there is nothing to go back to.
            depth = min(depth, await self.chain.block_number() - self._oldest)
            await self.chain.ask("anvil_reorg", depth, [])
            await self._learn(depth)
        return depth

    async def restart_chain(self, spare: Path | None = None) -> None:
        """Kill the chain and start it from what it wrote last, or from an older state.

        Where the kill came while it was writing, what it wrote before serves.
        """
        last = self.folder / "last.json"
        await self.until(lambda: _copied(self._state, last))
        async with self._moving:
            self.anvil.server.kill()
            torn = not _copied(self._state, last)
            if spare is not None or torn:
                shutil.copy(spare or last, self._state)
            keep_first_block(self._state)
            await asyncio.sleep(0.3)
            self.anvil = await asyncio.to_thread(self._anvil, self.anvil.port)
            self._oldest = await self.chain.block_number()
            await self._learn(self._oldest)

    async def saved_chain(self) -> Path:
        """A copy of the chain's state as of now, or a moment later."""
        spare = self.folder / "spare.json"
        before = self._state.stat().st_mtime_ns if self._state.exists() else 0
        await self.until(lambda: self._state.exists() and self._state.stat().st_mtime_ns > before)
        await self.until(lambda: _copied(self._state, spare))
        return spare

    async def _mines(self) -> None:
        while True:
            await asyncio.sleep(BLOCK_S)
            if self.mining:
                with contextlib.suppress(ChainUnavailable):  # a slow machine; the next round comes
                    await self.mine()

    async def _learn(self, depth: int = 0) -> None:
        """Remember the newest blocks; all others still stand."""
        head = await self.chain.block_number()
        self._highest = max(self._highest, head)
        for number in range(max(0, head - depth), head + 1):
            block = await self.chain.block(number)
            self._blocks[block["hash"]] = (number, set(block["transactions"]))
            self._chain[number] = block["hash"]
        for gone in [number for number in self._chain if number > head]:
            del self._chain[gone]

    def _claims(self) -> dict[str, tuple[str | None, int | None]]:
        """The block of everything that is called confirmed."""
        query = select(SubmissionRow.key, SubmissionRow.block_hash, SubmissionRow.block_number)
        with self.database.session() as session:
            found = session.exec(query.where(SubmissionRow.state == "confirmed"))
            return {key: (name, number) for key, name, number in found}

    async def _watches(self) -> None:
        """Nothing is called confirmed that is not: every claim is compared with the blocks that there were."""
        while True:
            await asyncio.sleep(0.1)
            claims = await asyncio.to_thread(self._claims)
            new = {key for key, (name, _) in claims.items() if (key, str(name)) not in self._believed}
            claimed = await asyncio.to_thread(self._read, new) if new else []
            async with self._moving:
                for one in claimed:
                    number, transactions = self._blocks.get(one.block_hash or "", (-1, set()))
                    assert number == one.block_number, f"{one.key} names a block that never was"
                    assert one.transaction_hash in transactions, f"{one.key} is not in the block that it names"
                    assert self._highest >= number + CONFIRMATIONS - 1, f"{one.key} was confirmed too early"
                    self._believed.add((one.key, str(one.block_hash)))

    def _read(self, keys: set[str]) -> list[Submission]:
        query = select(SubmissionRow).where(col(SubmissionRow.key).in_(keys), SubmissionRow.state == "confirmed")
        with self.database.session() as session:
            return [read_row(row) for row in session.exec(query)]

    # At the end

    async def prove(self) -> int:
        """Every leaf has a proof that holds, one root above the other; how many anchors there are."""
        settings = LedgerSettings(blockchain_url=self.anvil.url, chain_id=CHAIN_ID, contracts=self.contracts)
        stores = (SqlSubmissions(self.database), SqlLeaves(self.database))
        ledger = OrgLedger(settings, Account(self.admin), Account(self.log_key), self.salt, *stores)
        sizes = await self._sizes()
        first = 0
        try:
            async with self._moving:
                at = await self.chain.block_number()
                while first < self.leaves:
                    root = await ledger.proof(first, at)
                    assert root.log_size in sizes
                    proofs = [await self._of(ledger, root, index) for index in range(first, root.log_size)]
                    await asyncio.to_thread(_verify, proofs)
                    first = root.log_size
        finally:
            await ledger.close()
        assert first == self.leaves
        return len(sizes)

    async def _of(self, ledger: OrgLedger, root: LeafProof, index: int) -> LeafProof:
        """A leaf's proof under a root that is proven already; only the leaf and its path differ."""
        log = ledger._anchoring.log
        path = [to_hex(node) for node in log.tree.inclusion(index, root.log_size)]
        return msgspec.structs.replace(root, leaf=to_hex(await log.leaf(index)), index=index, path=path)

    async def _sizes(self) -> list[int]:
        """The sizes anchored, from the chain's own events: each once, each above the one before."""
        wanted = {
            "fromBlock": "0x0",
            "address": self.contracts.execution_ledger,
            "topics": [_ANCHORED, to_hex(self.org)],
        }
        found = [int(event["data"], 16) for event in await self.chain.ask("eth_getLogs", wanted)]
        assert found == sorted(set(found)), "an anchor stands on the chain twice, or out of order"
        return found

    def heads(self) -> dict[tuple[int, int], set[bytes]]:
        """The roots of every head that ever left a process, by epoch and size; one each, or the log has forked."""
        found: dict[tuple[int, int], set[bytes]] = {}
        for raw in self.proxy.sent:
            data = rlp.decode(unhex(raw)[1:])[7]
            if data[:4] == _ANCHOR:
                _, size, root, _, _ = decode(["bytes32", "uint64", "bytes32", "bytes32[]", "bytes"], data[4:])
                found.setdefault((0, size), set()).add(root)
        assert found
        assert {len(roots) for roots in found.values()} == {1}, "two heads of one size"
        return found


def _copied(state: Path, copy: Path) -> bool:
    """Copy a dump unless it is being written."""
    try:
        dump = state.read_bytes()
        msgspec.json.decode(dump)
    except (FileNotFoundError, msgspec.DecodeError):
        return False
    copy.write_bytes(dump)
    return True


def _verify(proofs: list[LeafProof]) -> None:
    for proof in proofs:
        assert verify_leaf(proof).leaf.encode() == unhex(proof.leaf)


async def _logged(stream: asyncio.StreamReader, log: Path) -> None:
    with log.open("ab") as file:
        async for line in stream:
            file.write(line)
            file.flush()
