"""A leaf of an organisation's log: thirteen 32-byte words, exactly as ``abi.encode`` gives them (RECORD.md).

416 bytes is no node of a Merkle tree, and the hash domains differ besides, so that no leaf passes for a node.
"""

import struct
from collections.abc import Callable

import msgspec

from tallystick.core.merkle import leaf_hash

from .errors import InvalidLeaf
from .hashing import WORD, keccak

VERSION = 1
WORDS = 13
SIZE = WORDS * WORD
START, COMPLETION, SUBMISSION, AUDIT, PADDING = 1, 2, 3, 4, 5
RUNNING, COMPLETED, FAILED, CANCELLED, TERMINATED = 0, 1, 2, 3, 4
ZERO = bytes(WORD)

# Largest values of the integer fields; all others are opaque words.
_LIMITS = {"version": VERSION, "kind": PADDING, "term": 2**64 - 1, "size": 2**64 - 1, "status": TERMINATED}
_LIMITS["start_index"] = 2**64 - 1


class Leaf(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an organisation states about an execution; words are 32 bytes each."""

    version: int = VERSION
    kind: int
    org: bytes
    execution: bytes
    agreement: bytes
    term: int
    size: int
    root: bytes
    input: bytes = ZERO
    result: bytes = ZERO
    status: int = RUNNING
    start_index: int
    salt: bytes

    def encode(self) -> bytes:
        """The 416 bytes that the log holds."""
        check(self)
        return _LAYOUT.pack(*msgspec.structs.astuple(self))

    def hash(self) -> bytes:
        """``keccak256(0x00 ‖ leaf)``."""
        return leaf_hash(self.encode(), keccak)


# Integers fill the last eight bytes of their word: none of theirs has more.
_LAYOUT = struct.Struct(">" + "".join("24xQ" if name in _LIMITS else "32s" for name in Leaf.__struct_fields__))
_BOUNDS = tuple(_LIMITS.get(name) for name in Leaf.__struct_fields__)


def padding(org: bytes, salt: bytes) -> Leaf:
    """A leaf that says nothing; its salt makes it look like any other to whoever sees hashes only."""
    blank = {"execution": ZERO, "agreement": ZERO, "term": 0, "size": 0, "root": ZERO, "start_index": 0}
    return msgspec.convert({"kind": PADDING, "org": org, "salt": salt, **blank}, Leaf)


def decode(data: bytes) -> Leaf:
    """Read a leaf; InvalidLeaf unless it is one of the known version that encodes to these very bytes."""
    if len(data) != SIZE:
        raise InvalidLeaf(f"a leaf has {SIZE} bytes, not {len(data)}")
    words = [data[start : start + WORD] for start in range(0, SIZE, WORD)]
    fields = {name: _read(name)(value) for name, value in zip(Leaf.__struct_fields__, words, strict=True)}
    leaf = msgspec.convert(fields, Leaf)
    check(leaf)
    return leaf


def check(leaf: Leaf) -> None:
    """InvalidLeaf for an unknown version or a field out of its range."""
    for place, (value, limit) in enumerate(zip(msgspec.structs.astuple(leaf), _BOUNDS, strict=True)):
        if limit is None and len(value) != WORD:
            name = Leaf.__struct_fields__[place]
            raise InvalidLeaf(f"{name} has {len(value)} bytes, not {WORD}", pointer=f"/{name}")
        if limit is not None and not 0 <= value <= limit:
            name = Leaf.__struct_fields__[place]
            raise InvalidLeaf(f"{name} is {value}, beyond {limit}", pointer=f"/{name}")
    if leaf.version != VERSION or leaf.kind == 0:
        raise InvalidLeaf(f"version {leaf.version} and kind {leaf.kind} are not known", code="unknown_version")


def _read(name: str) -> Callable[[bytes], int | bytes]:
    return (lambda data: int.from_bytes(data, "big")) if name in _LIMITS else bytes
