"""Every submission reaches the chain once, whatever is killed, dropped, reorganised or underpaid."""

from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from ledger.parties import LAG_MS, Party, finish, new_account
from tallystick.ledger import contracts as calls
from tallystick.ledger import fees
from tallystick.ledger.chain import Chain
from tallystick.ledger.memory import InMemorySubmissions
from tallystick.ledger.ports import Submission
from tallystick.ledger.submitter import Submitter

Make = Callable[[], Awaitable[Party]]
NOBODY = "0x" + "00" * 20
GWEI = 10**9


class Killed(Exception):
    """Stands for `kill -9` at a chosen place."""


class DyingStore(InMemorySubmissions):
    """A store whose process dies before or after saving one state."""

    def __init__(self, state: str, *, saved: bool) -> None:
        super().__init__()
        self._state, self._saved = state, saved

    async def save(self, submission: Submission) -> None:
        dies = submission.state == self._state
        if dies and not self._saved:
            self._state = ""
            raise Killed
        await super().save(submission)
        if dies:
            self._state = ""
            raise Killed


class DyingChain(Chain):
    """A client whose process dies once a transaction is out, before anything is noted."""

    dead = False

    async def ask(self, method: str, *parameters: Any) -> Any:
        result = await super().ask(method, *parameters)
        if method == "eth_sendRawTransaction" and not self.dead:
            self.dead = True
            raise Killed
        return result


def _submitter(party: Party, *, chain: Chain | None = None, confirmations: int = 1, **changes: Any) -> Submitter:
    """Build one; building it again over the same store is what a restart does."""
    kept = changes.pop("store", party.submissions)
    chosen = chain or party.chain
    times = {"clock": party.clock, "ticks": party.clock.ticks, "lag_ms": LAG_MS}
    return Submitter(chosen, party.account, kept, confirmations=confirmations, **{**times, **changes})


def _creation(party: Party, salt: bytes | None = None) -> Submission:
    salt = party.salt if salt is None else salt
    key = f"org:{salt.hex()}"
    return Submission(key=key, to=party.contracts.org_registry, data=calls.create_org(salt), since=party.clock())


async def _state(party: Party, submission: Submission) -> Submission:
    found = await party.submissions.get(submission.key)
    assert found is not None
    return found


async def _created(party: Party) -> bool:
    return await calls.admin_of(party.chain, party.contracts.org_registry, party.org) != NOBODY


async def _nonce(party: Party) -> int:
    return await party.chain.number("eth_getTransactionCount", party.account.address, "latest")


async def test_a_submission_goes_through_its_states(party: Make) -> None:
    one = await party()
    submitter, wanted = _submitter(one, confirmations=3), _creation(one)
    assert (await submitter.submit(wanted)).state == "queued"
    await one.chain.ask("evm_setAutomine", False)
    one.clock.advance(1)
    seen = []
    for _ in range(5):
        await submitter.step()
        seen.append((await _state(one, wanted)).state)
        await one.chain.ask("evm_mine")
    assert seen == ["sent", "mined", "mined", "confirmed", "confirmed"]
    done = await _state(one, wanted)
    assert done.block_number
    assert done.gas_used
    assert done.transaction_hash == done.attempts[0].transaction_hash
    assert done.error is None
    assert done.since == one.clock()


async def test_submitting_again_does_nothing(party: Make) -> None:
    one = await party()
    submitter, wanted = _submitter(one), _creation(one)
    for _ in range(4):
        await submitter.submit(wanted)
        await submitter.step()
    assert await _nonce(one) == 1


@pytest.mark.parametrize(
    ("state", "saved"), [("sent", False), ("sent", True), ("confirmed", False), ("confirmed", True)]
)
async def test_a_kill_around_a_save_neither_loses_nor_doubles(party: Make, state: str, saved: bool) -> None:
    one = await party()
    one.submissions = DyingStore(state, saved=saved)
    await _submitter(one).submit(_creation(one))
    with pytest.raises(Killed):
        await finish(_submitter(one), one.submissions)
    await finish(_submitter(one), one.submissions)
    assert (await _state(one, _creation(one))).state == "confirmed"
    assert await _created(one)
    assert await _nonce(one) == 1


async def test_a_kill_after_sending_neither_loses_nor_doubles(party: Make) -> None:
    one = await party()
    dying = DyingChain(one.url, one.chain.chain_id)
    await _submitter(one).submit(_creation(one))
    with pytest.raises(Killed):
        await _submitter(one, chain=dying).step()
    await dying.close()
    await finish(_submitter(one), one.submissions)
    assert (await _state(one, _creation(one))).state == "confirmed"
    assert await _nonce(one) == 1


async def test_what_the_endpoint_forgets_is_sent_again(party: Make) -> None:
    one = await party()
    await one.chain.ask("evm_setAutomine", False)
    submitter = _submitter(one)
    await submitter.submit(_creation(one))
    await submitter.step()
    await one.chain.ask("anvil_dropAllTransactions")
    await submitter.step()
    await one.chain.ask("evm_mine")
    await submitter.step()
    assert (await _state(one, _creation(one))).state == "confirmed"


async def test_a_transaction_that_the_endpoint_drops_is_sent_again(party: Make) -> None:
    one = await party()
    await one.chain.ask("evm_setAutomine", False)
    submitter = _submitter(one)
    await submitter.submit(_creation(one))
    await submitter.step()
    sent = await _state(one, _creation(one))
    assert await one.chain.ask("anvil_dropTransaction", sent.transaction_hash)
    await one.chain.ask("evm_mine")
    await submitter.step()
    await one.chain.ask("evm_mine")
    await submitter.step()
    done = await _state(one, _creation(one))
    assert (done.state, done.transaction_hash) == ("confirmed", sent.transaction_hash)


async def test_a_fee_spike_is_followed(party: Make) -> None:
    """Sent for a quiet chain, it is in no block once the base fee is ten times as high; its replacement is."""
    one = await party()
    await one.chain.ask("evm_setAutomine", False)
    submitter = _submitter(one, bump_after_ms=30_000)
    await submitter.submit(_creation(one))
    await submitter.step()
    sent = await _state(one, _creation(one))
    await one.chain.ask("anvil_setNextBlockBaseFeePerGas", hex(10 * sent.attempts[0].max_fee))
    await one.chain.ask("evm_mine")
    await submitter.step()
    assert (await _state(one, _creation(one))).state == "sent"
    one.clock.advance(31)
    await submitter.step()
    await one.chain.ask("evm_mine")
    await submitter.step()
    done = await _state(one, _creation(one))
    assert (done.state, len(done.attempts)) == ("confirmed", 2)
    assert await _nonce(one) == 1


async def test_an_underpaid_transaction_is_replaced_and_counted_once(party: Make) -> None:
    one = await party()
    await one.chain.ask("evm_setAutomine", False)
    submitter = _submitter(one, bump_after_ms=30_000)
    await submitter.submit(_creation(one))
    await submitter.step()
    for _ in range(2):
        one.clock.advance(31)
        await submitter.step()
    attempts = (await _state(one, _creation(one))).attempts
    assert len(attempts) == 3
    for old, new in pairwise(attempts):
        assert new.max_fee * 1000 >= old.max_fee * 1125
        assert new.priority_fee * 1000 >= old.priority_fee * 1125
    pool = await one.chain.ask("txpool_status")
    assert int(pool["pending"], 16) == 1  # the endpoint took each as a replacement of the one before
    await one.chain.ask("evm_mine")
    await submitter.step()
    done = await _state(one, _creation(one))
    assert (done.state, done.transaction_hash) == ("confirmed", attempts[-1].transaction_hash)
    assert await _nonce(one) == 1


@pytest.mark.parametrize("depth", range(1, 13))
async def test_a_reorganisation_takes_nothing(party: Make, depth: int) -> None:
    one = await party()
    submitter = _submitter(one)
    await one.chain.ask("anvil_mine", hex(12))
    salts = [bytes([number]) * 32 for number in range(3)]
    for salt in salts:
        await submitter.submit(_creation(one, salt))
        await finish(submitter, one.submissions)
    assert {(await _state(one, _creation(one, salt))).state for salt in salts} == {"confirmed"}
    await one.chain.ask("anvil_reorg", depth, [])
    await submitter.step()  # nothing may be called confirmed that is not
    for salt in salts:
        kept = await _state(one, _creation(one, salt))
        block = await one.chain.block(kept.block_number) if kept.block_number else None
        assert (kept.state == "confirmed") == (block is not None and block["hash"] == kept.block_hash)
    await finish(submitter, one.submissions)
    for salt in salts:
        assert (await _state(one, _creation(one, salt))).state == "confirmed"
        org = calls.org_id(one.account.address, salt)
        assert await calls.admin_of(one.chain, one.contracts.org_registry, org) != NOBODY
    assert await _nonce(one) == 3


async def test_a_chain_that_came_back_older_gets_everything_again(party: Make) -> None:
    one = await party()
    submitter = _submitter(one)
    before = await one.chain.ask("evm_snapshot")
    for salt in (one.salt, bytes(32)):
        await submitter.submit(_creation(one, salt))
        await finish(submitter, one.submissions)
    await one.chain.ask("evm_revert", before)
    assert not await _created(one)
    await finish(_submitter(one), one.submissions)
    assert await _created(one)
    assert (await _state(one, _creation(one))).state == "confirmed"
    assert await _nonce(one) == 2


async def test_a_failed_transaction_that_the_chain_lost_leaves_no_gap(party: Make) -> None:
    """The nonce of a failed transaction is nobody's after a reset, so those behind it move up."""
    one = await party()
    await one.register()
    before = await one.chain.ask("evm_snapshot")
    await one.chain.ask("evm_setAutomine", False)
    submitter = _submitter(one)
    for salt in (b"\x01" * 32, b"\x02" * 32):
        await submitter.submit(_creation(one, salt))
    await submitter.step()
    first = await _state(one, _creation(one, b"\x01" * 32))
    await one.submissions.save(_with(first, state="failed"))
    await one.chain.ask("evm_revert", before)
    await one.chain.ask("anvil_dropAllTransactions")
    await one.chain.ask("evm_setAutomine", True)
    await finish(submitter, one.submissions)
    second = await _state(one, _creation(one, b"\x02" * 32))
    assert (second.state, second.nonce) == ("confirmed", first.nonce)


async def test_a_nonce_that_another_program_took_is_given_up(party: Make) -> None:
    one = await party()
    await one.chain.ask("evm_setAutomine", False)
    submitter = _submitter(one)
    await submitter.submit(_creation(one))
    await submitter.step()
    await one.chain.ask("anvil_dropAllTransactions")
    await one.chain.ask("evm_setAutomine", True)
    await one.send(one.contracts.org_registry, calls.create_org(bytes(32)))
    await finish(submitter, one.submissions)
    assert (await _state(one, _creation(one))).state == "confirmed"
    assert await _nonce(one) == 2


async def test_a_call_that_would_be_refused_costs_nothing_and_says_why(party: Make) -> None:
    one = await party()
    await one.register()
    submitter, wanted = _submitter(one), _creation(one)
    await submitter.submit(wanted)
    await submitter.step()
    failed = await _state(one, wanted)
    assert failed.state == "failed"
    assert "OrgRegistryOrgExists" in (failed.error or "")
    assert await _nonce(one) == 2
    assert (await submitter.submit(wanted)).state == "failed"
    one.clock.advance(60)
    assert (await submitter.submit(wanted)).state == "queued"


async def test_without_ether_it_waits_and_says_so(party: Make) -> None:
    one = await party()
    one.account = new_account()
    submitter = _submitter(one)
    await submitter.submit(_creation(one))
    await submitter.step()
    waiting = await _state(one, _creation(one))
    assert (waiting.state, waiting.attempts) == ("held", ())
    assert "nsufficient funds" in (waiting.error or "")
    await one.chain.ask("anvil_setBalance", one.account.address, hex(10**18))
    await finish(submitter, one.submissions)
    assert (await _state(one, _creation(one))).state == "confirmed"


class GreedyChain(Chain):
    """An endpoint that asks for far more than anybody pays."""

    async def number(self, method: str, *parameters: Any) -> int:
        return 10**20 if method == "eth_maxPriorityFeePerGas" else await super().number(method, *parameters)


async def test_an_endpoint_cannot_have_more_offered_than_the_ceiling(party: Make) -> None:
    one = await party()
    greedy = GreedyChain(one.url, one.chain.chain_id)
    submitter = _submitter(one, chain=greedy, fee_ceiling=50 * GWEI)
    await submitter.submit(_creation(one))
    await finish(submitter, one.submissions)
    done = await _state(one, _creation(one))
    assert (done.state, done.attempts[-1].max_fee) == ("confirmed", 50 * GWEI)
    await greedy.close()


async def test_while_the_base_fee_is_above_the_ceiling_it_waits_and_says_so(party: Make) -> None:
    one = await party()
    submitter = _submitter(one, fee_ceiling=50 * GWEI)
    await one.chain.ask("anvil_setNextBlockBaseFeePerGas", hex(60 * GWEI))
    await one.chain.ask("evm_mine")
    await submitter.submit(_creation(one))
    await submitter.step()
    waiting = await _state(one, _creation(one))
    assert (waiting.state, waiting.attempts) == ("held", ())
    assert "60 gwei a unit of gas, the ceiling is 50" in (waiting.error or "")
    await one.chain.ask("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
    await one.chain.ask("evm_mine")
    await finish(submitter, one.submissions)
    assert (await _state(one, _creation(one))).state == "confirmed"


async def test_replacements_end_at_the_ceiling(party: Make) -> None:
    one = await party()
    await one.chain.ask("evm_setAutomine", False)
    offered = await fees.current(one.chain)
    submitter = _submitter(one, fee_ceiling=offered.max_fee * 13 // 10, bump_after_ms=30_000)
    await submitter.submit(_creation(one))
    for _ in range(8):
        await submitter.step()
        one.clock.advance(31)
    waiting = await _state(one, _creation(one))
    assert 2 <= len(waiting.attempts) <= 3
    assert waiting.attempts[-1].max_fee <= offered.max_fee * 13 // 10
    assert "no higher fee" in (waiting.error or "")
    await one.chain.ask("evm_mine")
    await submitter.step()
    done = await _state(one, _creation(one))
    assert (done.state, done.error) == ("confirmed", None)


async def test_a_call_above_the_gas_limit_is_not_paid_for(party: Make) -> None:
    one = await party()
    short = _submitter(one, gas_limit=30_000)
    await short.submit(_creation(one))
    await short.step()
    waiting = await _state(one, _creation(one))
    assert (waiting.state, waiting.attempts, await _nonce(one)) == ("held", (), 0)
    assert "the settings allow 30000" in (waiting.error or "")
    await finish(_submitter(one), one.submissions)
    assert (await _state(one, _creation(one))).state == "confirmed"


def test_replacements_raise_both_fees_by_an_eighth() -> None:
    assert fees.bumped(fees.Fee(1000, 1), fees.Fee(1, 1)) == (1125, 2)
    assert fees.bumped(fees.Fee(1000, 100), fees.Fee(5000, 700)) == (5000, 700)
    assert fees.bumped(fees.Fee(100, 100), fees.Fee(100, 500)) == (500, 500)
    assert fees.bumped(fees.Fee(1000, 1), fees.Fee(1, 1), ceiling=1124) is None


def _with(submission: Submission, **changes: Any) -> Submission:
    return msgspec.structs.replace(submission, **changes)


async def test_a_call_that_fails_when_mined_is_failed_and_names_its_cost(party: Make) -> None:
    """Another relay's transaction pays more and comes first, so that ours anchors nothing any more."""
    one, relay = await party(), await party()
    await one.register()
    one.grow()
    ledger, data = one.contracts.execution_ledger, one.anchor(0)
    await one.chain.ask("evm_setAutomine", False)
    submitter = _submitter(one)
    wanted = Submission(key="anchor:0:1", to=ledger, data=data, since=one.clock())
    await submitter.submit(wanted)
    await submitter.step()
    fee = 10**11
    fields = {"type": 2, "chainId": one.chain.chain_id, "nonce": 0, "to": ledger, "value": 0, "data": data}
    raw, _ = relay.account.sign_transaction(
        {**fields, "gas": 300_000, "maxFeePerGas": fee, "maxPriorityFeePerGas": fee}
    )
    await one.chain.ask("eth_sendRawTransaction", "0x" + raw.hex())
    await one.chain.ask("evm_mine")
    await submitter.step()
    failed = await _state(one, wanted)
    assert (failed.state, failed.failures) == ("failed", 1)
    assert failed.gas_used
    assert failed.error
    assert (await calls.log_of(one.chain, ledger, one.org)).size == 1


async def test_a_mined_submission_that_a_reorganisation_takes_is_sent_again(party: Make) -> None:
    one = await party()
    submitter = _submitter(one, confirmations=3)
    await one.chain.ask("anvil_mine", "0x3")
    await one.chain.ask("evm_setAutomine", False)
    await submitter.submit(_creation(one))
    await submitter.step()
    await one.chain.ask("evm_mine")
    await submitter.step()
    assert (await _state(one, _creation(one))).state == "mined"
    await one.chain.ask("anvil_reorg", 2, [])
    await submitter.step()
    lost = await _state(one, _creation(one))
    assert (lost.state, lost.block_number) == ("reorged", None)
    await one.chain.ask("anvil_mine", "0x3")
    await submitter.step()
    assert (await _state(one, _creation(one))).state == "confirmed"
