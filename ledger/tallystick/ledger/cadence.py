"""When the leaves that wait are anchored, and how many a batch has to look like: what all of them ask for, reconciled.

Leaves of many executions stand in one log, in order, and a head covers all of them. So the one that is due first takes
the others along, and the smallest batch that any of them asks for is the batch; nobody waits longer than agreed.
Of several paddings the one that gives the largest batch is taken: its size says no more than the others would.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from tallystick.core.policy import Multiple, Padding


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """The leaves beyond the chain's head: how many, when the first is due (ms), the smallest batch asked for."""

    count: int
    due_at: int
    max_leaves: int
    paddings: Sequence[Padding] = ()


class Batching(Protocol):
    """What is known of the leaves' agreements; without one, every leaf is anchored at once."""

    async def waiting(self, anchored: int) -> Waiting | None:
        """Of the leaves from index ``anchored`` on; None when there are none."""
        ...

    async def pad(self, count: int) -> None:
        """Append so many leaves that mean nothing, durably."""
        ...


def is_due(waiting: Waiting, now: int) -> bool:
    """Whether a batch is anchored now, by count or by age."""
    return waiting.count >= waiting.max_leaves or waiting.due_at <= now


def filled(waiting: Waiting) -> int:
    """How many leaves the batch gets."""
    return max([waiting.count, *(_padded(waiting.count, one) for one in waiting.paddings)])


def _padded(count: int, padding: Padding) -> int:
    if isinstance(padding, Multiple):
        return -(-count // padding.multiple_of) * padding.multiple_of
    return 1 << (count - 1).bit_length() if padding == "power_of_two" else count
