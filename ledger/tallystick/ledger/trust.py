"""What an auditor takes from the chain for a ``trust.json``, through an endpoint of their own."""

from collections.abc import Iterable
from typing import Any

import msgspec

from .chain import Chain
from .contracts import Contracts


async def chain_trust(chain: Chain, contracts: Contracts, blocks: Iterable[int]) -> dict[str, Any]:
    """Chain id, addresses with code hashes, and the hashes of the blocks named; WrongChain if code or chain differ."""
    await chain.check()
    await contracts.check(chain)
    trusted = [{"number": number, "hash": (await chain.block(number))["hash"]} for number in sorted(set(blocks))]
    return {
        "chain_id": chain.chain_id,
        "contracts": {**msgspec.to_builtins(contracts), "code_hashes": contracts.code_hashes()},
        "trusted_blocks": trusted,
    }
