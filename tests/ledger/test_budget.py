"""A budget a period: counted before anything is signed, told from a threshold on, and held at the limit."""

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from ledger.parties import Party, settle
from support.submissions import submission
from tallystick.ledger.budget import Budget, Purse
from tallystick.ledger.memory import InMemorySubmissions
from tallystick.ledger.ports import Attempt, Tried
from tallystick.ledger.service import LedgerSettings, OrgLedger
from tallystick.ledger.spending import reserved, spent_since

Make = Callable[[], Awaitable[Party]]
GWEI = 10**9
DAY_MS = 86_400_000
START = 1_799_971_200_000  # a midnight (UTC)


def attempt(max_fee: int, gas: int = 100) -> Attempt:
    return Attempt(raw=b"", transaction_hash="0x1", gas=gas, max_fee=max_fee, priority_fee=1, at=START)


async def purse(limit: int, *ones: Any) -> Purse:
    store = InMemorySubmissions()
    for one in ones:
        await store.save(one)
    return Purse(Budget(limit=limit, period_ms=DAY_MS), store, lambda: START + 1)


MINED = {"state": "confirmed", "block_number": 9, "gas_used": 10, "price": 5}


def test_what_a_submission_has_cost_and_may_cost() -> None:
    mined = submission("a", **MINED, block_time=START // 1000, attempts=(attempt(7),))
    assert (spent_since(mined, START), reserved(mined)) == (50, 0)
    before = msgspec.structs.replace(mined, block_time=START // 1000 - 1)
    assert (spent_since(before, START), reserved(before)) == (0, 0)
    out = submission("b", state="sent", nonce=1, attempts=(attempt(7), attempt(9)))
    assert (spent_since(out, START), reserved(out)) == (0, 900)
    tried = tuple(
        Tried(transaction_hash="0x2", relayer="0x", nonce=1, at=at, reason="failed", cost=30)
        for at in (START - 1, START)
    )
    assert spent_since(msgspec.structs.replace(out, tried=tried), START) == 30


async def test_the_limit_holds_whatever_becomes_of_what_is_out() -> None:
    ones = (
        submission("a", **MINED, block_time=START // 1000, since=START),
        submission("b", state="sent", nonce=1, attempts=(attempt(9),), since=1),
    )
    one = await purse(1_000, *ones)
    assert await one.refusal(50) is None
    refusal = await one.refusal(51)
    assert refusal is not None
    assert "50 are spent and 900 offered, this may take 51" in refusal
    assert "2027-01-16T00:00:00+00:00" in refusal
    status = await one.status()
    assert (status.spent, status.reserved, status.percent, status.alert) == ("50", "900", 95, True)


async def test_people_are_told_once_a_period(caplog: pytest.LogCaptureFixture) -> None:
    one = await purse(100)
    with caplog.at_level(logging.WARNING):
        assert await one.refusal(79) is None
        assert caplog.records == []
        for _ in range(3):
            assert await one.refusal(80) is None
    assert len(caplog.records) == 1


def with_budget(party: Party, limit: int) -> OrgLedger:
    settings = LedgerSettings(
        blockchain_url=party.url,
        chain_id=31337,
        contracts=party.contracts,
        budget=Budget(limit=limit, period_ms=DAY_MS),
    )
    stores = party.submissions, party.leaves
    return OrgLedger(settings, party.account, party.log_key, party.salt, *stores, clock=party.clock)


async def test_beyond_the_limit_anchors_wait_and_say_why_until_the_next_period(party: Make) -> None:
    """On a real chain: nothing is signed, nothing is lost, and the next day it goes on by itself."""
    one = await party()
    one.clock.now = time.time_ns() // 1_000_000  # the chain dates what is spent by its own clock
    free = one.ledger()
    await settle(free)
    one.append(3)
    await free.close()
    ledger = with_budget(one, 1)
    for _ in range(5):
        await ledger.step()
    anchor = await ledger.anchor_of(0)
    assert anchor is not None
    assert (anchor.state, anchor.nonce, anchor.attempts) == ("held", None, ())
    assert "budget" in (anchor.error or "")
    status = await ledger.status()
    assert status.budget is not None
    assert (status.budget.alert, status.anchored_size, status.log_size) == (True, 0, 3)
    await ledger.close()
    richer = with_budget(one, 10**17)
    await settle(richer)
    spent = await richer.status()
    assert spent.budget is not None
    assert int(spent.budget.spent) > 0
    assert spent.budget.reserved == "0"
    await richer.close()


async def test_the_next_period_has_a_budget_of_its_own(party: Make) -> None:
    """What was spent on registering uses the first day up; a day later there is enough for an anchor."""
    one = await party()
    first = one.ledger()
    await settle(first)
    await first.close()
    one.append(1)
    limit = 10**17
    (dear, *_) = await one.submissions.since(0)
    price = limit // (dear.gas_used or 1)
    await one.submissions.save(msgspec.structs.replace(dear, block_time=one.clock.now // 1000, price=price))
    ledger = with_budget(one, limit)
    for _ in range(3):
        await ledger.step()
    anchor = await ledger.anchor_of(0)
    assert anchor is not None
    assert anchor.state == "held"
    one.clock.advance(DAY_MS / 1000)
    await settle(ledger)
    await ledger.close()
