"""The ports in memory, for tests and tools: nothing here survives the process."""

from collections.abc import Sequence

from .ports import SETTLED, UNSETTLED, Submission


class InMemorySubmissions:
    """A :class:`~.ports.SubmissionStore` without a disk."""

    def __init__(self) -> None:
        self._kept: dict[str, Submission] = {}

    async def get(self, key: str) -> Submission | None:
        """See the port."""
        return self._kept.get(key)

    async def save(self, submission: Submission) -> None:
        """See the port."""
        self._kept[submission.key] = submission

    async def unsettled(self) -> Sequence[Submission]:
        """See the port."""
        live = [one for one in self._kept.values() if one.state in UNSETTLED]
        return sorted(live, key=lambda one: (one.nonce is None, one.nonce or 0, one.since))

    async def settled(self, limit: int) -> Sequence[Submission]:
        """See the port."""
        done = [one for one in self._kept.values() if one.state in SETTLED and one.block_number is not None]
        return sorted(done, key=lambda one: -(one.block_number or 0))[:limit]

    async def since(self, at: int) -> Sequence[Submission]:
        """See the port."""
        return [one for one in self._kept.values() if one.since >= at or one.state in UNSETTLED]

    async def covering(self, epoch: int, index: int) -> Submission | None:
        """See the port."""
        anchors = (one for one in self._kept.values() if one.log_epoch == epoch and one.state != "failed")
        above = (one for one in anchors if one.log_size is not None and one.log_size > index)
        return min(above, key=lambda one: one.log_size or 0, default=None)


class InMemoryLeaves:
    """A :class:`~.ports.LeafStore` without a disk."""

    def __init__(self) -> None:
        self._leaves: list[bytes] = []

    def append(self, leaf: bytes) -> int:
        """Add a leaf; its index."""
        self._leaves.append(leaf)
        return len(self._leaves) - 1

    async def size(self) -> int:
        """See the port."""
        return len(self._leaves)

    async def leaves(self, start: int, stop: int) -> Sequence[bytes]:
        """See the port."""
        return self._leaves[start:stop]
