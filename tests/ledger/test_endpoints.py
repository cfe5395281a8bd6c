"""Several endpoints of one chain, of which one fails, lies, lags, forgets, or serves another chain."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from ledger.parties import FAUCET, Party, settle
from support import rpc_proxy as faults
from support.processes import Anvil
from support.rpc_proxy import Fault, RpcProxy
from tallystick.core.errors import Invalid
from tallystick.ledger.chain import Chain
from tallystick.ledger.deploy import transact
from tallystick.ledger.errors import ChainUnavailable, EndpointsDisagree, LedgerError, WrongChain
from tallystick.ledger.service import LedgerSettings, OrgLedger

CHAIN_ID = 31337
OTHER = "0x" + "ab" * 32


@pytest.fixture
async def proxies(anvil: Anvil) -> AsyncIterator[list[RpcProxy]]:
    """Give three endpoints of one chain."""
    async with RpcProxy(anvil.url) as one, RpcProxy(anvil.url) as two, RpcProxy(anvil.url) as three:
        yield [one, two, three]


@pytest.fixture
async def several(proxies: list[RpcProxy]) -> AsyncIterator[Chain]:
    """Give a client of all three."""
    client = Chain([one.url for one in proxies], CHAIN_ID, timeout_s=0.7)
    yield client
    await client.close()


@pytest.fixture
async def unanimous(proxies: list[RpcProxy]) -> AsyncIterator[Chain]:
    """Give a client of all three that wants all of them to agree."""
    client = Chain([one.url for one in proxies], CHAIN_ID, timeout_s=0.7, quorum=3)
    yield client
    await client.close()


def states(chain: Chain) -> list[str]:
    """How they do."""
    return [one.state for one in chain.endpoints()]


def ledger_over(party: Party, *proxies: RpcProxy, confirmations: int = 1, quorum: int = 1) -> OrgLedger:
    """What a node with these endpoints runs."""
    urls = [one.url for one in proxies]
    settings = LedgerSettings(
        blockchain_url=urls[0],
        fallback_urls=tuple(urls[1:]),
        endpoint_quorum=quorum,
        chain_id=CHAIN_ID,
        contracts=party.contracts,
        confirmations=confirmations,
    )
    return OrgLedger(
        settings, party.account, party.log_key, party.salt, party.submissions, party.leaves, clock=party.clock
    )


async def mined(chain: Chain) -> dict[str, Any]:
    """A transaction's receipt."""
    return await transact(chain, FAUCET, {"to": "0x" + "77" * 20, "value": 1, "data": b""})


FAILING: dict[str, Callable[[RpcProxy], Fault]] = {
    "http 503": lambda _: faults.failing(503),
    "http 429": lambda _: faults.failing(429, "slow down", {"Retry-After": "1"}),
    "redirect": lambda proxy: faults.failing(302, "", {"Location": f"{proxy.upstream}/"}),
    "no JSON": lambda _: faults.garbled(),
    "deep JSON": lambda _: faults.garbled("[" * 200_000 + "]" * 200_000),
    "deep object": lambda _: faults.garbled('{"result":' * 100_000 + "1" + "}" * 100_000),
    "100 MB": lambda _: faults.garbled('{"jsonrpc":"2.0","id":1,"result":"0x' + "0" * 100_000_000 + '"}'),
    "silence": faults.silent,
}


@pytest.mark.parametrize("name", FAILING)
async def test_another_answers_for_one_that_fails(name: str, several: Chain, proxies: list[RpcProxy]) -> None:
    await several.check()
    proxies[0].fault = FAILING[name](proxies[0])
    assert await several.balance(FAUCET.address) > 0
    assert states(several)[0] == "unreachable"
    # It is passed over for a while, and asked again after.
    asked = sum(proxies[0].seen.values())
    assert await several.balance(FAUCET.address) > 0
    assert sum(proxies[0].seen.values()) == asked
    proxies[0].fault = None
    async with asyncio.timeout(20):
        while states(several)[0] != "good":
            await several.check()
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("name", FAILING)
async def test_the_only_one_that_fails_is_unavailable_in_bounded_time(name: str, anvil: Anvil) -> None:
    async with RpcProxy(anvil.url) as proxy:
        chain = Chain(proxy.url, CHAIN_ID, timeout_s=2)
        proxy.fault = FAILING[name](proxy)
        begun = time.monotonic()
        with pytest.raises(ChainUnavailable):
            await chain.check()
        assert time.monotonic() - begun < 20
        await chain.close()


async def test_all_that_fail_are_unavailable(several: Chain, proxies: list[RpcProxy]) -> None:
    for one in proxies:
        one.fault = faults.failing()
    with pytest.raises(ChainUnavailable):
        await several.check()
    with pytest.raises(ChainUnavailable):
        await several.block_number()
    assert states(several) == ["unreachable"] * 3


async def test_an_endpoint_of_another_chain_is_named_and_not_used(several: Chain, proxies: list[RpcProxy]) -> None:
    proxies[0].fault = faults.other_chain(1)
    await several.check()
    assert await several.block_number() >= 0
    await several.balance(FAUCET.address)
    first = several.endpoints()[0]
    assert (first.state, first.endpoint) == ("wrong_chain", proxies[0].url)
    assert "chain 1" in str(first.trouble)
    assert set(proxies[0].seen) == {"eth_chainId"}
    # That of all three is an error which says so.
    for one in proxies:
        one.fault = faults.other_chain(1)
    with pytest.raises(WrongChain):
        await several.check()


async def test_an_endpoint_with_another_first_block_is_named_and_not_used(
    several: Chain, proxies: list[RpcProxy]
) -> None:
    await several.check()
    proxies[1].fault = faults.lying("eth_getBlockByNumber", _another_genesis)
    await several.check()
    assert states(several) == ["good", "reset", "good"]
    assert await several.genesis() != OTHER


async def test_a_pinned_first_block_outweighs_the_first_endpoint(anvil: Anvil, proxies: list[RpcProxy]) -> None:
    honest = Chain(anvil.url, CHAIN_ID)
    pinned = Chain([one.url for one in proxies], CHAIN_ID, genesis_hash=await honest.genesis())
    proxies[0].fault = faults.lying("eth_getBlockByNumber", _another_genesis)
    await pinned.check()
    assert states(pinned) == ["reset", "good", "good"]
    await pinned.close()
    wrong = Chain(anvil.url, CHAIN_ID, genesis_hash=OTHER)
    with pytest.raises(WrongChain) as caught:
        await wrong.check()
    assert caught.value.code == "chain_reset"
    await wrong.close()
    await honest.close()


def _another_genesis(parameters: list[Any], result: Any) -> Any:
    return {**result, "hash": OTHER} if parameters[0] == "0x0" else result


def _another_block(parameters: list[Any], result: Any) -> Any:
    return {**result, "hash": OTHER} if result and parameters[0] not in {"0x0", "latest"} else result


LIES: dict[str, Fault] = {
    "another block in the receipt": faults.lying(
        "eth_getTransactionReceipt", lambda _, found: found and {**found, "blockHash": OTHER}
    ),
    "a failure in the receipt": faults.lying(
        "eth_getTransactionReceipt", lambda _, found: found and {**found, "status": "0x0"}
    ),
    "no receipt": faults.lying("eth_getTransactionReceipt", lambda _, found: None),
}


@pytest.mark.parametrize("name", LIES)
async def test_a_receipt_that_endpoints_disagree_on_is_none(
    name: str, chain: Chain, unanimous: Chain, proxies: list[RpcProxy]
) -> None:
    receipt = await mined(chain)
    await unanimous.check()
    assert (await unanimous.ask("eth_getTransactionReceipt", receipt["transactionHash"]))["status"] == "0x1"
    proxies[1].fault = LIES[name]
    with pytest.raises(EndpointsDisagree) as caught:
        await unanimous.ask("eth_getTransactionReceipt", receipt["transactionHash"])
    assert caught.value.endpoints == (proxies[1].url,)
    seen = unanimous.endpoints()[1]
    assert (seen.state, seen.trouble) == ("disagree", caught.value.detail)
    # Everything waits for as long as that lasts; since when stays.
    for _ in range(2):
        with pytest.raises(EndpointsDisagree):
            await unanimous.check()
    assert unanimous.endpoints()[1].since == seen.since
    proxies[1].fault = None
    await unanimous.check()
    assert states(unanimous) == ["good"] * 3


async def test_two_that_disagree_are_both_named(chain: Chain, proxies: list[RpcProxy]) -> None:
    await mined(chain)
    proxies[0].fault = faults.lying("eth_getBlockByNumber", _renamed)
    two = Chain([one.url for one in proxies[:2]], CHAIN_ID)
    await two.check()
    with pytest.raises(EndpointsDisagree) as caught:
        await two.block_hash(1)
    assert set(caught.value.endpoints) == {proxies[0].url, proxies[1].url}
    await two.close()


def _renamed(parameters: list[Any], result: Any) -> Any:
    return {**result, "hash": OTHER} if parameters[0] == "0x1" else result


async def test_an_invented_receipt_is_none(chain: Chain, unanimous: Chain, proxies: list[RpcProxy]) -> None:
    receipt = await mined(chain)
    forged = {**receipt, "transactionHash": OTHER}
    proxies[0].fault = faults.lying("eth_getTransactionReceipt", lambda _, found: forged)
    with pytest.raises(EndpointsDisagree) as caught:
        await unanimous.ask("eth_getTransactionReceipt", OTHER)
    assert caught.value.endpoints == (proxies[0].url,)


async def test_a_head_that_one_invents_is_not_the_head(chain: Chain, several: Chain, proxies: list[RpcProxy]) -> None:
    await chain.ask("anvil_mine", "0x3")
    proxies[0].fault = faults.lying("eth_blockNumber", lambda _, found: hex(10**9))
    assert await several.block_number() == int(await chain.ask("eth_blockNumber"), 16)
    two = Chain([one.url for one in proxies[:2]], CHAIN_ID)
    assert await two.block_number() == int(await chain.ask("eth_blockNumber"), 16)
    await two.close()


async def test_one_that_lags_contradicts_nobody(chain: Chain, several: Chain, proxies: list[RpcProxy]) -> None:
    receipt = await mined(chain)
    await chain.ask("anvil_mine", "0x5")
    proxies[0].fault = faults.lagging(20)
    head = int(await chain.ask("eth_blockNumber"), 16)
    for _ in range(5):
        await several.check()
        assert await several.block_number() == head
        found = await several.ask("eth_getTransactionReceipt", receipt["transactionHash"])
        assert found["blockHash"] == receipt["blockHash"]
        assert await several.number("eth_getTransactionCount", FAUCET.address, hex(head)) > 0
    assert states(several) == ["behind", "good", "good"]


async def test_a_head_does_not_go_back_with_an_endpoint_of_two_minds(
    chain: Chain, several: Chain, proxies: list[RpcProxy]
) -> None:
    await chain.ask("anvil_mine", "0x9")
    head = int(await chain.ask("eth_blockNumber"), 16)
    for one in proxies:
        one.fault = faults.lying("eth_blockNumber", lambda _, found: hex(int(found, 16) - time.monotonic_ns() % 2 * 5))
    async with asyncio.timeout(10):
        while await several.block_number() != head:
            pass
    assert {await several.block_number() for _ in range(10)} == {head}


async def test_a_chain_that_lost_blocks_has_a_lower_head(chain: Chain, several: Chain) -> None:
    snapshot = await chain.ask("evm_snapshot")
    await chain.ask("anvil_mine", "0x4")
    before = await several.block_number()
    await chain.ask("evm_revert", snapshot)
    assert await several.block_number() == before - 4


async def test_transactions_go_to_all(several: Chain, proxies: list[RpcProxy]) -> None:
    await several.check()
    proxies[0].fault = faults.forgetful()
    await mined(several)
    assert all(one.seen.get("eth_sendRawTransaction") for one in proxies)
    proxies[1].fault = proxies[2].fault = faults.failing()
    with pytest.raises(LedgerError):
        await mined(several)


async def test_as_many_have_to_agree_as_were_asked_for(chain: Chain, proxies: list[RpcProxy]) -> None:
    receipt = await mined(chain)
    strict = Chain([one.url for one in proxies], CHAIN_ID, quorum=2)
    await strict.check()
    proxies[0].fault = faults.failing()
    assert await strict.ask("eth_getTransactionReceipt", receipt["transactionHash"])
    proxies[1].fault = faults.failing()
    with pytest.raises(ChainUnavailable):
        await strict.ask("eth_getTransactionReceipt", receipt["transactionHash"])
    with pytest.raises(ChainUnavailable):
        await strict.block_number()
    await strict.close()


@pytest.mark.parametrize(
    "urls", [[], ["http://127.0.0.1:1"] * 2, ["ftp://x/"], ["http://"], [f"http://h{n}" for n in range(9)]]
)
def test_settings_that_make_no_sense_are_refused(urls: list[str]) -> None:
    with pytest.raises(Invalid):
        Chain(urls, CHAIN_ID)
    with pytest.raises(Invalid):
        Chain("http://127.0.0.1:1", CHAIN_ID, quorum=2)


async def test_what_is_secret_in_a_url_is_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    url = "http://user:hunter2@127.0.0.1:1/v3/s3cr3t?key=t0ken"
    chain = Chain([url, f"{url}2"], CHAIN_ID)
    with pytest.raises(ChainUnavailable) as caught:
        await chain.check()
    with pytest.raises(Invalid) as refused:
        Chain("s3cr3t://hunter2/t0ken", CHAIN_ID)
    shown = f"{caught.value!r} {caught.value} {refused.value} {chain.endpoints()} {caplog.text} {vars(caught.value)}"
    assert not [word for word in ("hunter2", "s3cr3t", "t0ken", "user") if word in shown]
    assert chain.endpoints()[0].endpoint == "http://127.0.0.1:1/…"
    await chain.close()


Maker = Callable[[], Awaitable[Party]]


async def test_a_log_settles_over_an_endpoint_that_comes_and_goes(party: Maker, proxies: list[RpcProxy]) -> None:
    one = await party()
    ledger = ledger_over(one, *proxies)
    one.append(5)
    for fault in (None, faults.failing(), faults.lagging(3), faults.forgetful()):
        proxies[0].fault = fault
        one.append()
        await settle(ledger)
    assert (await ledger.status()).anchored_size == 9
    await ledger.close()


@pytest.mark.parametrize("liar", [0, 1])
async def test_nothing_is_confirmed_while_endpoints_disagree(
    liar: int, party: Maker, chain: Chain, proxies: list[RpcProxy]
) -> None:
    one = await party()
    ledger = ledger_over(one, *proxies[:2], confirmations=3)
    one.append(2)
    await settle_mining(ledger, chain)
    one.append(2)
    for _ in range(3):
        await ledger.step()
    assert await anchor_state(one) == "mined"
    proxies[liar].fault = faults.lying("eth_getBlockByNumber", _another_block)
    for _ in range(3):
        await chain.ask("anvil_mine", "0x3")
        with pytest.raises(EndpointsDisagree):
            await ledger.step()
    assert await anchor_state(one) == "mined"
    assert "disagree" in states(ledger.chain)
    proxies[liar].fault = None
    await settle_mining(ledger, chain)
    assert await anchor_state(one) == "confirmed"
    await ledger.close()


async def anchor_state(one: Party) -> str | None:
    """How far the anchor of the fourth leaf has come."""
    anchor = await one.submissions.covering(0, 3)
    return None if anchor is None else anchor.state


async def settle_mining(ledger: OrgLedger, chain: Chain) -> None:
    """Run rounds until all is confirmed, on a chain that goes on."""
    for _ in range(100):
        await chain.ask("anvil_mine", "0x1")
        await ledger.step()
        status = await ledger.status()
        if status.registered and status.anchored_size == status.log_size and not status.unsettled:
            return
    raise AssertionError("the log does not settle")
