"""Solidity's and Python's verifiers of RFC 9162 proofs give the same answers, to good proofs and to bad ones."""

import random
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import msgspec
import pytest

from ledger.parties import FAUCET
from tallystick.core import merkle
from tallystick.core.merkle import Tree
from tallystick.ledger import deploy as tools
from tallystick.ledger.abi import Abi
from tallystick.ledger.artifact import Artifact
from tallystick.ledger.chain import Chain
from tallystick.ledger.compile import CONTRACTS, compile_sources, read_sources
from tallystick.ledger.hashing import EMPTY_ROOT, keccak

HARNESS = Path("test") / "MerkleHarness.sol"
MAX_SIZE = 70
Mutation = Callable[[list[bytes]], list[bytes]]
MUTATIONS: list[Mutation] = [
    lambda path: path,
    lambda path: path[:-1],
    lambda path: [*path, bytes(32)],
    lambda path: [*path, path[-1]] if path else [EMPTY_ROOT],
    lambda path: path[::-1],
    lambda path: [bytes(32), *path[1:]],
    lambda path: [bytes(32)] * 65,
]


class Harness:
    """The deployed harness, called as a view."""

    def __init__(self, chain: Chain, address: str, abi: Abi) -> None:
        self._chain, self._address, self._abi = chain, address, abi

    async def inclusion(self, leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
        return bool(await self._chain.view(self._address, self._abi, "inclusion", leaf, index, size, path, root))

    async def consistency(self, old: int, new: int, before: bytes, after: bytes, path: Sequence[bytes]) -> bool:
        return bool(await self._chain.view(self._address, self._abi, "consistency", old, new, before, after, path))

    async def leaf_hash(self, data: bytes) -> bytes:
        return bytes(await self._chain.view(self._address, self._abi, "leafHash", data))


@cache
def compiled() -> Artifact:
    """Compile the harness, which takes seconds."""
    sources = {**read_sources(), str(HARNESS): (CONTRACTS / HARNESS).read_text()}
    return msgspec.convert(compile_sources(sources)["MerkleHarness"], Artifact)


@pytest.fixture
async def harness(chain: Chain) -> Harness:
    """Compile and deploy the harness."""
    artifact = compiled()
    receipt = await tools.transact(chain, FAUCET, {"data": Abi(artifact).deployment()})
    return Harness(chain, receipt["contractAddress"], Abi(artifact))


@pytest.fixture
def tree() -> Tree:
    """Give a tree of leaves as long as ours."""
    made = Tree(keccak)
    for number in range(MAX_SIZE):
        made.append(number.to_bytes(416, "big"))
    return made


async def test_leaf_hashes_are_the_same(harness: Harness) -> None:
    for data in (b"", b"x", bytes(64), bytes(416)):
        assert await harness.leaf_hash(data) == merkle.leaf_hash(data, keccak)


async def test_inclusion_answers_are_the_same(harness: Harness, tree: Tree) -> None:
    dice = random.Random(1)  # noqa: S311
    accepted = 0
    for _ in range(150):
        size = dice.randint(1, MAX_SIZE)
        index = dice.randrange(size)
        leaf = merkle.leaf_hash(index.to_bytes(416, "big"), keccak)
        path = dice.choice(MUTATIONS)(tree.inclusion(index, size))
        claimed, at = size + dice.choice([0, 0, 0, 1, -1]), index + dice.choice([0, 0, 0, 1])
        expected = merkle.verify_inclusion(leaf, at, claimed, path, tree.root(size), keccak)
        assert await harness.inclusion(leaf, at, claimed, path, tree.root(size)) == expected
        accepted += expected
    assert 0 < accepted < 150


async def test_consistency_answers_are_the_same(harness: Harness, tree: Tree) -> None:
    dice = random.Random(2)  # noqa: S311
    accepted = 0
    for _ in range(150):
        new = dice.randint(0, MAX_SIZE)
        old = dice.randint(0, new)
        path = dice.choice(MUTATIONS)(tree.consistency(old, new))
        claimed = max(0, old + dice.choice([0, 0, 0, 1, -1]))
        words = (claimed, new, tree.root(old), tree.root(new), path)
        expected = merkle.verify_consistency(*words, keccak)
        assert await harness.consistency(*words) == expected
        accepted += expected
    assert 0 < accepted < 150


async def test_every_pair_of_small_sizes_is_consistent(harness: Harness, tree: Tree) -> None:
    for new in range(1, 18):
        for old in range(new + 1):
            assert await harness.consistency(old, new, tree.root(old), tree.root(new), tree.consistency(old, new))


async def test_a_node_passes_for_no_leaf(harness: Harness, tree: Tree) -> None:
    """The second preimage of CVE-2012-2459's kind: an inner node offered as a leaf one level up."""
    children = merkle.leaf_hash(bytes(416), keccak) + merkle.leaf_hash((1).to_bytes(416, "big"), keccak)
    path = tree.inclusion(0, 4)[1:]
    assert not await harness.inclusion(await harness.leaf_hash(children), 0, 2, path, tree.root(4))
