"""Trie proofs: a builder of the Yellow Paper's tries, written for this test, against the verifier."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.ledger import trie
from tallystick.ledger.errors import InvalidProof
from tallystick.ledger.hashing import keccak
from tallystick.ledger.trie import Node, lookup

# Values of 32 bytes, so that every node is a node of its own.
TRIES = st.dictionaries(st.binary(max_size=8), st.binary(min_size=32, max_size=40), min_size=1, max_size=40)


def _nibbles(key: bytes) -> str:
    return keccak(key).hex()


def _prefixed(path: str, *, leaf: bool) -> bytes:
    odd = len(path) % 2
    return bytes.fromhex(f"{2 * leaf + odd}" + ("" if odd else "0") + path)


def _build(items: dict[str, bytes], nodes: dict[bytes, bytes]) -> bytes:
    """Store the nodes of a trie by hash; the root's."""
    shared = next(iter(items))
    for path in items:
        while not path.startswith(shared):
            shared = shared[:-1]
    node: Node
    if len(items) == 1:
        node = [_prefixed(shared, leaf=True), items[shared]]
    elif shared:
        rest = {path[len(shared) :]: value for path, value in items.items()}
        node = [_prefixed(shared, leaf=False), _build(rest, nodes)]
    else:
        node = [b""] * 17
        for digit in range(16):
            below = {path[1:]: value for path, value in items.items() if path[0] == f"{digit:x}"}
            node[digit] = _build(below, nodes) if below else b""
    data = trie.encode(node)
    nodes[keccak(data)] = data
    return keccak(data)


def _path(root: bytes, key: bytes, nodes: dict[bytes, bytes]) -> list[bytes]:
    """Find the nodes that lead to a key, by trying: fewer are too few, and more too many."""
    found, rest = [nodes[root]], _nibbles(key)
    while True:
        node = trie.decode(found[-1])
        assert isinstance(node, list)
        if len(node) == 17:
            child, rest = node[int(rest[0], 16)], rest[1:]
        else:
            assert isinstance(node[0], bytes)
            flag = node[0].hex()
            if int(flag[0], 16) >= 2:
                return found
            child, rest = node[1], rest[len(flag) - (1 if int(flag[0], 16) & 1 else 2) :]
        assert isinstance(child, bytes)
        found.append(nodes[child])


@given(TRIES)
def test_every_value_is_found_and_only_with_its_nodes(items: dict[bytes, bytes]) -> None:
    nodes: dict[bytes, bytes] = {}
    root = _build({_nibbles(key): value for key, value in items.items()}, nodes)
    for key, value in items.items():
        path = _path(root, key, nodes)
        assert lookup(root, key, path) == value
        for wrong in (path[:-1], [*path, path[-1]], path[::-1] if len(path) > 1 else []):
            with pytest.raises(InvalidProof):
                lookup(root, key, wrong)


@given(TRIES, st.binary(min_size=9, max_size=9))
def test_what_is_not_there_is_not_found(items: dict[bytes, bytes], absent: bytes) -> None:
    nodes: dict[bytes, bytes] = {}
    root = _build({_nibbles(key): value for key, value in items.items()}, nodes)
    for key in items:
        with pytest.raises(InvalidProof):
            lookup(root, absent, _path(root, key, nodes))


def test_extension_nodes_are_walked() -> None:
    """Keys are searched for until two share their first nibbles, so that an extension stands above a branch."""
    dice = random.Random(3)  # noqa: S311
    keys = [dice.randbytes(8) for _ in range(600)]
    first = keys[0]
    twin = next(key for key in keys[1:] if _nibbles(key)[:2] == _nibbles(first)[:2])
    items = {_nibbles(key): bytes([1]) * 32 for key in (first, twin)}
    nodes: dict[bytes, bytes] = {}
    root = _build(items, nodes)
    path = _path(root, first, nodes)
    assert len(path) == 3
    assert lookup(root, first, path) == bytes([1]) * 32


@pytest.mark.parametrize("nodes", [[], [b""], [b"\xc0"], [bytes(2000)], [b"\xc1"], [b"\xc0"] * 65])
def test_what_is_no_proof_is_refused(nodes: list[bytes]) -> None:
    root = keccak(nodes[0]) if nodes else bytes(32)
    with pytest.raises(InvalidProof):
        lookup(root, b"key", nodes)


@pytest.mark.parametrize("prefix", [b"", b"\x40", b"\x21", b"\x05", b"\x00"])
def test_malformed_paths_are_refused(prefix: bytes) -> None:
    node = trie.encode([prefix, bytes(32)])
    with pytest.raises(InvalidProof):
        lookup(keccak(node), b"key", [node])


def test_deep_rlp_is_refused() -> None:
    with pytest.raises(InvalidProof):
        trie.decode(b"\xc1" * 5000)
