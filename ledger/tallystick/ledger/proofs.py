"""Proof that a leaf stands in a root that ``ExecutionLedger`` holds: checked offline, from a block hash alone.

:func:`verify_leaf` takes the steps in this order, each resting on the one before:

1. the header's bytes give the block's hash, number and state root;
2. the account proof leads from the state root to the ledger's code hash and storage root;
3. the storage proof leads from the storage root to the record of this (org, root): size, block, time, epoch;
4. the proof's own words (size, epoch, block) are those of the record;
5. the leaf is of a known version and names this organisation;
6. the inclusion path leads from the leaf to the root.

Left to the caller: whether the block hash is trusted, the chain and the ledger's address are the agreed ones, the code
hash is that of the contract, and the leaf says what the execution's record says.
"""

from collections.abc import Sequence

import msgspec

from tallystick.core.merkle import MAX_PROOF, verify_inclusion

from . import header as headers
from . import leaf as leaves
from . import trie
from .errors import InvalidProof
from .hashing import ADDRESS, WORD, keccak, unhex, word
from .header import Header, integer
from .leaf import Leaf

VERSION = 1
ANCHORS_SLOT = 4  # of ExecutionLedger: mapping(bytes32 org => mapping(bytes32 root => Anchor)); contracts/SPEC.md


class StateProof(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A header's RLP, and the trie nodes that ``eth_getProof`` gives for that block, all ``0x…``."""

    header: str
    account_proof: list[str]
    storage_proof: list[str]


class LeafProof(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything to check one leaf with; ``block_number`` is of the block that anchored the root.

    ``transaction_hash`` is informational: the state proof, not a receipt, is what proves.
    """

    v: int = VERSION
    chain_id: int
    execution_ledger: str
    org: str
    leaf: str
    index: int
    path: list[str]
    log_epoch: int
    log_size: int
    log_root: str
    block_number: int
    transaction_hash: str | None
    state: StateProof


class Anchored(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger's record of a root; ``time`` is the anchoring block's, in seconds."""

    size: int
    block_number: int
    time: int
    epoch: int


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What a proof establishes, provided that ``block.hash`` is trusted and ``code_hash`` is the contract's."""

    leaf: Leaf
    anchored: Anchored
    block: Header
    code_hash: bytes


def verify_leaf(proof: LeafProof) -> Verified:
    """Check a proof; InvalidProof (or InvalidLeaf) says at which step it fails."""
    if proof.v != VERSION:
        raise InvalidProof("proof has a version that is not known", code="unknown_version")
    org, root = _bytes(proof.org, "/org", WORD), _bytes(proof.log_root, "/log_root", WORD)
    # 1
    block = headers.decode(_bytes(proof.state.header, "/state/header"))
    # 2
    account_nodes = _list(proof.state.account_proof, "/state/account_proof")
    storage_root, code_hash = account(block.state_root, proof.execution_ledger, account_nodes)
    # 3
    storage_nodes = _list(proof.state.storage_proof, "/state/storage_proof")
    anchored = unpack(integer(trie.decode(trie.lookup(storage_root, anchor_slot(org, root), storage_nodes)), WORD))
    # 4
    _agree(proof, anchored, block)
    # 5
    data = _bytes(proof.leaf, "/leaf", leaves.SIZE)
    leaf = leaves.decode(data)
    if leaf.org != org:
        raise InvalidProof("the leaf is another organisation's", pointer="/leaf")
    # 6
    path = _list(proof.path, "/path", MAX_PROOF, WORD)
    if not verify_inclusion(leaf.hash(), proof.index, anchored.size, path, root, keccak):
        raise InvalidProof("the path does not lead from the leaf to the root", pointer="/path")
    return Verified(leaf=leaf, anchored=anchored, block=block, code_hash=code_hash)


def account(state_root: bytes, address: str, nodes: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The storage root and the code hash of an account."""
    key = _bytes(address, "/execution_ledger", ADDRESS)
    fields = trie.decode(trie.lookup(state_root, key, nodes))
    if not isinstance(fields, list) or len(fields) != 4:
        raise InvalidProof("the state trie holds no account there")
    storage_root, code_hash = fields[2], fields[3]
    if not isinstance(storage_root, bytes) or not isinstance(code_hash, bytes):
        raise InvalidProof("the state trie holds no account there")
    return storage_root, code_hash


def anchor_slot(org: bytes, root: bytes) -> bytes:
    """The storage key of the record of (org, root), by Solidity's layout of nested mappings."""
    return keccak(root + keccak(org + word(ANCHORS_SLOT)))


def unpack(packed: int) -> Anchored:
    """The four 64-bit fields of the record's one word, lowest first."""
    size, block_number, time, epoch = (packed >> shift & (2**64 - 1) for shift in (0, 64, 128, 192))
    return Anchored(size=size, block_number=block_number, time=time, epoch=epoch)


def _agree(proof: LeafProof, anchored: Anchored, block: Header) -> None:
    claimed = {"log_size": anchored.size, "log_epoch": anchored.epoch, "block_number": anchored.block_number}
    for name, value in claimed.items():
        if getattr(proof, name) != value:
            raise InvalidProof(f"{name} is {getattr(proof, name)}, and {value} on the chain", pointer=f"/{name}")
    if anchored.block_number > block.number or anchored.time > block.timestamp:
        raise InvalidProof("the root was anchored after the block that is to prove it", pointer="/state/header")


def _list(items: Sequence[str], pointer: str, limit: int = trie.MAX_NODES, size: int | None = None) -> list[bytes]:
    if len(items) > limit:
        raise InvalidProof(f"has more than {limit} nodes", pointer=pointer)
    return [_bytes(item, pointer, size) for item in items]


def _bytes(text: str, pointer: str, size: int | None = None) -> bytes:
    if len(text) > 2 * headers.MAX_BYTES + 2 or text != text.lower():
        raise InvalidProof("is too long or not in lower case", pointer=pointer)
    try:
        return unhex(text, size)
    except ValueError as error:
        raise InvalidProof(f"is not hex: {error}", pointer=pointer) from error
