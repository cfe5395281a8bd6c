"""Merkle-Patricia proofs (Yellow Paper, appendix D), checked from a trusted root alone.

Ethereum's state and storage tries are secure tries: the path to a value is the Keccak-256 of its key, 64 nibbles long.
"""

from collections.abc import Sequence
from typing import TypeAlias

import rlp  # type: ignore[import-untyped]  # it ships no types
from rlp.exceptions import DecodingError  # type: ignore[import-untyped]

from .errors import InvalidProof
from .hashing import WORD, keccak

MAX_NODES = 64  # a path has 64 nibbles and every node on it consumes at least one
MAX_NODE = 1024  # bytes; a full branch of hashes has 532

Node: TypeAlias = "bytes | list[Node]"


def lookup(root: bytes, key: bytes, nodes: Sequence[bytes]) -> bytes:
    """The value at ``key`` under ``root``; InvalidProof unless every node is needed and hashes to its reference."""
    if len(nodes) > MAX_NODES or any(len(node) > MAX_NODE for node in nodes):
        raise InvalidProof(f"a trie proof has at most {MAX_NODES} nodes of {MAX_NODE} bytes")
    path, rest = _nibbles(keccak(key)), list(reversed(nodes))
    reference: Node = root
    while True:
        reference, path, ended = _step(_load(reference, rest), path)
        if ended:
            break
    if rest:
        raise InvalidProof("the trie proof has nodes that lead nowhere")
    if not isinstance(reference, bytes) or not reference:
        raise InvalidProof("the trie holds no value at that key")
    return reference


def _load(reference: Node, rest: list[bytes]) -> list[Node]:
    """The node that a reference stands for: nodes shorter than a hash stand in their parent themselves."""
    if isinstance(reference, list):
        return reference
    if len(reference) != WORD:
        raise InvalidProof("the trie holds no value at that key")
    if not rest:
        raise InvalidProof("the trie proof ends too early")
    data = rest.pop()
    if keccak(data) != reference:
        raise InvalidProof("a node of the trie proof does not hash to its reference")
    node = decode(data)
    if not isinstance(node, list):
        raise InvalidProof("a node of the trie proof is not a list")
    return node


def _step(node: list[Node], path: list[int]) -> tuple[Node, list[int], bool]:
    """What the node says about ``path``: the next reference or the value, the nibbles left, whether it is the value."""
    if len(node) == 17:
        return (node[path[0]], path[1:], False) if path else (node[16], path, True)
    if len(node) != 2 or not isinstance(node[0], bytes) or not node[0]:
        raise InvalidProof("a node of the trie proof has no known form")
    flag, *nibbles = _nibbles(node[0])
    if flag > 3 or (not flag & 1 and nibbles[:1] != [0]):
        raise InvalidProof("a node's path is not in the hex-prefix form")
    prefix = nibbles if flag & 1 else nibbles[1:]
    if path[: len(prefix)] != prefix:
        raise InvalidProof("the trie holds no value at that key")
    leaf, left = flag >= 2, path[len(prefix) :]
    if (leaf and left) or not (leaf or prefix):
        raise InvalidProof("the trie holds no value at that key")
    return node[1], left, leaf


def decode(data: bytes) -> Node:
    """Strict RLP: one item, canonical lengths, nothing behind it."""
    try:
        item: Node = rlp.decode(data, strict=True)
    except (DecodingError, RecursionError) as error:
        raise InvalidProof("is not canonical RLP") from error
    return item


def encode(item: Node) -> bytes:
    """An item's RLP."""
    encoded: bytes = rlp.encode(item)
    return encoded


def _nibbles(data: bytes) -> list[int]:
    return [nibble for byte in data for nibble in (byte >> 4, byte & 15)]
