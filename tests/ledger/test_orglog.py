"""The tree over an organisation's leaves follows its store, and extends only what it knows."""

import asyncio
from collections.abc import Sequence

import pytest

from tallystick.core.merkle import Tree
from tallystick.ledger.contracts import Log
from tallystick.ledger.errors import LogContradicted
from tallystick.ledger.hashing import keccak
from tallystick.ledger.memory import InMemoryLeaves
from tallystick.ledger.orglog import OrgLog

ORG = bytes([1]) * 32


class SlowLeaves(InMemoryLeaves):
    """A store that lets others run before it answers."""

    async def leaves(self, start: int, stop: int) -> Sequence[bytes]:
        await asyncio.sleep(0)
        return await super().leaves(start, stop)


def _leaves(count: int) -> SlowLeaves:
    made = SlowLeaves()
    for number in range(count):
        made.append(number.to_bytes(416, "big"))
    return made


async def test_readers_at_the_same_time_read_each_leaf_once() -> None:
    log = OrgLog(_leaves(5000))
    assert set(await asyncio.gather(*(log.refresh() for _ in range(3)))) == {5000}
    expected = Tree(keccak)
    for number in range(5000):
        expected.append(number.to_bytes(416, "big"))
    assert log.tree.root() == expected.root()


async def test_a_head_extends_the_chains() -> None:
    log = OrgLog(_leaves(5))
    await log.refresh()
    head = log.extending(ORG, Log(epoch=2, size=3, root=log.tree.root(3)))
    assert (head.epoch, head.old_size, head.new_size, head.root) == (2, 3, 5, log.tree.root())
    assert log.extending(ORG, Log(epoch=0, size=0, root=bytes(32))).old_size == 0


@pytest.mark.parametrize(("size", "root"), [(6, bytes(32)), (3, bytes(32))])
async def test_a_head_that_is_not_ours_is_not_extended(size: int, root: bytes) -> None:
    log = OrgLog(_leaves(5))
    await log.refresh()
    with pytest.raises(LogContradicted):
        log.extending(ORG, Log(epoch=0, size=size, root=root))
