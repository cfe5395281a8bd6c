"""Leaves of the organisation's log are exactly what `abi.encode` gives, and nothing else is a leaf."""

import contextlib

import msgspec
import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from tallystick.ledger import leaf as leaves
from tallystick.ledger.errors import InvalidLeaf
from tallystick.ledger.leaf import Leaf

WORDS = st.binary(min_size=32, max_size=32)
COUNTS = st.integers(0, 2**64 - 1)
LEAVES = st.builds(
    Leaf,
    kind=st.integers(1, 4),
    **dict.fromkeys(("org", "execution", "agreement", "root", "input", "result", "salt"), WORDS),
    **dict.fromkeys(("term", "size", "start_index"), COUNTS),
    status=st.integers(0, 4),
)
TYPES = (
    *("uint256", "uint256", "bytes32", "bytes32", "bytes32", "uint256", "uint256"),
    *("bytes32", "bytes32", "bytes32", "uint256", "uint256", "bytes32"),
)


@given(LEAVES)
def test_a_leaf_is_thirteen_words_as_abi_encode_gives_them(leaf: Leaf) -> None:
    assert leaf.encode() == encode(TYPES, msgspec.structs.astuple(leaf))
    assert leaves.decode(leaf.encode()) == leaf


@given(LEAVES, st.integers(0, leaves.SIZE - 1), st.integers(1, 255))
def test_a_changed_byte_is_another_leaf_or_none(leaf: Leaf, at: int, flip: int) -> None:
    data = bytearray(leaf.encode())
    data[at] ^= flip
    with contextlib.suppress(InvalidLeaf):
        assert leaves.decode(bytes(data)).hash() != leaf.hash()


@pytest.mark.parametrize("size", [0, 64, leaves.SIZE - 1, leaves.SIZE + 1])
def test_other_sizes_are_no_leaf(size: int) -> None:
    with pytest.raises(InvalidLeaf):
        leaves.decode(bytes(size))


@pytest.mark.parametrize(
    "change", [{"version": 2}, {"kind": 0}, {"kind": 6}, {"status": 5}, {"term": 2**64}, {"size": -1}, {"salt": b"x"}]
)
def test_fields_out_of_range_are_refused(change: dict[str, int | bytes]) -> None:
    words = dict.fromkeys(("org", "execution", "agreement", "root", "salt"), bytes(32))
    good = msgspec.convert({"kind": 1, "term": 0, "size": 1, "start_index": 0, **words}, Leaf)
    with pytest.raises(InvalidLeaf):
        msgspec.structs.replace(good, **change).encode()
