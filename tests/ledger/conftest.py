"""A chain with the contracts on it, and organisations with accounts of their own; anvil's only hand out ether."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from ledger.parties import FAUCET, Party, make_party
from support.processes import Anvil
from tallystick.ledger.chain import Chain
from tallystick.ledger.deploy import Deployment, deploy

CHAIN_ID = 31337


@pytest.fixture
async def chain(anvil: Anvil) -> AsyncIterator[Chain]:
    """Give a client of the test's own chain."""
    client = Chain(anvil.url, CHAIN_ID)
    yield client
    await client.close()


@pytest.fixture
async def deployment(chain: Chain) -> Deployment:
    """Give the contracts on that chain."""
    return await deploy(chain, FAUCET)


@pytest.fixture
def party(anvil: Anvil, chain: Chain, deployment: Deployment) -> Callable[[], Awaitable[Party]]:
    """Give a maker of organisations with ether, not registered yet."""
    return lambda: make_party(anvil.url, chain, deployment)
