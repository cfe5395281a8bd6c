"""Several accounts pay: each has its own nonces, and one that is stuck does not hold up the others."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ledger.parties import FAUCET, LAG_MS, PAUSE_S, ROUNDS, Party, finish, new_account, settle
from tallystick.ledger import contracts as calls
from tallystick.ledger import deploy as tools
from tallystick.ledger.accounts import Account
from tallystick.ledger.ports import Submission
from tallystick.ledger.proofs import verify_leaf
from tallystick.ledger.submitter import Submitter

Make = Callable[[], Awaitable[Party]]
ETHER = 10**18
BUMP_MS = 30_000


async def _funded(party: Party, count: int) -> list[Account]:
    accounts = [new_account() for _ in range(count)]
    for one in accounts:
        await tools.fund(party.chain, FAUCET, one.address, ETHER)
    return accounts


def _submitter(party: Party, relayers: list[Account], **changes: Any) -> Submitter:
    times = {"clock": party.clock, "ticks": party.clock.ticks, "lag_ms": LAG_MS, "bump_after_ms": BUMP_MS}
    return Submitter(party.chain, party.account, party.submissions, relayers=relayers, **{**times, **changes})


def _creation(party: Party, number: int, by: str | None = None) -> Submission:
    data = calls.create_org(number.to_bytes(32, "big"))
    return Submission(key=f"org:{number}", to=party.contracts.org_registry, data=data, by=by, since=party.clock())


async def _get(party: Party, number: int) -> Submission:
    found = await party.submissions.get(f"org:{number}")
    assert found is not None
    return found


async def test_what_nobody_is_named_for_goes_to_whoever_has_the_least_under_way(party: Make) -> None:
    one = await party()
    submitter = _submitter(one, await _funded(one, 2))
    await one.chain.ask("evm_setAutomine", False)
    for number in range(6):
        await submitter.submit(_creation(one, number))
    await submitter.step()
    found = [await _get(one, number) for number in range(6)]
    assert Counter(each.relayer for each in found) == dict.fromkeys(submitter.relayers, 2)
    assert sorted(each.nonce or 0 for each in found) == [0, 0, 0, 1, 1, 1]
    await one.chain.ask("evm_setAutomine", True)
    await one.chain.ask("evm_mine")
    await finish(submitter, one.submissions)
    for number in range(6, 9):
        await submitter.submit(_creation(one, number))
        await finish(submitter, one.submissions)
    later = [(await _get(one, number)).relayer for number in range(6, 9)]
    assert len(set(later)) == 3  # one after the other, since each is free
    for number in range(9):
        done = await _get(one, number)
        org = calls.org_id(done.relayer or "", number.to_bytes(32, "big"))
        assert await calls.admin_of(one.chain, one.contracts.org_registry, org) == (done.relayer or "").lower()


async def test_a_call_that_one_account_must_make_waits_for_it(party: Make) -> None:
    one = await party()
    relayers = await _funded(one, 2)
    submitter = _submitter(one, relayers)
    await one.chain.ask("anvil_setBalance", relayers[0].address, "0x0")
    await submitter.submit(_creation(one, 1, by=relayers[0].address.lower()))
    await submitter.submit(_creation(one, 2, by=new_account().address))
    await submitter.step()
    held = await _get(one, 1)
    assert (held.state, held.relayer) == ("held", None)
    assert "insufficient funds" in (held.error or "").lower()
    stranger = await _get(one, 2)
    assert stranger.state == "held"
    assert "no key of" in (stranger.error or "")
    await one.chain.ask("anvil_setBalance", relayers[0].address, hex(ETHER))
    for _ in range(ROUNDS):
        await submitter.step()
        if (await _get(one, 1)).state == "confirmed":
            break
        await asyncio.sleep(PAUSE_S)
    done = await _get(one, 1)
    assert (done.state, done.relayer) == ("confirmed", relayers[0].address)
    assert [passed.state for passed in done.passed][:2] == ["queued", "held"]


async def test_an_account_without_ether_holds_nothing_up(party: Make) -> None:
    one = await party()
    (relayer,) = await _funded(one, 1)
    submitter = _submitter(one, [relayer])
    await one.chain.ask("anvil_setBalance", one.account.address, "0x0")
    for number in range(3):
        await submitter.submit(_creation(one, number))
    await finish(submitter, one.submissions)
    assert {(await _get(one, number)).relayer for number in range(3)} == {relayer.address}


async def test_what_a_stuck_account_signed_goes_to_another_in_time(party: Make) -> None:
    """Its ether went elsewhere between signing and sending, and the pool has lost the bytes."""
    one = await party()
    (relayer,) = await _funded(one, 1)
    submitter = _submitter(one, [relayer])
    await one.chain.ask("evm_setAutomine", False)
    await submitter.submit(_creation(one, 1))
    await submitter.step()
    first = await _get(one, 1)
    await one.chain.ask("anvil_dropAllTransactions")
    await one.chain.ask("anvil_setBalance", first.relayer, "0x0")
    await submitter.step()
    stuck = await _get(one, 1)
    assert (stuck.state, stuck.relayer) == ("sent", first.relayer)
    assert "nsufficient funds" in (stuck.error or "")
    await submitter.submit(_creation(one, 2))
    await submitter.step()
    assert (await _get(one, 2)).relayer != first.relayer
    one.clock.advance(BUMP_MS / 1000 + 1)
    await one.chain.ask("evm_setAutomine", True)
    await finish(submitter, one.submissions)
    done = await _get(one, 1)
    assert (done.state, done.relayer != first.relayer) == ("confirmed", True)
    assert done.transactions[0] == first.transaction_hash
    assert (await _get(one, 2)).state == "confirmed"


async def test_an_account_that_left_the_settings_is_still_followed(party: Make) -> None:
    one = await party()
    (relayer,) = await _funded(one, 1)
    await one.chain.ask("evm_setAutomine", False)
    await _submitter(one, [relayer]).submit(_creation(one, 1, by=relayer.address))
    await _submitter(one, [relayer]).step()
    await one.chain.ask("anvil_dropAllTransactions")
    without = _submitter(one, [])
    await without.step()  # sends the kept bytes again, which needs no key
    await one.chain.ask("evm_mine")
    await without.step()
    done = await _get(one, 1)
    assert (done.state, done.relayer) == ("confirmed", relayer.address)


@pytest.mark.parametrize("depth", [1, 7])
async def test_a_reorganisation_takes_nothing_from_any_account(party: Make, depth: int) -> None:
    one = await party()
    submitter = _submitter(one, await _funded(one, 2))
    await one.chain.ask("anvil_mine", hex(12))
    for number in range(6):
        await submitter.submit(_creation(one, number))
        await finish(submitter, one.submissions)
    await one.chain.ask("anvil_reorg", depth, [])
    await finish(submitter, one.submissions)
    for number in range(6):
        done = await _get(one, number)
        assert done.block_number is not None
        assert await one.chain.block_hash(done.block_number) == done.block_hash


async def test_heads_of_one_log_keep_their_order_over_several_accounts(party: Make) -> None:
    one = await party()
    relayers = await _funded(one, 2)
    ledger = one.ledger(relayers=relayers)
    await settle(ledger)
    for _ in range(6):
        one.append(2)
        await settle(ledger)
    anchors = [each for each in await one.submissions.settled(99) if each.log_size]
    assert len(anchors) == 6
    assert len({each.relayer for each in anchors}) == 3
    by_block = sorted(anchors, key=lambda each: each.block_number or 0)
    assert [each.log_size for each in by_block] == [2, 4, 6, 8, 10, 12]
    assert verify_leaf(await ledger.proof(0)).anchored.size == 2
    status = await ledger.status()
    assert [each.address for each in status.payers] == [one.account.address, *(each.address for each in relayers)]
    await ledger.close()
