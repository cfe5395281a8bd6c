"""When the chain held a leaf: what bounds the time of everything that the leaf covers.

In this order: the leaf stands in its log; the log's root stands in the ledger's storage as of the proof's block; that
block is one that is trusted; chain, address and code are those that are trusted (checks 15 to 17, for one anchor).
"""

import msgspec

from tallystick.core.errors import TallystickError
from tallystick.ledger import leaf as leaves
from tallystick.ledger.leaf import Leaf
from tallystick.ledger.proofs import LeafProof

from . import chain
from .trust import Trust

LEDGER = "execution_ledger"
_SECOND_MS = 1000


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """The leaf was on the chain at ``not_after`` (milliseconds since 1970), when ``block_number`` was made."""

    leaf: Leaf
    org: str
    block_number: int
    not_after: int


def moment(proof: LeafProof, trust: Trust) -> Moment | None:
    """When the chain held it, as far as ``trust`` reaches; None when nothing establishes that."""
    try:
        return _moment(proof, trust)
    except TallystickError:
        return None


def _moment(proof: LeafProof, trust: Trust) -> Moment | None:
    if trust.contracts is None or not chain.included(proof):
        return None
    found, leaf = chain.stored(proof), leaves.decode(chain.octets(proof.leaf, "leaf"))
    trusted = {block.number: block.hash.lower() for block in trust.trusted_blocks}
    held = found.anchored
    holds = (
        trusted.get(found.block.number) == "0x" + found.block.hash.hex(),
        (proof.chain_id, proof.execution_ledger) == (trust.chain_id, trust.contracts.execution_ledger.lower()),
        "0x" + found.code_hash.hex() == trust.contracts.code_hashes.get(LEDGER, "").lower(),
        (held.size, held.epoch, held.block_number) == (proof.log_size, proof.log_epoch, proof.block_number),
        "0x" + leaf.org.hex() == proof.org,
    )
    if not all(holds):
        return None
    # A block's time counts whole seconds.
    not_after = (held.time + 1) * _SECOND_MS - 1
    return Moment(leaf=leaf, org=proof.org, block_number=held.block_number, not_after=not_after)
