"""What a citation of an anchored start says of itself, by hashes alone: no chain and no clock."""

from tallystick.core.errors import Invalid
from tallystick.core.merkle import MAX_PROOF, leaf_hash, verify_inclusion
from tallystick.core.statement import CiteStart

from . import leaf as leaves
from .hashing import WORD, keccak, unhex
from .leaf import Leaf
from .proofs import LeafProof


def cited_leaf(body: CiteStart) -> Leaf:
    """The leaf that is cited; InvalidLeaf, or Invalid (``false_citation``) where the head that is named lacks it."""
    try:
        data, root = unhex(body.leaf, leaves.SIZE), unhex(body.log_root, WORD)
        path = [unhex(node, WORD) for node in body.path[: MAX_PROOF + 1]]
    except ValueError as error:
        raise Invalid(f"a citation's hash {error}", code="false_citation") from error
    if len(path) > MAX_PROOF or not verify_inclusion(
        leaf_hash(data, keccak), body.index, body.log_size, path, root, keccak
    ):
        raise Invalid("the cited leaf does not stand in the head that is named", code="false_citation")
    return leaves.decode(data)


def of(proof: LeafProof) -> CiteStart:
    """The citation of a leaf by its proof."""
    return CiteStart(
        leaf=proof.leaf,
        index=proof.index,
        path=proof.path,
        chain_id=proof.chain_id,
        log_epoch=proof.log_epoch,
        log_size=proof.log_size,
        log_root=proof.log_root,
        block_number=proof.block_number,
    )
