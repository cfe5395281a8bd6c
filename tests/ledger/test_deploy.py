"""The same contracts stand at the same addresses on every chain, and anybody can compile them again and compare."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account as EthAccount

from ledger.parties import FAUCET, new_account
from support.processes import Anvil, Processes, start_anvil
from support.rpc_proxy import Answer, Forward, Request, RpcProxy, refusal_of
from tallystick.core.errors import Forbidden
from tallystick.ledger import compile, networks, verification
from tallystick.ledger import factory as factories
from tallystick.ledger.chain import Chain
from tallystick.ledger.contracts import Contracts
from tallystick.ledger.deploy import deploy, fund
from tallystick.ledger.errors import ChainUnavailable, WrongChain
from tallystick.ledger.hashing import keccak, to_hex, unhex

BARE = "--disable-default-create2-deployer"
ETHER = 10**18


async def test_the_same_addresses_on_every_chain(processes: Processes, chain: Chain) -> None:
    """One has the factory, one gets it by the published transaction; deployers and ids differ."""
    bare = start_anvil(processes, BARE, "--chain-id", "4242", "--timestamp", "1700000000")
    other, deployer = Chain(bare.url, 4242), new_account()
    await fund(other, FAUCET, deployer.address, ETHER)
    assert await other.code(factories.FACTORY) == b""
    here, there = await deploy(chain, FAUCET), await deploy(other, deployer)
    assert here.contracts == there.contracts
    assert here.created == there.created == ("ExecutionLedger", "WorkflowRegistry")
    assert (here.factory, here.factory_note) == (there.factory, None) == (factories.FACTORY, None)
    assert here.genesis_hash != there.genesis_hash
    assert await other.code(factories.FACTORY) == factories.RUNTIME
    await other.close()


async def test_deploying_again_changes_nothing(chain: Chain) -> None:
    first = await deploy(chain, FAUCET)
    before = await chain.number("eth_getTransactionCount", FAUCET.address, "latest")
    again = await deploy(chain, FAUCET)
    assert again.contracts == first.contracts
    assert again.created == ()
    assert await chain.number("eth_getTransactionCount", FAUCET.address, "latest") == before


async def test_half_a_deployment_is_finished(chain: Chain) -> None:
    await deploy(chain, FAUCET)
    whole = await deploy(chain, FAUCET)
    await chain.ask("anvil_setCode", whole.workflow_registry, "0x")
    await chain.ask("anvil_setNonce", whole.workflow_registry, "0x0")
    assert (await deploy(chain, FAUCET)).created == ("WorkflowRegistry",)


async def test_other_code_at_our_address_is_refused(chain: Chain) -> None:
    whole = await deploy(chain, FAUCET)
    await chain.ask("anvil_setCode", whole.execution_ledger, "0x6001")
    with pytest.raises(WrongChain) as caught:
        await deploy(chain, FAUCET)
    assert caught.value.code == "wrong_code"
    status = await networks.network_status(chain, whole.contracts)
    ours = {one.name: one.is_ours for one in status.contracts}
    assert ours == {"org_registry": False, "workflow_registry": True, "execution_ledger": False}


async def test_other_code_at_the_factory_is_refused(chain: Chain) -> None:
    await chain.ask("anvil_setCode", factories.FACTORY, "0x6001")
    with pytest.raises(WrongChain):
        await deploy(chain, FAUCET)


async def test_a_chain_that_refuses_the_published_transaction_gets_a_factory_of_ours(processes: Processes) -> None:
    async with RpcProxy(start_anvil(processes, BARE).url) as proxy:
        proxy.fault = _replay_protected
        chain = Chain(proxy.url, 31337)
        made = await deploy(chain, FAUCET)
        assert made.factory != factories.FACTORY
        assert "only replay-protected" in str(made.factory_note)
        await made.contracts.check(chain)
        await chain.close()


async def _replay_protected(request: Request, forward: Forward) -> Answer:
    if request.get("params") == [to_hex(factories.PUBLISHED)]:
        return refusal_of(request, "only replay-protected (EIP-155) transactions allowed over RPC")
    return await forward(request)


async def test_nobody_deploys_without_ether(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tallystick.ledger.deploy.TRIES", 2)
    with pytest.raises(ChainUnavailable) as caught:
        await deploy(chain, new_account())
    assert caught.value.code == "no_funds"


def test_the_published_transaction_is_from_the_account_that_makes_that_address() -> None:
    signer = EthAccount.recover_transaction(to_hex(factories.PUBLISHED))
    assert signer.lower() == factories.SIGNER
    # RLP of (address, nonce 0): a list of 22 bytes.
    created = keccak(b"\xd6\x94" + unhex(signer) + b"\x80")[12:]
    assert to_hex(created) == factories.FACTORY


async def test_compiling_the_export_gives_the_code_on_the_chain(chain: Chain, tmp_path: Path) -> None:
    made = await deploy(chain, FAUCET)
    verification.export(made, tmp_path)
    facts = json.loads((tmp_path / verification.FACTS).read_bytes())
    given = json.loads((tmp_path / facts["standard_input"]).read_bytes())
    compiled = compile.compile_input(given)
    assert facts["compiler"].startswith("v0.8.")
    assert json.loads(compiled["ExecutionLedger"]["metadata"])["compiler"]["version"] == facts["compiler"][1:]
    assert [one["contract"] for one in facts["contracts"]] == ["ExecutionLedger", "WorkflowRegistry"]
    for one in facts["contracts"]:
        creation = unhex(compiled[one["contract"]]["bytecode"]) + unhex(one["constructor_arguments"])
        assert to_hex(keccak(creation)) == one["creation_code_hash"]
        # What the factory makes of it stands at the address that is named, with the code that is named.
        through = factories.Factory(address=facts["factory"])
        assert through.place(creation, unhex(facts["salt"])) == one["address"]
        assert to_hex(keccak(await chain.code(one["address"]))) == one["code_hash"]
        runtime = await chain.ask("eth_call", {"data": to_hex(creation)}, "latest")
        assert to_hex(keccak(unhex(runtime))) == one["code_hash"]
        abi: list[dict[str, Any]] = json.loads((tmp_path / one["abi_file"]).read_bytes())
        assert abi == compiled[one["contract"]]["abi"]


async def test_the_status_of_a_chain(chain: Chain, anvil: Anvil) -> None:
    made = await deploy(chain, FAUCET)
    status = await networks.network_status(chain, made.contracts, [FAUCET.address])
    assert status.trouble is None
    assert str(status.client).startswith("anvil")
    assert status.genesis_hash == made.genesis_hash
    assert [one.endpoint for one in status.endpoints] == [anvil.url]
    assert status.heads is not None
    assert status.heads.latest == await chain.block_number()
    assert status.heads.finalized is not None
    assert all(one.is_ours for one in status.contracts)
    assert status.accounts[0].balance == str(await chain.balance(FAUCET.address))


async def test_the_status_of_a_chain_that_is_not_there() -> None:
    away = Chain("http://127.0.0.1:1", 31337)
    status = await networks.network_status(away, Contracts(org_registry="", workflow_registry="", execution_ledger=""))
    assert "does not answer" in str(status.trouble)
    assert status.endpoints[0].state == "unreachable"
    await away.close()


async def test_ether_is_given_on_development_chains_only(chain: Chain, anvil: Anvil) -> None:
    account = new_account().address
    await networks.give(chain, [account], ETHER)
    assert await chain.balance(account) == ETHER
    async with RpcProxy(anvil.url) as proxy:
        proxy.fault = _calls_itself_geth
        public = Chain(proxy.url, 31337)
        with pytest.raises(Forbidden) as caught:
            await networks.give(public, [account], ETHER)
        assert "Geth/v1.16.0" in caught.value.detail
        assert await chain.balance(account) == ETHER
        await public.close()


async def _calls_itself_geth(request: Request, forward: Forward) -> Answer:
    answer = await forward(request)
    return {**answer, "result": "Geth/v1.16.0"} if request["method"] == "web3_clientVersion" else answer
