"""A chain and three organisations' nodes on this machine, for the demo, `make up` and the fault scenarios.

Each node is its own process with its own folder, database, keystore, passphrase and nats-server, exactly as an
organisation would run it; nothing is shared but loopback and the chain. The stack only starts, ends and introduces
them: work goes through `client`.
"""

import asyncio
import contextlib
import os
import secrets
import sys
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tallystick.core.errors import Unavailable
from tallystick.node import freeport
from tallystick.node.client import Client
from tallystick.tenants.files import private_folder, write_private

from . import contracts
from .cast import ORGANISATIONS, Organisation
from .chain import Chain, binary
from .processes import Running, spawn

ROOT = Path(__file__).parents[4]
ADMIN = "admin"
NODE_PORT = 8441
CHAIN_PORT = 8545
READY = r"^ready (http://\S+) \S+$"
STAFF_ROLES = ["operator", "auditor"]


@dataclass
class Node:
    """One organisation's node: where it lives, where it listens, and its process."""

    organisation: Organisation
    folder: Path
    log: Path
    port: int
    running: Running | None = None
    staff_password: str = field(default="", repr=False)

    @property
    def org_id(self) -> str:
        return self.organisation.org_id

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The node's process id; raises `Unavailable` while it is not running."""
        if self.running is None or not self.running.alive:
            raise Unavailable(f"{self.org_id}'s node is not running", code="node_unreachable")
        return self.running.pid

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def passphrase_file(self) -> Path:
        return self.folder / "passphrase"

    @property
    def password_file(self) -> Path:
        return self.folder / "admin-password"

    @property
    def environment(self) -> dict[str, str]:
        """What the node may see of ours: no proxy, no other organisation's secret."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ", "TMPDIR") if name in os.environ}
        return {**kept, "TALLYSTICK_PASSPHRASE_FILE": str(self.passphrase_file), "PYTHONUNBUFFERED": "1"}


class Stack:
    """Use as a context manager: leaving it stops everything that it started, whatever happened inside."""

    def __init__(
        self,
        folder: Path,
        *,
        logs: Path | None = None,
        cast: Sequence[Organisation] = ORGANISATIONS,
        usual_ports: bool = False,
        root: Path = ROOT,
    ) -> None:
        self.folder = folder
        logs = logs or folder / "logs"
        self.chain = Chain(
            binary(root),
            folder / "chain",
            logs / "anvil.log",
            port=freeport.find("127.0.0.1", CHAIN_PORT if usual_ports else 0),
        )
        self.nodes: dict[str, Node] = {}
        taken = frozenset({self.chain.port})
        for number, each in enumerate(cast):
            port = freeport.find("127.0.0.1", NODE_PORT + number if usual_ports else 0, taken=taken)
            taken |= {port}
            log = logs / f"{each.org_id}.log"
            self.nodes[each.org_id] = Node(organisation=each, folder=folder / each.org_id, log=log, port=port)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Everything from nothing: chain, contracts, nodes, money for their accounts, introductions, staff."""
        private_folder(self.folder)
        await self.chain.start()
        await contracts.deploy(self.chain, self.folder / "contracts.json")
        await _together(self._make(node) for node in self.nodes.values())
        await self._introduce()

    async def stop(self) -> None:
        """Stop the nodes, then the chain."""
        running = [node.running for node in self.nodes.values() if node.running]
        await asyncio.gather(*(each.stop() for each in running))
        await self.chain.stop()

    async def kill(self, org_id: str) -> None:
        """`kill -9` of one node."""
        node = self.nodes[org_id]
        if node.running:
            await node.running.kill()

    async def restart(self, org_id: str) -> None:
        """Start a node that was killed or stopped, on the port and the folder that it had."""
        await self._run(self.nodes[org_id])

    async def kill_anvil(self) -> None:
        """`kill -9` of the chain."""
        await self.chain.kill()

    async def restart_anvil(self) -> None:
        """Start the chain again from its last dump."""
        await self.chain.start()

    @contextlib.asynccontextmanager
    async def signed_in(self, org_id: str, username: str = "") -> AsyncIterator[Client]:
        """A client of one organisation's staff, or of its administrator when `username` says so."""
        node = self.nodes[org_id]
        person = username or node.organisation.user
        password = node.password_file.read_text().strip() if person == ADMIN else node.staff_password
        async with Client(node.url) as client:
            await client.sign_in(person, password)
            yield client

    async def _make(self, node: Node) -> None:
        private_folder(node.folder)
        write_private(node.passphrase_file, secrets.token_urlsafe(24).encode())
        write_private(node.password_file, secrets.token_urlsafe(24).encode())
        await self._tally(node, "init", *self._initial(node))
        await self._run(node)
        await self._employ(node)

    def _initial(self, node: Node) -> list[str | Path]:
        organisation = node.organisation
        return [
            *("--org-id", organisation.org_id, "--name", organisation.name, "--domain", organisation.domain),
            *("--port", str(node.port), "--blockchain-url", self.chain.url),
            *("--contracts", self.folder / "contracts.json", "--admin-password-file", node.password_file),
            *("--language", organisation.language),
        ]

    async def _tally(self, node: Node, command: str, *arguments: str | Path) -> None:
        process = await asyncio.create_subprocess_exec(
            *(tally(), command, "--data", node.data, *arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=node.environment,
        )
        try:
            said, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        if process.returncode:
            raise Unavailable(f"tally {command} for {node.org_id}: {said.decode()[-2000:]}", code="not_started")

    async def _run(self, node: Node) -> None:
        spawned = spawn(node.org_id, [tally(), "node", "--data", node.data], log=node.log, env=node.environment)
        await spawned.ready_line(READY)
        node.running = spawned.running

    async def _employ(self, node: Node) -> None:
        """Give the organisation's member of staff an account."""
        node.staff_password = secrets.token_urlsafe(24)
        organisation = node.organisation
        async with self.signed_in(node.org_id, ADMIN) as admin:
            await admin.post(
                "/users",
                {
                    "username": organisation.user,
                    "display_name": organisation.user_name,
                    "password": node.staff_password,
                    "roles": STAFF_ROLES,
                    "language": organisation.language,
                },
            )

    async def cards(self) -> dict[str, dict[str, Any]]:
        """Each organisation's public card, as its own node serves it."""
        found = {}
        for node in self.nodes.values():
            async with Client(node.url) as anyone:
                found[node.org_id] = await anyone.get("/organisation/card")
        return found

    async def _introduce(self) -> None:
        """Fund the accounts that the cards name, and give every organisation the others' cards."""
        known = await self.cards()
        await self.chain.fund(card["chain_admin"] for card in known.values())
        for org_id in self.nodes:
            async with self.signed_in(org_id, ADMIN) as admin:
                for other, card in known.items():
                    if other != org_id:
                        await admin.put(f"/partners/{other}", card)


async def _together(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """All at once; when one fails or the driver is interrupted, the others are ended before that is reported."""
    try:
        async with asyncio.TaskGroup() as group:
            for each in work:
                group.create_task(each)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


def tally() -> Path:
    """The command, from the environment that runs this."""
    return Path(sys.executable).with_name("tally")
