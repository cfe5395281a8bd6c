"""The contracts and what works with them, on a second client: py-evm behind eth-tester instead of anvil.

Every test of the contracts that needs no more than Ethereum's JSON-RPC is run again as it is; then deployment, the
node's side, and its endpoints. py-evm has no ``eth_getProof``, and eth-tester mines at once and makes no
reorganisations, so proofs of state and reorganisations are shown on anvil only.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from ledger import test_contracts_merkle, test_execution_ledger, test_org_registry, test_workflow_registry
from ledger.parties import ETHER, FAUCET, Party, settle
from ledger.test_contracts_merkle import harness, tree
from ledger.test_execution_ledger import one
from support import rpc_proxy as faults
from support.processes import ROOT, Anvil, Processes
from support.rpc_proxy import RpcProxy
from tallystick.ledger import factory as factories
from tallystick.ledger import networks
from tallystick.ledger.chain import Chain
from tallystick.ledger.deploy import deploy, planned
from tallystick.ledger.errors import LedgerError, RpcRefused
from tallystick.ledger.service import LedgerSettings, OrgLedger

CHAIN_ID = 131277322940537  # eth-tester's
SUITES = (test_contracts_merkle, test_execution_ledger, test_org_registry, test_workflow_registry)
__all__ = ["harness", "one", "tree"]

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("eth_tester") is None, reason="py-evm has no wheels for this machine (make setup tries)"
)

# The same tests, with this module's chain.
for _suite in SUITES:
    for _name, _test in list(vars(_suite).items()):
        if _name.startswith("test_"):
            globals()[f"{_name}_by_{_suite.__name__.rpartition('.')[2]}"] = _test


def py_evm(processes: Processes) -> Anvil:
    """Start it."""
    env = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    server = processes.start("py-evm", [sys.executable, "-m", "support.second_client"], env=env)
    return Anvil(server, int(server.wait_for(r"Listening on 127\.0\.0\.1:(\d+)")[1]))


@pytest.fixture(scope="module")
def anvil() -> Iterator[Anvil]:
    """Give py-evm in anvil's place; one chain for all tests, because each has organisations of its own."""
    with Processes() as processes:
        yield py_evm(processes)


@pytest.fixture
async def chain(anvil: Anvil) -> AsyncIterator[Chain]:
    """Give a client of it; the tests' faucet has ether here, too."""
    client = Chain(anvil.url, CHAIN_ID)
    await networks.give(client, [FAUCET.address], 1000 * ETHER)
    yield client
    await client.close()


Make = Callable[[], Awaitable[Party]]


async def test_it_is_py_evm(chain: Chain) -> None:
    assert str(await networks.client_of(chain)).startswith("EthereumTester/")
    with pytest.raises(RpcRefused):
        await chain.ask("anvil_nodeInfo")


async def test_the_contracts_stand_where_they_stand_on_anvil(processes: Processes) -> None:
    """The chain has no factory: it comes by the published transaction."""
    chain = Chain(py_evm(processes).url, CHAIN_ID)
    await networks.give(chain, [FAUCET.address], ETHER)
    assert await chain.code(factories.FACTORY) == b""
    made = await deploy(chain, FAUCET)
    assert made.factory_note is None
    assert made.contracts == planned(factories.Factory())[0]
    assert (await deploy(chain, FAUCET)).created == ()
    status = await networks.network_status(chain, made.contracts, [FAUCET.address])
    assert status.trouble is None
    assert all(each.is_ours for each in status.contracts)
    await chain.close()


async def test_an_organisation_registers_and_anchors(party: Make) -> None:
    made = await party()
    ledger = made.ledger()
    made.append(40)
    await settle(ledger)
    made.append(3)
    await settle(ledger)
    anchors = [await ledger.anchor_of(index) for index in (0, 39, 40, 42)]
    assert [each.log_size for each in anchors if each] == [40, 40, 43, 43]
    assert {each.state for each in anchors if each} == {"confirmed"}
    assert await ledger.register_workflow("0x" + "12" * 32) is None
    await settle(ledger)
    assert await ledger.register_workflow("0x" + "12" * 32) is not None
    await ledger.close()


async def test_a_restart_at_every_round_changes_nothing(party: Make) -> None:
    made = await party()
    for _ in range(8):
        made.append()
        restarted = made.ledger()
        await restarted.step()
        await restarted.close()
    ledger = made.ledger()
    await settle(ledger)
    assert (await ledger.status()).anchored_size == 8
    await ledger.close()


async def test_a_log_settles_over_endpoints_with_faults(party: Make, anvil: Anvil) -> None:
    made = await party()
    async with RpcProxy(anvil.url) as first, RpcProxy(anvil.url) as second:
        settings = LedgerSettings(
            blockchain_url=first.url, fallback_urls=(second.url,), chain_id=CHAIN_ID, contracts=made.contracts
        )
        ledger = OrgLedger(
            settings, made.account, made.log_key, made.salt, made.submissions, made.leaves, clock=made.clock
        )
        for fault in (None, faults.failing(), faults.forgetful(), faults.garbled()):
            first.fault = fault
            made.append()
            await settle(ledger)
        assert (await ledger.status()).anchored_size == 4
        first.fault = faults.other_chain(1)
        while ledger.chain.endpoints()[0].state == "unreachable":  # what was garbled is asked again after a while
            await ledger.step()
            await asyncio.sleep(0.1)
        await ledger.step()
        assert [each.state for each in ledger.chain.endpoints()] == ["wrong_chain", "good"]
        await ledger.close()


async def test_answers_that_are_lost_are_found_again(party: Make, anvil: Anvil) -> None:
    made = await party()
    async with RpcProxy(anvil.url) as proxy:
        made.url = proxy.url
        ledger = made.ledger()
        proxy.fault = faults.answers_lost({"eth_sendRawTransaction"})
        made.append(2)
        for _ in range(12):
            try:
                await ledger.step()
            except LedgerError:
                continue
        proxy.fault = None
        await settle(ledger)
        assert (await ledger.status()).anchored_size == 2
        await ledger.close()


async def test_it_has_no_proofs_of_state(party: Make) -> None:
    """What the module's docstring says is not shown here."""
    made = await party()
    ledger = made.ledger()
    made.append()
    await settle(ledger)
    with pytest.raises(LedgerError):
        await ledger.proof(0)
    await ledger.close()
