"""The proxy does what its faults say: a test over a fault that does nothing could not fail."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from support.processes import Anvil
from support.rpc_proxy import (
    Fault,
    RpcProxy,
    answers_lost,
    failing,
    forgetful,
    garbled,
    lagging,
    lying,
    other_chain,
    refusing,
    silent,
    taking_turns,
)
from tallystick.ledger.chain import Chain
from tallystick.ledger.errors import ChainUnavailable, RpcRefused, WrongChain

CHAIN_ID = 31337


@pytest.fixture
async def proxy(anvil: Anvil) -> AsyncIterator[RpcProxy]:
    """Give a proxy in front of the test's chain."""
    async with RpcProxy(anvil.url) as made:
        yield made


@pytest.fixture
async def chain(proxy: RpcProxy) -> AsyncIterator[Chain]:
    """Give a client of the proxy."""
    client = Chain(proxy.url, CHAIN_ID, timeout_s=0.5)
    yield client
    await client.close()


async def test_without_a_fault_it_passes_everything(proxy: RpcProxy, chain: Chain) -> None:
    await chain.check()
    await chain.ask("evm_mine")
    assert await chain.block_number() == 1
    assert proxy.seen == {"eth_chainId": 1, "eth_getBlockByNumber": 1, "evm_mine": 1, "eth_blockNumber": 1}


async def test_another_chain(proxy: RpcProxy, chain: Chain) -> None:
    proxy.fault = other_chain(5)
    with pytest.raises(WrongChain):
        await chain.check()
    proxy.fault = None
    await chain.check()


async def test_faults_that_do_not_answer(proxy: RpcProxy, chain: Chain) -> None:
    faults: list[Fault] = [silent(proxy), failing(429), garbled(), answers_lost({"eth_blockNumber"})]
    for fault in faults:
        proxy.fault = fault
        with pytest.raises(ChainUnavailable):
            await chain.block_number()
    proxy.fault = silent(proxy, {"eth_getCode"})
    assert await chain.block_number() == 0
    proxy.fault = refusing({"eth_blockNumber"})
    with pytest.raises(RpcRefused):
        await chain.block_number()


async def test_what_hangs_is_let_go(proxy: RpcProxy, chain: Chain) -> None:
    proxy.fault = silent(proxy)
    hanging = asyncio.create_task(chain.block_number())
    await asyncio.sleep(0.05)
    proxy.fault = None
    with pytest.raises(ChainUnavailable):
        await hanging
    assert await chain.block_number() == 0


async def test_lies_and_turns(proxy: RpcProxy, chain: Chain) -> None:
    proxy.fault = taking_turns(lying("eth_blockNumber", lambda _, true: hex(int(true, 16) + 7)), None)
    assert [await chain.block_number() for _ in range(4)] == [7, 0, 7, 0]


async def test_it_lags(proxy: RpcProxy, chain: Chain) -> None:
    await chain.ask("anvil_mine", "0x5")
    newest = await chain.block(5)
    account = "0x" + "11" * 20
    await chain.ask("anvil_setBalance", account, "0x1")
    await chain.ask("evm_mine")
    proxy.fault = lagging(3)
    assert await chain.block_number() == 3
    assert await chain.balance(account) == 0
    assert (await chain.block("latest"))["number"] == "0x3"
    assert await chain.block_hash(5) is None
    assert await chain.ask("eth_getBlockByHash", newest["hash"], False) is None
    assert await chain.block_hash(2) is not None


async def test_it_forgets(proxy: RpcProxy, chain: Chain) -> None:
    proxy.fault = forgetful()
    assert len(await chain.ask("eth_sendRawTransaction", "0x00")) == 66
    proxy.fault = None
    with pytest.raises(RpcRefused):
        await chain.ask("eth_sendRawTransaction", "0x00")


async def test_it_is_down_and_comes_back_at_the_same_port(proxy: RpcProxy, chain: Chain) -> None:
    port = proxy.port
    await proxy.stop()
    with pytest.raises(ChainUnavailable):
        await chain.block_number()
    await proxy.start()
    assert proxy.port == port
    assert await chain.block_number() == 0
