"""A chain for scenarios: anvil with its state on disk, the contracts on it, killed and brought back by the test."""

from pathlib import Path
from typing import Any

from support.ports import promised
from tallystick.core.errors import Unavailable
from tallystick.node.demo import chain as demo
from tallystick.node.demo.contracts import deploy

ROOT = Path(__file__).parents[2]


class LocalChain:
    """One anvil and the file that names its contracts."""

    def __init__(self, folder: Path, chain_id: int = demo.CHAIN_ID) -> None:
        self.contracts = folder / "contracts.json"
        self.chain_id = chain_id
        self.also: list[LocalChain] = []  # further chains that organisations are to anchor on
        program = demo.binary(ROOT)
        self._chain = demo.Chain(program, folder / "chain", folder / "anvil.log", port=promised(), chain_id=chain_id)

    @property
    def words(self) -> list[str]:
        """What `tally init` is told of it."""
        also = [word for one in self.also for word in ("--also", one.words[1], str(one.contracts))]
        return ["--blockchain-url", self._chain.url, "--contracts", str(self.contracts), *also]

    async def start(self) -> None:
        """Start it, the first time with the contracts."""
        await self._chain.start()
        if not self.contracts.exists():
            await deploy(self._chain, self.contracts)

    async def ensure_started(self) -> None:
        """Run it again if a test ended it, and let it mine again if one kept it from that."""
        try:
            await self.ask("evm_setAutomine", True)
        except Unavailable:
            await self.start()

    async def fund(self, *addresses: str) -> None:
        """Give accounts some ether."""
        await self._chain.fund(addresses)

    async def ask(self, method: str, *parameters: Any) -> Any:
        """One JSON-RPC question."""
        return await self._chain.ask(method, *parameters)

    async def kill(self) -> None:
        """End it as ``kill -9`` does; its last second may be lost, as in a reorganisation."""
        await self._chain.kill()

    async def stop(self) -> None:
        """End it in order."""
        await self._chain.stop()
