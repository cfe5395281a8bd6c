"""One of several endpoints contradicts a majority of all: it is named with what it said, and the rest goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from ledger.parties import FAUCET, Party, settle
from ledger.test_endpoints import CHAIN_ID, LIES, OTHER, anchor_state, ledger_over, mined, states
from support import rpc_proxy as faults
from support.processes import Anvil, Processes, start_anvil
from support.rpc_proxy import Fault, RpcProxy
from tallystick.ledger.chain import Chain
from tallystick.ledger.deploy import Deployment
from tallystick.ledger.errors import ChainUnavailable, EndpointsDisagree

GENESIS = ("--timestamp", "1767225600")  # the same first block on every anvil that begins with it
Maker = Callable[[], Awaitable[Party]]


@pytest.fixture
def anvil(processes: Processes) -> Anvil:
    """Give a chain that another one can have the first block of."""
    return start_anvil(processes, *GENESIS)


@pytest.fixture
async def five(anvil: Anvil) -> AsyncIterator[list[RpcProxy]]:
    """Give five endpoints of one chain."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(RpcProxy(anvil.url)) for _ in range(5)]


@pytest.fixture
async def clients(five: list[RpcProxy]) -> AsyncIterator[Callable[..., Chain]]:
    """Give a maker of clients of the first so many of them."""
    made: list[Chain] = []

    def one(count: int, quorum: int = 1) -> Chain:
        made.append(Chain([each.url for each in five[:count]], CHAIN_ID, timeout_s=0.7, quorum=quorum))
        return made[-1]

    yield one
    for each in made:
        await each.close()


def renamed(name: str) -> Fault:
    """Every block but the first has this hash."""
    return faults.lying(
        "eth_getBlockByNumber",
        lambda parameters, found: (
            {**found, "hash": name} if found and parameters[0] not in {"0x0", "latest"} else found
        ),
    )


@pytest.mark.parametrize("name", LIES)
async def test_the_majority_is_believed_and_who_contradicts_it_named(
    name: str, chain: Chain, clients: Callable[..., Chain], five: list[RpcProxy], caplog: pytest.LogCaptureFixture
) -> None:
    receipt = await mined(chain)
    three = clients(3)
    await three.check()
    five[0].fault = LIES[name]
    question = "eth_getTransactionReceipt", receipt["transactionHash"]
    assert (await three.ask(*question)) == receipt
    seen = three.endpoints()[0]
    assert (seen.state, seen.endpoint) == ("disagree", five[0].url)
    assert f"eth_getTransactionReceipt({receipt['transactionHash']}" in str(seen.trouble)
    expected = {"another block in the receipt": OTHER, "a failure in the receipt": "status 0x0, the others 0x1"}
    assert expected.get(name, "it knows of none") in str(seen.trouble)
    assert [one.levelname for one in caplog.records if five[0].url in one.message] == ["WARNING"]
    # It is asked about nothing else, and goes on being named since then, without a second look at each question.
    before = dict(five[0].seen)
    await three.balance(FAUCET.address)
    assert (await three.ask(*question)) == receipt
    assert five[0].seen == before
    for _ in range(2):
        await three.check()
    assert three.endpoints()[0] == seen
    assert len([one for one in caplog.records if five[0].url in one.message]) == 1
    # It counts again once it says what the others say.
    five[0].fault = None
    await three.check()
    assert states(three) == ["good"] * 3
    await three.balance(FAUCET.address)
    assert five[0].seen.get("eth_getBalance")


async def test_an_invented_receipt_is_outvoted(
    chain: Chain, clients: Callable[..., Chain], five: list[RpcProxy]
) -> None:
    forged = {**await mined(chain), "transactionHash": OTHER}
    three = clients(3)
    five[2].fault = faults.lying("eth_getTransactionReceipt", lambda _, found: forged)
    assert await three.ask("eth_getTransactionReceipt", OTHER) is None
    assert states(three) == ["good", "good", "disagree"]
    assert "the others know of none" in str(three.endpoints()[2].trouble)


async def test_a_nonce_count_is_outvoted(chain: Chain, clients: Callable[..., Chain], five: list[RpcProxy]) -> None:
    await mined(chain)
    head = hex(await chain.block_number())
    three = clients(3)
    true = await three.number("eth_getTransactionCount", FAUCET.address, head)
    five[1].fault = faults.lying("eth_getTransactionCount", lambda _, found: hex(int(found, 16) + 7))
    assert await three.number("eth_getTransactionCount", FAUCET.address, head) == true
    assert f"count {true + 7}, the others {true}" in str(three.endpoints()[1].trouble)


@pytest.mark.parametrize(
    ("count", "quorum", "liars"), [(2, 1, 1), (3, 3, 1), (3, 1, 2), (4, 1, 2), (4, 4, 1), (5, 4, 2)]
)
async def test_without_a_majority_of_all_everything_is_held(
    count: int, quorum: int, liars: int, chain: Chain, clients: Callable[..., Chain], five: list[RpcProxy]
) -> None:
    """Each liar says something else; where the settings want more than a majority to agree, that is what it takes."""
    await mined(chain)
    client = clients(count, quorum)
    await client.check()
    for number, one in enumerate(five[:liars], 10):
        one.fault = renamed("0x" + f"{number}" * 32)
    for _ in range(2):
        with pytest.raises(EndpointsDisagree):
            await client.block_hash(1)
        with pytest.raises(EndpointsDisagree):
            await client.check()
    assert states(client)[:liars] == ["disagree"] * liars
    for one in five:
        one.fault = None
    await client.check()
    assert states(client) == ["good"] * count
    assert await client.block_hash(1) == await chain.block_hash(1)


@pytest.mark.parametrize(("count", "liars"), [(4, 1), (5, 2)])
async def test_more_than_one_is_outvoted_by_more_than_half(
    count: int, liars: int, chain: Chain, clients: Callable[..., Chain], five: list[RpcProxy]
) -> None:
    await mined(chain)
    client = clients(count)
    for one in five[:liars]:
        one.fault = renamed(OTHER)
    assert await client.block_hash(1) == await chain.block_hash(1)
    assert states(client) == [*["disagree"] * liars, *["good"] * (count - liars)]


async def test_those_that_do_not_answer_make_no_majority(
    chain: Chain, clients: Callable[..., Chain], five: list[RpcProxy]
) -> None:
    """A majority is one of all that the settings name: two that answer, one against the other, are held."""
    await mined(chain)
    client = clients(3)
    await client.check()
    five[0].fault, five[1].fault = renamed(OTHER), faults.failing()
    with pytest.raises(EndpointsDisagree):
        await client.block_hash(1)


async def test_the_rest_does_not_shrink_below_a_majority(
    chain: Chain, clients: Callable[..., Chain], five: list[RpcProxy]
) -> None:
    """One is outvoted and another fails: neither the liar nor the one that is left is believed alone."""
    await mined(chain)
    client = clients(3)
    five[0].fault = renamed(OTHER)
    assert await client.block_hash(1) != OTHER
    five[1].fault = faults.failing()
    for _ in range(3):
        with pytest.raises(ChainUnavailable):
            await client.block_hash(1)
        with pytest.raises(ChainUnavailable):
            await client.block_number()
    # When it comes back with another face it is still the one that was outvoted.
    five[0].fault = faults.failing()
    with pytest.raises(ChainUnavailable):
        await client.block_hash(1)


async def test_two_that_lie_together_are_what_a_majority_cannot_tell(
    chain: Chain, clients: Callable[..., Chain], five: list[RpcProxy]
) -> None:
    """The limit that ADR 20 states, and what the settings can do about it: have all of them agree."""
    await mined(chain)
    five[0].fault = five[1].fault = renamed(OTHER)
    assert await clients(3).block_hash(1) == OTHER
    with pytest.raises(EndpointsDisagree):
        await clients(3, 3).block_hash(1)


async def test_one_that_invents_blocks_is_not_preferred(
    chain: Chain, clients: Callable[..., Chain], five: list[RpcProxy]
) -> None:
    """It would be asked about the newest state if the others counted as behind it."""
    await chain.ask("anvil_mine", "0x3")
    three = clients(3)
    five[2].fault = faults.lying("eth_blockNumber", lambda _, found: hex(10**9))
    for _ in range(3):
        await three.check()
        assert await three.block_number() == 3
        await three.balance(FAUCET.address)
    assert states(three) == ["good"] * 3
    assert not five[2].seen.get("eth_getBalance")


@pytest.mark.parametrize("liar", [0, 2])
@pytest.mark.parametrize("name", [*LIES, "other blocks"])
async def test_a_log_settles_beside_one_that_lies(
    name: str, liar: int, party: Maker, chain: Chain, five: list[RpcProxy]
) -> None:
    one = await party()
    ledger = ledger_over(one, *five[:3], confirmations=2)
    five[liar].fault = renamed(OTHER) if name == "other blocks" else LIES[name]
    one.append(4)
    for _ in range(60):
        await ledger.step()
        await chain.ask("anvil_mine", "0x1")
        if await anchor_state(one) == "confirmed":
            break
    anchor = await one.submissions.covering(0, 3)
    assert anchor is not None
    assert (anchor.state, anchor.block_hash) == ("confirmed", await chain.block_hash(anchor.block_number or 0))
    assert states(ledger.chain)[liar] == "disagree"
    assert await sent_once(chain, anchor.transactions)
    await ledger.close()


async def sent_once(chain: Chain, transactions: tuple[str, ...]) -> bool:
    """Whether one of the transactions, and no other, is on the chain."""
    receipts = [await chain.ask("eth_getTransactionReceipt", one) for one in transactions]
    return len([one for one in receipts if one]) == 1


async def test_one_on_a_fork_of_its_own_is_outvoted_until_it_follows(
    party: Maker, chain: Chain, anvil: Anvil, deployment: Deployment, processes: Processes, five: list[RpcProxy]
) -> None:
    """A second anvil with the same first block and a longer history of its own stands behind the third endpoint."""
    fork = start_anvil(processes, *GENESIS)
    other = Chain(fork.url, CHAIN_ID)
    assert await other.block_hash(0) == await chain.block_hash(0)
    await other.ask("anvil_mine", "0x40")
    five[2].upstream = fork.url
    one = await party()
    ledger = ledger_over(one, *five[:3], confirmations=2)
    one.append(4)
    await _settled(ledger, chain)
    assert states(ledger.chain) == ["good", "good", "disagree"]
    assert "eth_get" in str(ledger.chain.endpoints()[2].trouble)
    five[2].upstream = anvil.url
    one.append(2)
    await _settled(ledger, chain)
    assert states(ledger.chain) == ["good"] * 3
    assert deployment.chain_id == CHAIN_ID
    await other.close()
    await ledger.close()


async def _settled(ledger: Any, chain: Chain) -> None:
    for _ in range(60):
        await chain.ask("anvil_mine", "0x1")
        await ledger.step()
        status = await ledger.status()
        if status.registered and status.anchored_size == status.log_size and not status.unsettled:
            return
    await settle(ledger)
