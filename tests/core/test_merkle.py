"""Merkle trees of RFC 9162, against published vectors and a naive reference."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.errors import Invalid
from tallystick.core.merkle import (
    Frontier,
    Tree,
    leaf_hash,
    node_hash,
    sha256,
    verify_consistency,
    verify_inclusion,
)

VECTORS = Path(__file__).parent / "vectors" / "rfc6962-merkle.json"
sizes = st.integers(1, 70)


def naive_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 9162 §2.1.1, word for word."""
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return node_hash(naive_root(leaves[:k]), naive_root(leaves[k:]))


def naive_path(index: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of RFC 9162 §2.1.3.1."""
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if index < k:
        return [*naive_path(index, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(index - k, leaves[k:]), naive_root(leaves[:k])]


def naive_proof(old: int, leaves: list[bytes], whole: bool = True) -> list[bytes]:
    """SUBPROOF of RFC 9162 §2.1.4.1."""
    if old == len(leaves):
        return [] if whole else [naive_root(leaves)]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if old <= k:
        return [*naive_proof(old, leaves[:k], whole), naive_root(leaves[k:])]
    return [*naive_proof(old - k, leaves[k:], False), naive_root(leaves[:k])]


def grown(size: int) -> tuple[Tree, list[bytes]]:
    """A tree of ``size`` leaves, and their data."""
    leaves = [b"leaf %d" % number for number in range(size)]
    tree = Tree()
    for number, leaf in enumerate(leaves):
        assert tree.append(leaf) == number
    return tree, leaves


def unpacked(value: str | None) -> bytes:
    return base64.b64decode(value or "")


def test_published_proofs() -> None:
    cases: dict[str, dict[str, Any]] = json.loads(VECTORS.read_bytes())
    wrong, kinds = [], {"consistency": 0, "inclusion": 0}
    for name, case in cases.items():
        path = [unpacked(node) for node in case["proof"] or []]
        if "size1" in case:
            kinds["consistency"] += 1
            holds = verify_consistency(
                case["size1"], case["size2"], unpacked(case["root1"]), unpacked(case["root2"]), path
            )
        else:
            kinds["inclusion"] += 1
            holds = verify_inclusion(
                unpacked(case["leafHash"]), case["leafIdx"], case["treeSize"], path, unpacked(case["root"])
            )
        if holds is case["wantErr"]:
            wrong.append(name)
    assert wrong == []
    assert min(kinds.values()) > 10


@given(sizes)
def test_tree_and_frontier_equal_the_reference(size: int) -> None:
    tree, leaves = grown(size)
    frontier = Frontier()
    for number, leaf in enumerate(leaves):
        assert frontier.root() == tree.root(number) == naive_root(leaves[:number])
        frontier = frontier.append(leaf_hash(leaf))
    assert frontier.root() == tree.root() == naive_root(leaves)
    assert (frontier.size, tree.size) == (size, size)


@given(sizes, st.data())
def test_inclusion_equals_the_reference_and_mutations_fail(size: int, data: st.DataObject) -> None:
    tree, leaves = grown(size)
    upto = data.draw(st.integers(1, size))
    index = data.draw(st.integers(0, upto - 1))
    path, root, leaf = tree.inclusion(index, upto), tree.root(upto), leaf_hash(leaves[index])
    assert path == naive_path(index, leaves[:upto])
    assert verify_inclusion(leaf, index, upto, path, root)
    assert not verify_inclusion(leaf_hash(b"other"), index, upto, path, root)
    assert not verify_inclusion(leaf, index, upto, path, bytes(32))
    assert not verify_inclusion(leaf, index, upto, [*path, bytes(32)], root)
    assert not verify_inclusion(leaf, upto, upto, path, root)
    assert not verify_inclusion(leaf, -1, upto, path, root)
    if path:
        at = data.draw(st.integers(0, len(path) - 1))
        assert not verify_inclusion(leaf, index, upto, [*path[:at], bytes(32), *path[at + 1 :]], root)
        assert not verify_inclusion(leaf, index, upto, path[:-1], root)
        other = data.draw(st.integers(0, upto - 1).filter(lambda number: number != index))
        assert not verify_inclusion(leaf, other, upto, path, root)


@given(sizes, st.data())
def test_consistency_equals_the_reference_and_mutations_fail(size: int, data: st.DataObject) -> None:
    tree, leaves = grown(size)
    old = data.draw(st.integers(1, size))
    path, before, after = tree.consistency(old), tree.root(old), tree.root()
    assert path == naive_proof(old, leaves)
    assert verify_consistency(old, size, before, after, path)
    assert not verify_consistency(old, size, bytes(32), after, path)
    assert not verify_consistency(old, size, before, bytes(32), path)
    assert not verify_consistency(old, size, before, after, [*path, bytes(32)])
    assert not verify_consistency(old, old - 1, before, after, path)
    if path:
        at = data.draw(st.integers(0, len(path) - 1))
        assert not verify_consistency(old, size, before, after, [*path[:at], bytes(32), *path[at + 1 :]])
        assert not verify_consistency(old, size, before, after, path[:-1])
        assert not verify_consistency(old, size, before, after, [])


def test_an_empty_tree_is_a_prefix_of_any() -> None:
    tree, _ = grown(3)
    assert tree.consistency(0) == tree.consistency(3) == []
    assert Tree().root() == Frontier().root() == sha256(b"")
    assert verify_consistency(0, 3, sha256(b""), tree.root(), [])
    assert not verify_consistency(0, 3, bytes(32), tree.root(), [])
    assert not verify_consistency(0, 3, sha256(b""), tree.root(), [bytes(32)])
    assert verify_consistency(3, 3, tree.root(), tree.root(), [])
    assert not verify_consistency(3, 3, tree.root(), tree.root(), [bytes(32)])


def test_proofs_are_bounded() -> None:
    long = [bytes(32)] * 65
    assert not verify_inclusion(bytes(32), 0, 2**70, long, bytes(32))
    assert not verify_consistency(1, 2**70, bytes(32), bytes(32), long)


def test_leaves_and_nodes_are_told_apart() -> None:
    tree, leaves = grown(2)
    inner = leaf_hash(leaves[0]) + leaf_hash(leaves[1])
    assert leaf_hash(inner) != tree.root()


def test_any_hash_will_do() -> None:
    def other(data: bytes) -> bytes:
        return hashlib.sha3_256(data).digest()

    tree = Tree(other)
    for number in range(5):
        tree.append_hash(leaf_hash(bytes([number]), other))
    path, leaf = tree.inclusion(3), leaf_hash(b"\x03", other)
    assert verify_inclusion(leaf, 3, 5, path, tree.root(), other)
    assert not verify_inclusion(leaf, 3, 5, path, tree.root())


def test_a_proof_cannot_be_cut_elsewhere() -> None:
    tree, _ = grown(7)
    path, before, after = tree.consistency(3), tree.root(3), tree.root()
    joined = path[1] + path[0]  # hashed together, so that any cut gives the same hash
    recut = [joined[33:], joined[:33], *path[2:]]
    assert verify_consistency(3, 7, before, after, path)
    assert not verify_consistency(3, 7, before, after, recut)
    assert not verify_inclusion(b"", 0, 1, [], b"")


def test_what_is_not_in_the_tree_cannot_be_asked_for() -> None:
    tree, _ = grown(4)
    for ask in (
        lambda: tree.root(5),
        lambda: tree.root(-1),
        lambda: tree.inclusion(4),
        lambda: tree.inclusion(-1),
        lambda: tree.inclusion(3, 3),
        lambda: tree.consistency(5),
        lambda: tree.consistency(3, 2),
        lambda: tree.consistency(-1),
    ):
        with pytest.raises(Invalid) as caught:
            ask()
        assert caught.value.code == "bad_proof_request"
