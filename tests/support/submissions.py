"""What every submission store and leaf store promises; a test class inherits these and gives its own fixture."""

import msgspec
import pytest

from tallystick.ledger.ports import Attempt, Submission, SubmissionStore

ATTEMPT = Attempt(raw=b"\xff\x00", transaction_hash="0x01", gas=1, max_fee=2**70, priority_fee=1, at=3)


def submission(key: str, **changes: object) -> Submission:
    """One of that key, with the changes."""
    return msgspec.structs.replace(Submission(key=key, to="0x", data=b"\x80", since=1), **changes)


class SubmissionStoreContract:
    """One contract, every implementation."""

    @pytest.fixture
    def store(self) -> SubmissionStore:
        """Give an empty store."""
        raise NotImplementedError

    async def test_what_was_saved_is_found_and_replaced_by_key(self, store: SubmissionStore) -> None:
        assert await store.get("a") is None
        first = submission("a", attempts=(ATTEMPT,))
        await store.save(first)
        assert await store.get("a") == first
        changed = msgspec.structs.replace(first, state="sent", nonce=0)
        await store.save(changed)
        assert await store.get("a") == changed
        assert list(await store.unsettled()) == [changed]

    async def test_unsettled_ones_come_in_the_order_of_their_nonces(self, store: SubmissionStore) -> None:
        await store.save(submission("later", since=2))
        await store.save(submission("earlier", since=1))
        await store.save(submission("nine", state="sent", nonce=9))
        await store.save(submission("zero", state="mined", nonce=0))
        await store.save(submission("held", state="held", since=3))
        await store.save(submission("lost", state="reorged", nonce=2))
        await store.save(submission("done", state="confirmed", nonce=1))
        await store.save(submission("failed", state="failed"))
        assert [one.key for one in await store.unsettled()] == ["zero", "lost", "nine", "earlier", "later", "held"]

    async def test_settled_ones_come_newest_first(self, store: SubmissionStore) -> None:
        for nonce in range(12):
            await store.save(submission(f"{nonce}", state="confirmed", nonce=nonce, block_number=20 - nonce))
        await store.save(submission("failed", state="failed", nonce=12, block_number=21, gas_used=1, price=2))
        await store.save(submission("never sent", state="failed"))
        assert [one.nonce for one in await store.settled(3)] == [12, 0, 1]

    async def test_what_changed_since_and_what_is_on_its_way(self, store: SubmissionStore) -> None:
        await store.save(submission("old", state="confirmed", block_number=1, since=9))
        await store.save(submission("new", state="confirmed", block_number=2, since=10))
        await store.save(submission("out", state="sent", nonce=1, since=1))
        await store.save(submission("failed", state="failed", since=11))
        assert {one.key for one in await store.since(10)} == {"new", "out", "failed"}

    async def test_the_smallest_anchor_above_covers_a_leaf(self, store: SubmissionStore) -> None:
        for size in (9, 3, 6):
            await store.save(submission(f"anchor:0:{size}", log_epoch=0, log_size=size))
        await store.save(submission("anchor:0:4", log_epoch=0, log_size=4, state="failed"))
        await store.save(submission("anchor:1:4", log_epoch=1, log_size=4))
        covers = {index: await store.covering(0, index) for index in (0, 2, 3, 5, 8, 9)}
        sizes = [one.log_size if one else None for one in covers.values()]
        assert sizes == [3, 3, 6, 6, 9, None]
        other = await store.covering(1, 3)
        assert other is not None
        assert other.key == "anchor:1:4"
