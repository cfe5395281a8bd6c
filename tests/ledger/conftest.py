"""A chain with the contracts, organisations of its own keys, and their logs; anvil's accounts only hand out ether."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from support.processes import Anvil, Processes, start_anvil
from tallystick.ledger.accounts import Account
from tallystick.ledger.chain import Chain
from tallystick.ledger.deploy import Deployment, deploy, fund

from .organisations import Organisation, make_organisation

CHAIN_ID = 31337
ETHER = 10**18
FAUCET = Account(bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"))


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
