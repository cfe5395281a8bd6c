"""The chain as one round of the submitter sees it: questions about one head, and answers that bear each other out.

An endpoint may lag, stand in front of nodes that disagree, or lie. Nothing that it says once is taken for true where
another of its answers can contradict it: a receipt counts when the block of its number has its hash and lists the
transaction, and a block is gone when another stands in its place. Silence proves nothing.
"""

from typing import Any

import msgspec

from .chain import Chain
from .errors import ChainUnavailable
from .ports import Submission

MAX_GIVEN_UP = 8  # transactions that are still looked for, of those given up


class Inclusion(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction in a block of the chain; ``price`` in wei a unit of gas, ``block_time`` in seconds."""

    transaction_hash: str
    block_number: int
    block_hash: str
    block_time: int
    gas_used: int
    price: int
    succeeded: bool

    @property
    def facts(self) -> dict[str, Any]:
        """What a submission keeps of it."""
        kept = msgspec.structs.asdict(self)
        del kept["succeeded"]
        return kept


class View:
    """Blocks are asked for once a round."""

    def __init__(self, chain: Chain, head: int) -> None:
        self._chain = chain
        self.head = head
        self._blocks: dict[int, dict[str, Any] | None] = {}

    async def used(self, address: str) -> int:
        """How many nonces of the account the head's state has used; a node that lacks the head cannot answer this."""
        return await self._chain.number("eth_getTransactionCount", address, hex(self.head))

    async def stands(self, one: Submission) -> bool | None:
        """Whether the block that it is in is on the chain; None when the endpoint has no block of that number."""
        if one.block_number is None:
            return False
        block = await self._block(one.block_number)
        return None if block is None else block.get("hash") == one.block_hash

    async def inclusion(self, one: Submission) -> Inclusion | None:
        """Which of all transactions signed for it is in a block, the newest first.

        One that was given up counts only where it succeeded: that it failed is known, or of no concern any more.
        """
        kept = {each.transaction_hash for each in one.attempts}
        for name in list(reversed(one.transactions))[: len(kept) + MAX_GIVEN_UP]:
            receipt = await self._chain.ask("eth_getTransactionReceipt", name)
            if isinstance(receipt, dict) and receipt.get("blockHash"):
                found = await self._borne_out(name, receipt)
                if name in kept or (found is not None and found.succeeded):
                    return found
        return None

    async def _borne_out(self, name: str, receipt: dict[str, Any]) -> Inclusion | None:
        try:
            number = int(receipt["blockNumber"], 16)
            block = await self._block(number)
            if block is None or block["hash"] != receipt["blockHash"] or name not in block["transactions"]:
                return None
            return Inclusion(
                transaction_hash=name,
                block_number=number,
                block_hash=str(block["hash"]),
                block_time=int(block["timestamp"], 16),
                gas_used=int(receipt["gasUsed"], 16),
                price=int(receipt["effectiveGasPrice"], 16),
                succeeded=int(receipt["status"], 16) == 1,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ChainUnavailable("the chain's endpoint gives a receipt or block that cannot be read") from error

    async def _block(self, number: int) -> dict[str, Any] | None:
        if number not in self._blocks:
            found = await self._chain.ask("eth_getBlockByNumber", hex(number), False)
            self._blocks[number] = found if isinstance(found, dict) else None
        return self._blocks[number]
