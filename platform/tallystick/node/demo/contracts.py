"""The demo's contracts: deployed once to its own chain, by an account that is used for nothing else."""

import secrets
from pathlib import Path

from tallystick.ledger import deploy as deployments
from tallystick.ledger.accounts import Account
from tallystick.ledger.chain import Chain as Endpoint

from .chain import CHAIN_ID, Chain
from .saving import save


async def deploy(chain: Chain, where: Path) -> None:
    """Deploy the three contracts and write their addresses to `where`, as `tally init --contracts` reads them."""
    deployer = Account(secrets.token_bytes(32))
    await chain.fund([deployer.address])
    endpoint = Endpoint(chain.url, CHAIN_ID)
    try:
        save(where, await deployments.deploy(endpoint, deployer))
    finally:
        await endpoint.close()
