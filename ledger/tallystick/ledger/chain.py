"""An Ethereum chain as we ask about it: the pinned one, in bounded time, and each failure is one of our errors.

Which of its endpoints answers is :mod:`~tallystick.ledger.endpoints`' concern.
"""

from collections.abc import Sequence
from typing import Any

from eth_abi.exceptions import DecodingError

from . import header
from .abi import Abi
from .endpoint import TIMEOUT_S, EndpointStatus, quantity
from .endpoints import Endpoints
from .errors import ChainUnavailable, WrongChain
from .hashing import unhex
from .proofs import StateProof


class Chain:
    """One chain through one or several endpoints. ``check`` before relying on it: an endpoint may change its chain.

    ``genesis_hash`` is its first block's; where it is not given, the one met first has to stay. ``quorum`` endpoints
    have to give the same answer where answers are compared.
    """

    def __init__(
        self,
        url: str | Sequence[str],
        chain_id: int,
        *,
        genesis_hash: str | None = None,
        quorum: int = 1,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self.chain_id = chain_id
        urls = [url] if isinstance(url, str) else list(url)
        self._endpoints = Endpoints(urls, chain_id, genesis_hash=genesis_hash, quorum=quorum, timeout_s=timeout_s)

    async def close(self) -> None:
        """End its connections."""
        await self._endpoints.close()

    def endpoints(self) -> list[EndpointStatus]:
        """How each endpoint does, in the order of the settings."""
        return self._endpoints.status()

    async def ask(self, method: str, *parameters: Any) -> Any:
        """One request's result; ChainUnavailable, Reverted or RpcRefused otherwise."""
        return await self._endpoints.ask(method, *parameters)

    async def check(self) -> None:
        """WrongChain when no endpoint serves the pinned chain; EndpointsDisagree while two contradict each other."""
        await self._endpoints.check()

    async def genesis(self) -> str:
        """The hash of the chain's first block, once an endpoint of the pinned chain has been found."""
        return await self._endpoints.genesis()

    async def number(self, method: str, *parameters: Any) -> int:
        """A request whose result is a quantity."""
        return quantity(method, await self.ask(method, *parameters))

    async def block_number(self) -> int:
        """The newest block's number."""
        return await self.number("eth_blockNumber")

    async def balance(self, address: str) -> int:
        """An account's balance in wei."""
        return await self.number("eth_getBalance", address, "latest")

    async def code(self, address: str) -> bytes:
        """The code at an address; empty when there is none."""
        return _data("eth_getCode", await self.ask("eth_getCode", address, "latest"))

    async def view(self, to: str, abi: Abi, name: str, *values: Any) -> Any:
        """Call a view in the newest block."""
        call = {"to": to, "data": "0x" + abi.call(name, *values).hex()}
        data = _data("eth_call", await self.ask("eth_call", call, "latest"))
        if not data:
            raise WrongChain(f"no contract stands at {to}")
        try:
            return abi.answer(name, data)
        except DecodingError as error:
            raise ChainUnavailable(f"the chain's endpoint answers {name} with other words than its type") from error

    async def block(self, number: int | str) -> dict[str, Any]:
        """A block's header fields, by number or tag."""
        tag = number if isinstance(number, str) else hex(number)
        found = await self.ask("eth_getBlockByNumber", tag, False)
        if not isinstance(found, dict):
            raise ChainUnavailable(f"the chain's endpoint has no block {number}")
        return found

    async def block_hash(self, number: int) -> str | None:
        """The hash of a block; None when the chain has no block of that number (any more)."""
        found = await self.ask("eth_getBlockByNumber", hex(number), False)
        return str(found.get("hash")).lower() if isinstance(found, dict) else None

    async def state_proof(self, address: str, slot: bytes, number: int) -> StateProof:
        """The header of a block, and the proofs of an account and of one of its storage words as of that block."""
        block = await self.block(number)
        proof = await self.ask("eth_getProof", address, ["0x" + slot.hex()], hex(number))
        try:
            return StateProof(
                header="0x" + header.encode(block).hex(),
                account_proof=[str(node).lower() for node in proof["accountProof"]],
                storage_proof=[str(node).lower() for node in proof["storageProof"][0]["proof"]],
            )
        except (KeyError, IndexError, TypeError) as error:
            raise ChainUnavailable("the chain's endpoint gives no proofs (eth_getProof)") from error


def _data(method: str, result: Any) -> bytes:
    try:
        return unhex(result)
    except (TypeError, ValueError) as error:
        raise ChainUnavailable(f"the chain's endpoint answers {method} with no bytes") from error
