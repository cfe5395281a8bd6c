"""Submissions as they change: every change is durable before anything follows from it."""

from collections.abc import Callable
from typing import Any

import msgspec

from .ports import Passed, Submission, SubmissionStore, Tried

MAX_PASSED = 32  # states remembered of one submission; the oldest go first
MAX_TRIED = 64  # transactions remembered of one submission, beside those of its present nonce
UNMINED_FACTS: dict[str, Any] = dict.fromkeys(("block_number", "block_hash", "block_time", "gas_used", "price"))


class Book:
    """Writes the states down; ``since`` and ``passed`` move with the state only."""

    def __init__(self, store: SubmissionStore, clock: Callable[[], int]) -> None:
        self.store = store
        self.clock = clock

    async def save(self, one: Submission, **changes: Any) -> Submission:
        """Keep the changes. A state never begins before the one that it follows, wherever the clock was turned."""
        if changes.get("state", one.state) != one.state:
            changes["since"] = max(self.clock(), one.since)
            changes["passed"] = (*one.passed, Passed(one.state, one.since))[-MAX_PASSED:]
        changed = msgspec.structs.replace(one, **changes)
        if changed != one:
            await self.store.save(changed)
        return changed

    async def anew(self, one: Submission, reason: str) -> Submission:
        """Give its nonce up and queue it again."""
        return await self.save(one, state="queued", error=reason, **given_up(one, reason))


def failure(one: Submission) -> str:
    """What is waited for, after it failed, before it is tried again."""
    return f"{one.key} failed {one.failures}"


def given_up(one: Submission, reason: str) -> dict[str, Any]:
    """The changes that leave a submission without a nonce; what was signed stays known."""
    left = tuple(
        Tried(
            transaction_hash=each.transaction_hash,
            relayer=one.relayer or "",
            nonce=one.nonce or 0,
            at=each.at,
            reason=reason,
            cost=(one.cost or 0) if each.transaction_hash == one.transaction_hash else 0,
        )
        for each in one.attempts
    )
    tried = (*one.tried, *left)[-MAX_TRIED:]
    return {"relayer": None, "nonce": None, "attempts": (), "tried": tried, "transaction_hash": None, **UNMINED_FACTS}
