"""The kept sum is what counting everything gives, whatever happens to submissions; and it reads only what changed."""

import random
from collections.abc import Sequence

import msgspec
import pytest

from support.submissions import submission
from tallystick.ledger.book import Book, given_up
from tallystick.ledger.memory import InMemorySubmissions
from tallystick.ledger.ports import Attempt, Submission
from tallystick.ledger.spending import OVERLAP_MS, Spending, reserved, spent_since

DAY_MS = 86_400_000
START = 1_799_971_200_000  # a midnight (UTC)
MINUTE_MS = 60_000


class Counting(InMemorySubmissions):
    """Says how many were read for the sum."""

    read = 0

    async def since(self, at: int) -> Sequence[Submission]:
        """As ever."""
        found = await super().since(at)
        self.read += len(found)
        return found


class World:
    """Submissions that change as the submitter changes them, by a clock that the test turns."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - a test's choices
        self.now = START + 1
        self.store = Counting()
        self.book = Book(self.store, lambda: self.now)
        self.spending = Spending(self.store, lambda: self.now)
        self.ones: dict[str, Submission] = {}

    async def keep(self, one: Submission, **changes: object) -> None:
        self.ones[one.key] = await self.book.save(one, **changes)

    async def queue(self) -> None:
        one = submission(f"{len(self.ones)}", since=self.now)
        await self.store.save(one)
        self.ones[one.key] = one

    async def sign(self, one: Submission) -> None:
        fee = self.random.randrange(1, 100)
        made = Attempt(raw=b"", transaction_hash=f"{fee}", gas=10, max_fee=fee, priority_fee=1, at=self.now)
        await self.keep(one, state="sent", nonce=1, attempts=(*one.attempts, made), transaction_hash=f"{fee}")

    async def mine(self, one: Submission) -> None:
        state = self.random.choice(["mined", "confirmed", "failed"])
        cost = {"gas_used": 10, "price": self.random.randrange(1, 9)}
        await self.keep(one, state=state, block_number=1, block_time=self.now // 1000, **cost)

    async def reorganise(self, one: Submission) -> None:
        nothing = dict.fromkeys(("block_number", "block_time", "gas_used", "price"))
        await self.keep(one, state="reorged", **nothing)

    async def anew(self, one: Submission) -> None:
        await self.keep(one, state="queued", **given_up(one, "again"))

    async def step(self) -> None:
        """Something happens to one of them, of the newest mostly."""
        if not self.ones or self.random.random() < 0.2:
            await self.queue()
            return
        many = list(self.ones.values())
        one = self.random.choice(many if self.random.random() < 0.1 else many[-4:])
        follow = {
            "queued": self.sign,
            "sent": self.random.choice([self.sign, self.mine, self.anew]),
            "mined": self.random.choice([self.confirm, self.reorganise]),
            "confirmed": self.reorganise,
            "failed": self.anew,
            "reorged": self.random.choice([self.sign, self.mine, self.anew]),
        }
        await follow[one.state](one)

    async def confirm(self, one: Submission) -> None:
        await self.keep(one, state="confirmed")

    def counted(self, start: int) -> tuple[int, int]:
        """All of them, one by one."""
        ones = [one for one in self.ones.values() if one.since >= start or one.state not in {"confirmed", "failed"}]
        return sum(spent_since(one, start) for one in ones), sum(map(reserved, ones))


@pytest.mark.parametrize("seed", range(12))
async def test_the_sum_is_what_counting_gives(seed: int) -> None:
    """Over two days, with clocks that are turned back now and then, and a look at every few changes only."""
    world = World(seed)
    looked = 0
    while world.now < START + 2 * DAY_MS:
        for _ in range(world.random.randrange(4)):
            await world.step()
        world.now += world.random.choice([1, 1_000, MINUTE_MS, OVERLAP_MS + 1, 60 * MINUTE_MS])
        if world.random.random() < 0.01:
            world.now -= 5 * MINUTE_MS
        start = world.now // DAY_MS * DAY_MS
        assert await world.spending.since(start) == world.counted(start)
        looked += 1
    assert looked > 100
    assert any(one.spent for one in world.ones.values())


async def test_only_what_changed_is_read_again() -> None:
    world = World(0)
    for number in range(1_000):
        one = submission(f"{number}", state="confirmed", since=START + number * 1_000, block_number=1)
        paid = msgspec.structs.replace(one, block_time=START // 1000 + number, gas_used=1, price=number)
        await world.store.save(paid)
        world.ones[paid.key] = paid
    world.now = START + 1_000_000 + 2 * OVERLAP_MS
    total = sum(range(1_000))
    assert await world.spending.since(START) == (total, 0)
    assert world.store.read == 1_000
    await world.queue()
    for _ in range(3):
        assert await world.spending.since(START) == (total, 0)
    assert world.store.read == 1_003
    # One whose block leaves the chain was in the sum: it is counted anew, once.
    await world.reorganise(world.ones["500"])
    for _ in range(3):
        assert await world.spending.since(START) == (total - 500, 0)
    assert world.store.read < 1_003 + 1_010 + 10
