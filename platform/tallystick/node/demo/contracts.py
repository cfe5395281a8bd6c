"""The demo's contracts: deployed once to its own chain, by an account that is used for nothing else."""

import secrets
from pathlib import Path

from tallystick.ledger import deploy as deployments
from tallystick.ledger import networks
from tallystick.ledger.accounts import Account
from tallystick.ledger.chain import Chain as Endpoint

from .chain import ETHER, Chain
from .saving import save


async def deploy(chain: Chain, where: Path) -> None:
    """Deploy the three contracts and write their addresses to `where`, as `tally init --contracts` reads them."""
    deployer = Account(secrets.token_bytes(32))
    endpoint = Endpoint(chain.url, chain.chain_id)
    try:
        await networks.give(endpoint, [deployer.address], ETHER)
        save(where, await deployments.deploy(endpoint, deployer))
    finally:
        await endpoint.close()
