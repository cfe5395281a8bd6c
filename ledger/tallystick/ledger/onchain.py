"""Asking the contract itself whether it holds a leaf, beside the offline proof."""

from . import contracts as calls
from .chain import Chain
from .hashing import unhex
from .proofs import LeafProof


async def verify_on_chain(url: str, proof: LeafProof) -> bool:
    """What ``ExecutionLedger.verify`` answers for a proof's leaf, through an endpoint that the auditor names."""
    chain = Chain(url, proof.chain_id)
    try:
        await chain.check()
        path = [unhex(node) for node in proof.path]
        words = (unhex(proof.org), unhex(proof.leaf), proof.index, path, unhex(proof.log_root))
        return bool(await chain.view(proof.execution_ledger, calls.EXECUTION_LEDGER, "verify", *words))
    finally:
        await chain.close()
