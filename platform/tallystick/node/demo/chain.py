"""The demo's own chain: anvil on loopback, its state on disk, and the few questions that the driver asks it."""

import asyncio
import json
import platform
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx2

from tallystick.core.errors import Unavailable
from tallystick.node import freeport

from .processes import Running, spawn

CHAIN_ID = 31337
PORT = 8545
DUMP_SECONDS = 1  # a kill -9 may take the chain back by as much; nodes have to cope, as they do with a reorganisation
KEEP_TRIES, KEEP_PAUSE = 100, 0.02  # a dump that is being written is soon whole
ETHER = 10**18
TIMEOUT = 10.0
_SYSTEMS = {"Linux": "linux", "Darwin": "darwin"}
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def binary(root: Path) -> Path:
    """The anvil program itself, not npm's wrapper: a signal to the wrapper would leave the chain running."""
    system = _SYSTEMS.get(platform.system(), "")
    machine = _MACHINES.get(platform.machine().lower(), "")
    packaged = root / "node_modules" / "@foundry-rs" / f"anvil-{system}-{machine}" / "bin" / "anvil"
    if packaged.is_file():
        return packaged
    found = shutil.which("anvil")
    if found is None:
        raise Unavailable("anvil is not installed; `make setup` brings it", code="no_anvil")
    return Path(found)


class Chain:
    """One anvil. Its state survives `kill`, but for the last second."""

    def __init__(
        self,
        program: Path,
        folder: Path,
        log: Path,
        *,
        port: int,
        running: Running | None = None,
        chain_id: int = CHAIN_ID,
    ) -> None:
        self.chain_id = chain_id
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.running = running
        self._program = program
        self._state = folder / "anvil-state.json"
        self._log = log

    async def start(self) -> None:
        """Start it where it stopped."""
        self._mend()
        spawned = spawn("anvil", self._command(), log=self._log)
        await spawned.ready(self._answers)
        self.running = spawned.running

    def _command(self) -> list[str | Path]:
        return [
            self._program,
            *("--host", "127.0.0.1", "--port", str(self.port), "--chain-id", str(self.chain_id), "--quiet"),
            *("--state", self._state, "--state-interval", str(DUMP_SECONDS), "--preserve-historical-states"),
        ]

    async def _answers(self) -> bool | None:
        try:
            return int(await self.ask("eth_chainId"), 16) == self.chain_id or None
        except Unavailable:
            return None

    async def stop(self) -> None:
        if self.running:
            await self.running.stop()

    async def kill(self) -> None:
        """`kill -9`. The newest whole dump is kept aside, because anvil may be in the middle of writing one."""
        for _ in range(KEEP_TRIES):
            if self._keep():
                break
            await asyncio.sleep(KEEP_PAUSE)
        if self.running:
            await self.running.kill()

    def _keep(self) -> bool:
        """Whether the dump was whole; it is read once, because the next may be begun while it is copied."""
        try:
            state = self._state.read_bytes()
            json.loads(state)
        except (OSError, ValueError):
            return False
        self._spare.write_bytes(state)
        return True

    def _mend(self) -> None:
        self._state.parent.mkdir(parents=True, exist_ok=True)
        if self._state.exists() and not _whole(self._state) and self._spare.exists():
            shutil.copyfile(self._spare, self._state)
        if _whole(self._state):
            keep_first_block(self._state)

    @property
    def _spare(self) -> Path:
        return self._state.with_suffix(".kept")

    async def ask(self, method: str, *parameters: Any) -> Any:
        """One JSON-RPC question."""
        question = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(parameters)}
        try:
            async with httpx2.AsyncClient(timeout=TIMEOUT, trust_env=False) as http:
                answer = (await http.post(self.url, json=question)).json()
        except (httpx2.TransportError, ValueError) as error:
            raise Unavailable(f"the chain at {self.url} does not answer", code="chain_unreachable") from error
        if "error" in answer:
            raise Unavailable(f"{method}: {answer['error'].get('message')}", code="chain_refused")
        return answer["result"]

    async def fund(self, addresses: Iterable[str], ether: int = 100) -> None:
        """Give each address some of the faucet's ether; anvil's own accounts are good for nothing else here."""
        faucet = (await self.ask("eth_accounts"))[0]
        for address in addresses:
            await self.ask("eth_sendTransaction", {"from": faucet, "to": address, "value": hex(ether * ETHER)})

    async def block(self, number: int | str = "latest") -> dict[str, Any]:
        """A block's header fields, with its transactions' hashes."""
        tag = number if isinstance(number, str) else hex(number)
        found: dict[str, Any] = await self.ask("eth_getBlockByNumber", tag, False)
        return found


def _whole(state: Path) -> bool:
    try:
        json.loads(state.read_bytes())
    except (OSError, ValueError):
        return False
    return True


def keep_first_block(state: Path) -> None:
    """Leave the dump the first block that the chain began with.

    Every anvil that goes on with a dump adds a first block of its own, and the next one takes any of them: whoever
    pins a chain to its first block would find another chain there.
    """
    dump = json.loads(state.read_bytes())
    firsts = [one for one in dump.get("blocks") or [] if int(one["header"]["number"], 16) == 0]
    if len(firsts) > 1:
        oldest = min(firsts, key=lambda one: int(one["header"]["timestamp"], 16))
        dump["blocks"] = [one for one in dump["blocks"] if one is oldest or one not in firsts]
        state.write_text(json.dumps(dump))


def choose_port(preferred: int) -> int:
    """The usual port, or the next that is free."""
    return freeport.find("127.0.0.1", preferred)
