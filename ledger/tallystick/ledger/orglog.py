"""An organisation's log: the tree over its leaves, and the heads of it that its key signs (EIP-712)."""

import asyncio

from tallystick.core.merkle import Tree

from .contracts import Head, Log
from .errors import LogContradicted
from .hashing import EMPTY_ROOT, address_word, keccak, word
from .ports import LeafStore

_DOMAIN = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
_HEAD = keccak(b"Head(bytes32 org,uint64 epoch,uint64 oldSize,uint64 newSize,bytes32 root)")
_NAME = keccak(b"Tallystick ExecutionLedger")
_VERSION = keccak(b"1")
PAGE = 4096  # leaves read at once, 1.7 MB


def head_digest(head: Head, chain_id: int, ledger: str) -> bytes:
    """What the log key signs; bound to the chain and the ledger."""
    domain = keccak(_DOMAIN + _NAME + _VERSION + word(chain_id) + address_word(ledger))
    numbers = (word(number) for number in (head.epoch, head.old_size, head.new_size))
    return keccak(b"\x19\x01" + domain + keccak(_HEAD + head.org + b"".join(numbers) + head.root))


class OrgLog:
    """The hashes of all leaves, kept up with the store; leaves are never changed, so what was read stays."""

    def __init__(self, leaves: LeafStore) -> None:
        self._leaves = leaves
        self.tree = Tree(keccak)
        self._reading = asyncio.Lock()  # two readers at once would append the same leaves twice

    async def refresh(self) -> int:
        """Read what the store has more; the size."""
        async with self._reading:
            size = await self._leaves.size()
            while self.tree.size < size:
                for leaf in await self._leaves.leaves(self.tree.size, min(size, self.tree.size + PAGE)):
                    self.tree.append(leaf)
        return self.tree.size

    async def leaf(self, index: int) -> bytes:
        """One leaf's data."""
        (data,) = await self._leaves.leaves(index, index + 1)
        return data

    def extending(self, org: bytes, log: Log, size: int | None = None) -> Head:
        """The head over the first ``size`` leaves, or all; LogContradicted unless it extends the one on the chain.

        A log that is shorter than its anchor, or has another root at that size, was restored from a backup or changed:
        whatever were signed now would contradict what this organisation signed before.
        """
        known = log.size <= self.tree.size
        root = log.root if log.size else EMPTY_ROOT
        if not known or self.tree.root(log.size) != root:
            raise LogContradicted(f"the chain's head of {log.size} leaves is not one of our {self.tree.size}")
        size = self.tree.size if size is None else size
        return Head(org=org, epoch=log.epoch, old_size=log.size, new_size=size, root=self.tree.root(size))
