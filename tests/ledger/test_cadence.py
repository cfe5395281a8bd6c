"""Batches by count or age, filled up, on a real chain; what several executions ask of one log is reconciled."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
import pytest

from ledger.parties import Party, settle
from tallystick.core.policy import Multiple, Padding
from tallystick.ledger import cadence
from tallystick.ledger import contracts as calls
from tallystick.ledger import leaf as leaves
from tallystick.ledger.cadence import Waiting
from tallystick.ledger.proofs import verify_leaf
from tallystick.ledger.service import LedgerSettings, OrgLedger

Make = Callable[[], Awaitable[Party]]
AGE_MS = 60_000


def waiting(count: int, *paddings: Padding, due_at: int = 10, max_leaves: int = 100) -> Waiting:
    return Waiting(count=count, due_at=due_at, max_leaves=max_leaves, paddings=paddings)


@pytest.mark.parametrize(("count", "now", "due"), [(99, 9, False), (100, 9, True), (101, 0, True), (1, 10, True)])
def test_a_batch_is_due_by_count_or_by_age(count: int, now: int, due: bool) -> None:
    assert cadence.is_due(waiting(count), now) is due


@pytest.mark.parametrize(
    ("count", "paddings", "filled"),
    [
        (3, (), 3),
        (3, ("none",), 3),
        *((count, ("power_of_two",), size) for count, size in ((1, 1), (2, 2), (3, 4), (4, 4), (5, 8), (257, 512))),
        *((count, (Multiple(multiple_of=10),), size) for count, size in ((1, 10), (10, 10), (11, 20))),
        (3, ("none", "power_of_two", Multiple(multiple_of=10)), 10),
        (33, (Multiple(multiple_of=10), "power_of_two"), 64),
    ],
)
def test_what_a_batch_is_filled_up_to(count: int, paddings: Sequence[Padding], filled: int) -> None:
    assert cadence.filled(waiting(count, *paddings)) == filled


class Agreed:
    """The leaves of one party, all under one policy; ``pads`` counts what was filled up."""

    def __init__(self, party: Party, max_leaves: int, padding: Padding) -> None:
        self._party = party
        self._max_leaves = max_leaves
        self._padding = padding
        self._since = party.clock.now
        self.pads = 0
        self.meanwhile = 0

    async def waiting(self, anchored: int) -> Waiting | None:
        count = await self._party.leaves.size() - anchored
        facts: Any = {"due_at": self._since + AGE_MS, "max_leaves": self._max_leaves, "paddings": [self._padding]}
        return Waiting(count=count, **facts) if count else None

    async def pad(self, count: int) -> None:
        for number in range(count):
            self._party.leaves.append(leaves.padding(self._party.org, bytes([number]) * 32).encode())
        self._party.append(self.meanwhile)
        self.pads += count


def ledger_of(party: Party, batching: Agreed) -> OrgLedger:
    settings = LedgerSettings(blockchain_url=party.url, chain_id=31337, contracts=party.contracts)
    stores = party.submissions, party.leaves
    return OrgLedger(settings, party.account, party.log_key, party.salt, *stores, clock=party.clock, batching=batching)


async def rounds(ledger: OrgLedger, count: int = 8) -> int:
    """How many leaves the chain has after some rounds."""
    for _ in range(count):
        await ledger.step()
    return (await ledger.status()).anchored_size


async def test_leaves_wait_for_their_batch_and_no_longer_than_agreed(party: Make) -> None:
    one = await party()
    agreed = Agreed(one, 4, "none")
    ledger = ledger_of(one, agreed)
    await settle(ledger)
    one.append(3)
    assert await rounds(ledger) == 0
    assert await ledger.anchor_of(0) is None
    one.append(1)
    assert await rounds(ledger) == 4
    one.append(1)
    assert await rounds(ledger) == 4
    one.clock.advance(AGE_MS / 1000)
    assert await rounds(ledger) == 5
    await ledger.close()


async def test_who_watches_the_chain_cannot_count(party: Make) -> None:
    """Every batch has the size that was agreed on; each real leaf is proven, and so is a leaf that means nothing."""
    one = await party()
    agreed = Agreed(one, 2, Multiple(multiple_of=8))
    ledger = ledger_of(one, agreed)
    await settle(ledger)
    sizes = []
    for count in (2, 7, 8):
        one.append(count)
        await rounds(ledger)
        sizes.append((await calls.log_of(one.chain, one.contracts.execution_ledger, one.org)).size)
    assert (sizes, agreed.pads) == ([8, 16, 24], 7)
    kinds = [verify_leaf(await ledger.proof(index)).leaf.kind for index in range(9)]
    assert kinds == [leaves.START] * 2 + [leaves.PADDING] * 6 + [leaves.START]
    await ledger.close()


async def test_what_comes_while_a_batch_is_filled_up_waits_for_the_next(party: Make) -> None:
    one = await party()
    agreed = Agreed(one, 3, "power_of_two")
    ledger = ledger_of(one, agreed)
    await settle(ledger)
    agreed.meanwhile = 2
    one.append(3)
    assert await rounds(ledger) == 4
    assert await one.leaves.size() == 6
    verify_leaf(await ledger.proof(3))
    await ledger.close()


async def test_a_restart_between_filling_up_and_anchoring_fills_up_once(party: Make) -> None:
    one = await party()
    agreed = Agreed(one, 3, "power_of_two")
    ledger = ledger_of(one, agreed)
    await settle(ledger)
    one.append(3)
    await agreed.pad(1)  # durable; then the node was killed
    assert await rounds(ledger) == 4
    assert agreed.pads == 1
    await ledger.close()


def test_padding_leaves_say_nothing_and_hash_differently() -> None:
    org = b"\x11" * 32
    first, second = (leaves.padding(org, bytes([salt]) * 32) for salt in (1, 2))
    assert first.hash() != second.hash()
    assert leaves.decode(first.encode()) == first
    assert msgspec.structs.asdict(first) | {"salt": b""} == msgspec.structs.asdict(second) | {"salt": b""}
