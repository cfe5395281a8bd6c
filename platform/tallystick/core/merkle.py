"""Append-only Merkle trees of RFC 9162 §2.1, over any hash.

An execution's tree hashes with SHA-256, an organisation's log with Keccak-256; ``Hash`` is a function from bytes to
32 bytes. Leaves hash behind 0x00 and nodes behind 0x01, so that neither passes for the other.
"""

import hashlib
from collections.abc import Callable, Sequence

import msgspec

from tallystick.core.errors import Invalid

Hash = Callable[[bytes], bytes]
MAX_PROOF = 64  # nodes: enough for 2^64 leaves
HASH_BYTES = 32


def sha256(data: bytes) -> bytes:
    """SHA-256 as a :data:`Hash`."""
    return hashlib.sha256(data).digest()


def leaf_hash(data: bytes, hash: Hash = sha256) -> bytes:
    """``H(0x00 ‖ data)``."""
    return hash(b"\x00" + data)


def node_hash(left: bytes, right: bytes, hash: Hash = sha256) -> bytes:
    """``H(0x01 ‖ left ‖ right)``."""
    return hash(b"\x01" + left + right)


class Frontier(msgspec.Struct, frozen=True, gc=False):
    """The right edge of a tree: what appending and the root need, in O(log n) hashes.

    ``peaks`` are the roots of the perfect subtrees of ``size`` leaves, largest first.
    """

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def append(self, leaf: bytes, hash: Hash = sha256) -> "Frontier":
        """The frontier after one more leaf hash."""
        peaks, node, size = list(self.peaks), leaf, self.size
        while size & 1:
            node = node_hash(peaks.pop(), node, hash)
            size >>= 1
        return Frontier(self.size + 1, (*peaks, node))

    def root(self, hash: Hash = sha256) -> bytes:
        """The root of all leaves so far; ``H("")`` of none."""
        if not self.peaks:
            return hash(b"")
        node = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            node = node_hash(peak, node, hash)
        return node


class Tree:
    """All hashes of a growing tree, so that any proof costs O(log n)."""

    def __init__(self, hash: Hash = sha256) -> None:
        self._hash = hash
        self._levels: list[list[bytes]] = [
            []
        ]  # _levels[k][i]: root of the perfect subtree of leaves [i·2^k, (i+1)·2^k)

    @property
    def size(self) -> int:
        """The number of leaves."""
        return len(self._levels[0])

    def append(self, data: bytes) -> int:
        """Add a leaf by its data; its index."""
        return self.append_hash(leaf_hash(data, self._hash))

    def append_hash(self, leaf: bytes) -> int:
        """Add a leaf by its hash; its index."""
        index = self.size
        self._levels[0].append(leaf)
        level = 0
        while len(self._levels[level]) % 2 == 0:
            if level + 1 == len(self._levels):
                self._levels.append([])
            left, right = self._levels[level][-2:]
            self._levels[level + 1].append(node_hash(left, right, self._hash))
            level += 1
        return index

    def root(self, size: int | None = None) -> bytes:
        """The root over the first ``size`` leaves (all when None)."""
        size = self._checked(self.size if size is None else size)
        return self._range(0, size) if size else self._hash(b"")

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """The audit path of leaf ``index`` in the tree of ``size`` leaves (RFC 9162 §2.1.3.1)."""
        size = self._checked(self.size if size is None else size)
        if not 0 <= index < size:
            raise Invalid(f"leaf {index} is not in a tree of {size}", code="bad_proof_request")
        path, low, high = [], 0, size
        while high - low > 1:
            middle = low + _split(high - low)
            if index < middle:
                path.append(self._range(middle, high))
                high = middle
            else:
                path.append(self._range(low, middle))
                low = middle
        return path[::-1]

    def consistency(self, old: int, new: int | None = None) -> list[bytes]:
        """The proof that the tree of ``old`` leaves is a prefix of that of ``new`` (RFC 9162 §2.1.4.1)."""
        new = self._checked(self.size if new is None else new)
        if not 0 <= old <= new:
            raise Invalid(f"a tree of {old} is no prefix of one of {new}", code="bad_proof_request")
        if old in (0, new):
            return []
        path: list[bytes] = []
        low, high, whole = 0, new, True
        while old != high:
            middle = low + _split(high - low)
            if old <= middle:
                path.append(self._range(middle, high))
                high = middle
            else:
                path.append(self._range(low, middle))
                low, whole = middle, False
        if not whole:
            path.append(self._range(low, high))
        return path[::-1]

    def _checked(self, size: int) -> int:
        if not 0 <= size <= self.size:
            raise Invalid(f"the tree has {self.size} leaves, not {size}", code="bad_proof_request")
        return size

    def _range(self, low: int, high: int) -> bytes:
        """Root over leaves [low, high), where low is a multiple of the largest power of two that fits."""
        width = high - low
        if width & (width - 1) == 0:
            return self._levels[width.bit_length() - 1][low // width]
        middle = low + _split(width)
        return node_hash(self._range(low, middle), self._range(middle, high), self._hash)


def verify_inclusion(
    leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes, hash: Hash = sha256
) -> bool:
    """Whether the leaf hash stands at ``index`` of the tree (RFC 9162 §2.1.3.2); every node of ``path`` is consumed."""
    if not 0 <= index < size or len(path) > MAX_PROOF or not _are_hashes(leaf, root, *path):
        return False
    first, second, node = index, size - 1, leaf
    for sibling in path:
        if second == 0:
            return False
        if first & 1 or first == second:
            node = node_hash(sibling, node, hash)
            while not first & 1 and first:
                first, second = first >> 1, second >> 1
        else:
            node = node_hash(node, sibling, hash)
        first, second = first >> 1, second >> 1
    return second == 0 and node == root


def verify_consistency(
    old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes], hash: Hash = sha256
) -> bool:
    """Whether the old tree is a prefix of the new one (RFC 9162 §2.1.4.2)."""
    if not 0 <= old <= new or len(path) > MAX_PROOF or not _are_hashes(old_root, new_root, *path):
        return False
    if old == 0:
        return not path and old_root == hash(b"")
    if old == new:
        return not path and old_root == new_root
    nodes = list(path) if old & (old - 1) else [old_root, *path]
    if not nodes:
        return False
    first, second = old - 1, new - 1
    while first & 1:
        first, second = first >> 1, second >> 1
    left = right = nodes[0]
    for sibling in nodes[1:]:
        if second == 0:
            return False
        if first & 1 or first == second:
            left, right = node_hash(sibling, left, hash), node_hash(sibling, right, hash)
            while not first & 1 and first:
                first, second = first >> 1, second >> 1
        else:
            right = node_hash(right, sibling, hash)
        first, second = first >> 1, second >> 1
    return second == 0 and left == old_root and right == new_root


def _are_hashes(*nodes: bytes) -> bool:
    """Two nodes hash as one string, so nodes of other lengths could be cut elsewhere."""
    return all(len(node) == HASH_BYTES for node in nodes)


def _split(width: int) -> int:
    """The largest power of two smaller than ``width``."""
    return int(1 << (width - 1).bit_length() - 1)
