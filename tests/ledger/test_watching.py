"""What is called mined or confirmed is, at any endpoint; and what it cost is kept."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest

from ledger.conftest import CHAIN_ID
from ledger.parties import FAUCET, LAG_MS, Party, finish
from support.processes import Anvil
from support.rpc_proxy import RpcProxy, lagging, lying, taking_turns
from tallystick.ledger import contracts as calls
from tallystick.ledger import deploy as tools
from tallystick.ledger.accounts import Account
from tallystick.ledger.chain import Chain
from tallystick.ledger.errors import ChainUnavailable, RpcRefused
from tallystick.ledger.ports import Submission
from tallystick.ledger.submitter import Submitter

Make = Callable[[], Awaitable[Party]]
BUMP_MS = 30_000
TWO_DAYS_S = 2 * 86_400


@pytest.fixture
async def proxy(anvil: Anvil) -> AsyncIterator[RpcProxy]:
    """Give a proxy in front of the test's chain."""
    async with RpcProxy(anvil.url) as made:
        yield made


@pytest.fixture
async def through(proxy: RpcProxy) -> AsyncIterator[Chain]:
    """Give a client of the proxy."""
    client = Chain(proxy.url, CHAIN_ID)
    yield client
    await client.close()


def _submitter(party: Party, chain: Chain | None = None, **changes: Any) -> Submitter:
    times = {"clock": party.clock, "ticks": party.clock.ticks, "lag_ms": LAG_MS, "bump_after_ms": BUMP_MS}
    return Submitter(chain or party.chain, party.account, party.submissions, **{**times, **changes})


def _creation(party: Party, number: int = 0) -> Submission:
    data = calls.create_org(number.to_bytes(32, "big"))
    return Submission(key=f"org:{number}", to=party.contracts.org_registry, data=data, since=party.clock())


async def _get(party: Party, number: int = 0) -> Submission:
    found = await party.submissions.get(f"org:{number}")
    assert found is not None
    return found


async def _confirmed(party: Party, count: int = 1) -> None:
    submitter = _submitter(party)
    for number in range(count):
        await submitter.submit(_creation(party, number))
        await finish(submitter, party.submissions)


async def test_the_price_paid_is_the_receipts(party: Make) -> None:
    one = await party()
    before = await one.chain.balance(one.account.address)
    await _confirmed(one)
    done = await _get(one)
    receipt = await one.chain.ask("eth_getTransactionReceipt", done.transaction_hash)
    assert done.price == int(receipt["effectiveGasPrice"], 16)
    assert done.price < done.attempts[-1].max_fee
    assert done.cost == done.spent == before - await one.chain.balance(one.account.address)
    assert done.block_time == int((await one.chain.block(done.block_number or 0))["timestamp"], 16)


async def test_what_a_failure_cost_is_kept_when_it_is_tried_again(party: Make) -> None:
    one = await party()
    failed = await _failed_when_mined(one)
    assert (failed.state, failed.cost) == ("failed", failed.spent)
    assert failed.cost
    one.clock.advance(60)
    again = await _submitter(one).submit(msgspec.structs.replace(_anchor_of(one), since=one.clock()))
    assert (again.state, again.attempts, again.cost, again.spent) == ("queued", (), None, failed.cost)
    assert again.transactions == failed.transactions
    assert again.tried[0].reason == "the contract refused it when mined"
    assert [passed.state for passed in again.passed] == ["queued", "sent", "failed"]


async def test_a_failure_that_the_chain_loses_is_sent_again(party: Make) -> None:
    """Its nonce counts: what comes after it would wait for ever."""
    one = await party()
    before = await one.chain.ask("evm_snapshot")
    failed = await _failed_when_mined(one)
    await one.chain.ask("evm_revert", before)
    await one.chain.ask("anvil_dropAllTransactions")
    await one.chain.ask("evm_setAutomine", True)
    await one.register()  # takes the first two nonces, which the reset had freed
    submitter = _submitter(one)
    await finish(submitter, one.submissions)
    done = await one.submissions.get("anchor:0:1")
    assert done is not None
    assert "reorged" in [passed.state for passed in done.passed]
    assert (done.state, done.error) == ("confirmed", None)
    assert done.transactions[0] == failed.transactions[0]
    assert (await calls.log_of(one.chain, one.contracts.execution_ledger, one.org)).size == 1


async def test_what_the_chain_lost_shows_until_it_is_back(party: Make) -> None:
    one = await party()
    await one.chain.ask("anvil_mine", "0x3")
    await _confirmed(one)
    await one.chain.ask("evm_setAutomine", False)
    await one.chain.ask("anvil_reorg", 2, [])
    one.clock.advance(5)
    submitter = _submitter(one)
    for _ in range(3):
        await submitter.step()
        lost = await _get(one)
        assert (lost.state, lost.since, lost.block_number, lost.cost) == ("reorged", one.clock(), None, None)
        assert lost.error == "the chain was reorganised"
        assert lost.passed[-1].state == "confirmed"
    one.clock.advance(BUMP_MS / 1000 + 1)
    await submitter.step()
    lost = await _get(one)
    assert (lost.state, len(lost.attempts)) == ("reorged", 2)  # better paid, and still not in a block
    await one.chain.ask("evm_mine")
    await submitter.step()
    assert (await _get(one)).state == "confirmed"


@pytest.mark.parametrize("by_turns", [False, True])
async def test_an_endpoint_that_lags_makes_no_state_flap(
    party: Make, proxy: RpcProxy, through: Chain, by_turns: bool
) -> None:
    one = await party()
    await _confirmed(one, 4)
    states = [await _get(one, number) for number in range(4)]
    proxy.fault = taking_turns(lagging(3), None) if by_turns else lagging(3)
    submitter = _submitter(one, through, lag_ms=60_000)
    for _ in range(20):
        try:
            await submitter.step()
        except (ChainUnavailable, RpcRefused):
            continue
    assert [await _get(one, number) for number in range(4)] == states
    proxy.fault = None
    await submitter.step()
    assert [await _get(one, number) for number in range(4)] == states


async def test_an_endpoint_that_stays_behind_is_believed_in_the_end(
    party: Make, proxy: RpcProxy, through: Chain
) -> None:
    """A chain may have come back older; then everything must be sent again."""
    one = await party()
    await _confirmed(one, 2)
    proxy.fault = lagging(2)
    submitter = _submitter(one, through, lag_ms=1_000)
    with pytest.raises(ChainUnavailable, match="behind block"):
        await submitter.step()
    assert (await _get(one, 1)).state == "confirmed"
    one.clock.advance(2)
    await submitter.step()
    assert (await _get(one, 1)).state == "reorged"
    proxy.fault = None
    await finish(submitter, one.submissions)
    assert (await _get(one, 1)).state == "confirmed"


FORGED: dict[str, dict[str, Any]] = {
    "a block that is not": {"blockHash": "0x" + "ab" * 32, "blockNumber": "0x1"},
    "a block without it": {},
    "no number": {"blockNumber": None},
}


@pytest.mark.parametrize("how", FORGED)
async def test_a_receipt_that_the_block_does_not_bear_out_confirms_nothing(
    party: Make, proxy: RpcProxy, through: Chain, how: str
) -> None:
    one = await party()
    await one.chain.ask("evm_setAutomine", False)
    submitter = _submitter(one, through, lag_ms=60_000)
    await submitter.submit(_creation(one))
    await submitter.step()
    true = await one.chain.block(1)
    receipt: dict[str, Any] = {"blockHash": true["hash"], "blockNumber": "0x1", "status": "0x1", "gasUsed": "0x1"}
    receipt |= {"effectiveGasPrice": "0x1", **FORGED[how]}

    async def fault(request: dict[str, Any], forward: Any) -> dict[str, Any]:
        nonces = lying("eth_getTransactionCount", lambda _, true: hex(int(true, 16) + 1))
        receipts = lying("eth_getTransactionReceipt", lambda *_: receipt)
        return await (receipts if "Receipt" in request["method"] else nonces)(request, forward)

    proxy.fault = fault
    for _ in range(3):
        try:
            await submitter.step()
        except ChainUnavailable:
            assert how == "no number"
    assert (await _get(one)).state == "sent"
    proxy.fault = None
    await one.chain.ask("evm_mine")
    await submitter.step()
    assert (await _get(one)).state == "confirmed"
    assert await one.chain.number("eth_getTransactionCount", one.account.address, "latest") == 1


@pytest.mark.parametrize("turned_s", [-TWO_DAYS_S, TWO_DAYS_S])
async def test_a_clock_that_is_turned_neither_hurries_nor_delays_an_offer(party: Make, turned_s: int) -> None:
    one = await party()
    await one.chain.ask("evm_setAutomine", False)
    submitter = _submitter(one)
    await submitter.submit(_creation(one))
    for _ in range(2):
        await submitter.step()
    one.clock.turn(turned_s)
    await submitter.step()
    assert len((await _get(one)).attempts) == 1
    one.clock.advance(BUMP_MS / 1000 + 1)
    await submitter.step()
    assert len((await _get(one)).attempts) == 2
    one.clock.turn(-turned_s)
    await submitter.step()
    assert len((await _get(one)).attempts) == 2
    await one.chain.ask("evm_mine")
    await submitter.step()
    times = [passed.since for passed in (await _get(one)).passed] + [(await _get(one)).since]
    assert times == sorted(times)


@pytest.mark.parametrize("turned_s", [-TWO_DAYS_S, TWO_DAYS_S])
async def test_a_clock_that_is_turned_neither_hurries_nor_delays_another_try(party: Make, turned_s: int) -> None:
    one = await party()
    await _confirmed(one)
    await one.submissions.save(msgspec.structs.replace(_creation(one), key="again"))
    submitter = _submitter(one)
    wanted = msgspec.structs.replace(_creation(one), key="again")
    await submitter.step()
    assert (await submitter.submit(wanted)).state == "failed"
    one.clock.turn(turned_s)
    assert (await submitter.submit(wanted)).state == "failed"
    one.clock.advance(60)
    assert (await submitter.submit(wanted)).state == "queued"


async def test_what_was_given_up_is_recognised_when_it_is_mined_all_the_same(party: Make) -> None:
    """Its nonce seemed taken, so it was about to be signed anew; then a chain had the first transaction after all."""
    one = await party()
    await one.chain.ask("evm_setAutomine", False)
    submitter = _submitter(one)
    await submitter.submit(_creation(one))
    await submitter.step()
    sent = await _get(one)
    await submitter._book.anew(sent, "its nonce was taken")
    await one.chain.ask("evm_mine")
    await submitter.step()
    done = await _get(one)
    assert (done.state, done.transaction_hash, done.nonce) == ("confirmed", sent.transaction_hash, 0)
    assert await one.chain.number("eth_getTransactionCount", one.account.address, "latest") == 1


async def test_a_failure_that_was_given_up_is_no_failure_of_the_next_try(party: Make) -> None:
    one = await party()
    failed = await _failed_when_mined(one)
    one.clock.advance(60)
    submitter = _submitter(one)
    one.grow()
    now = msgspec.structs.replace(_anchor_of(one), data=one.anchor(1), log_size=2, since=one.clock())
    assert (await submitter.submit(now)).state == "queued"
    await one.chain.ask("evm_setAutomine", True)
    await finish(submitter, one.submissions)
    done = await one.submissions.get(now.key)
    assert done is not None
    assert (done.state, done.failures) == ("confirmed", failed.failures)
    assert done.spent == (done.cost or 0) + (failed.cost or 0) > (failed.cost or 0)
    assert len(done.transactions) == 2


def _anchor_of(party: Party) -> Submission:
    ledger = party.contracts.execution_ledger
    return Submission(key="anchor:0:1", to=ledger, data=party.anchor(0), since=party.clock(), log_epoch=0, log_size=1)


async def _failed_when_mined(one: Party) -> Submission:
    """Another relay's transaction pays more and comes first, so that ours anchors nothing any more."""
    relay = Account(b"\x07" * 32)
    await tools.fund(one.chain, FAUCET, relay.address, 10**18)
    await one.register()
    one.grow()
    wanted = _anchor_of(one)
    await one.chain.ask("evm_setAutomine", False)
    submitter = _submitter(one)
    await submitter.submit(wanted)
    await submitter.step()
    fields = {"type": 2, "chainId": CHAIN_ID, "nonce": 0, "to": wanted.to, "value": 0, "data": wanted.data}
    fee = {"gas": 300_000, "maxFeePerGas": 10**11, "maxPriorityFeePerGas": 10**11}
    raw, _ = relay.sign_transaction({**fields, **fee})
    await one.chain.ask("eth_sendRawTransaction", "0x" + raw.hex())
    await one.chain.ask("evm_mine")
    await submitter.step()
    found = await one.submissions.get(wanted.key)
    assert found is not None
    return found
