"""The demo's contracts: deployed once to its own chain."""

from pathlib import Path

from .chain import Chain


async def deploy(chain: Chain, where: Path) -> None:
    """Deploy the three contracts and write their addresses to `where`, as `tally init --contracts` reads them."""
    raise NotImplementedError
