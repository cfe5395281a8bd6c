"""What a period has cost so far, kept as a sum: only what changed since the last look is read again.

A submission changes only while it is under way, and enters another state when that ends. So whatever has rested for
:data:`OVERLAP_MS` is in the sum for good, unless its block leaves the chain or it is tried again; then all is counted
anew.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from .ports import SETTLED, Submission, SubmissionStore

OVERLAP_MS = 600_000  # by how much the clocks of one node's replicas may differ


class _Counted(NamedTuple):
    rests_since: int | None  # None while it is under way
    spent: int
    reserved: int


class Spending:
    """Counts the submissions of one chain."""

    def __init__(self, store: SubmissionStore, clock: Callable[[], int]) -> None:
        self._store = store
        self._clock = clock
        self._looking = asyncio.Lock()
        self._start = self._looked = 0  # when it was looked last; 0 while nothing is counted
        self._spent = self._reserved = 0  # of those that rest
        self._open: dict[str, _Counted] = {}

    async def since(self, start: int) -> tuple[int, int]:
        """In wei, what was spent in the period that began at ``start`` (milliseconds), and what is offered now."""
        async with self._looking:
            now = self._clock()
            if start != self._start or now < self._looked:
                self._begin(start)
            ones = await self._store.since(max(start, self._looked - OVERLAP_MS))
            if self._looked and any(map(self._came_back, ones)):
                self._begin(start)
                ones = await self._store.since(start)
            for one in ones:
                rests = one.since if one.state in SETTLED else None
                self._open[one.key] = _Counted(rests, spent_since(one, start), reserved(one))
            self._looked = now
            self._rest(max(start, now - OVERLAP_MS))
            spent = self._spent + sum(one.spent for one in self._open.values())
            return spent, self._reserved + sum(one.reserved for one in self._open.values())

    def _begin(self, start: int) -> None:
        self._start, self._looked = start, 0
        self._spent = self._reserved = 0
        self._open = {}

    def _came_back(self, one: Submission) -> bool:
        """Whether it may be in the sum with what it was before."""
        return one.key not in self._open and any(passed.state in SETTLED for passed in one.passed)

    def _rest(self, before: int) -> None:
        """Take into the sum what will not be read again."""
        for key, one in list(self._open.items()):
            if one.rests_since is not None and one.rests_since < before:
                self._spent += one.spent
                self._reserved += one.reserved
                del self._open[key]


def spent_since(one: Submission, start: int) -> int:
    """What its transactions cost that were mined at ``start`` (milliseconds) or later."""
    failed = sum(old.cost for old in one.tried if old.at >= start)
    return failed + (one.cost or 0 if (one.block_time or 0) * 1000 >= start else 0)


def reserved(one: Submission) -> int:
    """What it may still take: the best-paid of its transactions, of which the chain takes one."""
    if one.block_number is not None:
        return 0
    return max((each.gas * each.max_fee for each in one.attempts), default=0)
