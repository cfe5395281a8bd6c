"""What a bundle's proofs establish about the chain: a leaf in a log, a root in the ledger's storage."""

import msgspec

from tallystick.core.errors import Invalid
from tallystick.core.merkle import MAX_PROOF, leaf_hash, verify_inclusion
from tallystick.ledger import header as headers
from tallystick.ledger import proofs, trie
from tallystick.ledger.hashing import ADDRESS, WORD, keccak, unhex
from tallystick.ledger.header import Header
from tallystick.ledger.proofs import Anchored, LeafProof

MAX_OCTETS = headers.MAX_BYTES  # the longest thing that a proof holds in one piece


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger's record of an anchor's root as of ``block``, true if that block's hash is."""

    block: Header
    code_hash: bytes
    anchored: Anchored


def octets(text: str, name: str, size: int | None = None) -> bytes:
    """The bytes of lower-case ``0x…``; Invalid in any other spelling, and of another size than ``size``."""
    if len(text) > 2 + 2 * MAX_OCTETS or text != text.lower():
        raise Invalid(f"{name} is too long or not in lower case", code="bad_hex")
    try:
        return unhex(text, size)
    except ValueError as error:
        raise Invalid(f"{name} {error}", code="bad_hex") from error


def included(proof: LeafProof) -> bool:
    """Whether the path leads from the leaf to the log's root."""
    if len(proof.path) > MAX_PROOF:
        raise Invalid(f"path has more than {MAX_PROOF} nodes", code="bad_path")
    path = [octets(node, "path", WORD) for node in proof.path]
    leaf = leaf_hash(octets(proof.leaf, "leaf"), keccak)
    return verify_inclusion(leaf, proof.index, proof.log_size, path, octets(proof.log_root, "log_root", WORD), keccak)


def stored(proof: LeafProof) -> Stored:
    """Follow a proof from its block's header to the ledger's record of the root; InvalidProof says where it breaks."""
    block = headers.decode(octets(proof.state.header, "header"))
    octets(proof.execution_ledger, "execution_ledger", ADDRESS)
    nodes = [octets(node, "account_proof") for node in proof.state.account_proof[: trie.MAX_NODES + 1]]
    storage_root, code_hash = proofs.account(block.state_root, proof.execution_ledger, nodes)
    slot = proofs.anchor_slot(octets(proof.org, "org", WORD), octets(proof.log_root, "log_root", WORD))
    nodes = [octets(node, "storage_proof") for node in proof.state.storage_proof[: trie.MAX_NODES + 1]]
    packed = headers.integer(trie.decode(trie.lookup(storage_root, slot, nodes)), WORD)
    return Stored(block=block, code_hash=code_hash, anchored=proofs.unpack(packed))
