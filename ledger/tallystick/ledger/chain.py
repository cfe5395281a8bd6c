"""An Ethereum JSON-RPC endpoint: pinned to one chain, each request in bounded time, each failure one of our errors."""

import asyncio
from typing import Any

from aiohttp import ClientError, ClientTimeout
from eth_abi.exceptions import DecodingError
from web3 import AsyncHTTPProvider
from web3.exceptions import Web3Exception
from web3.types import RPCEndpoint

from . import header
from .abi import Abi
from .errors import ChainUnavailable, Reverted, RpcRefused, WrongChain
from .hashing import unhex
from .proofs import StateProof

TIMEOUT_S = 10.0
EXECUTION_REVERTED = 3  # JSON-RPC error code that clients give for a revert, with its data


class Chain:
    """One endpoint. ``check`` before relying on it: an endpoint may come back as another chain."""

    def __init__(self, url: str, chain_id: int, *, timeout_s: float = TIMEOUT_S) -> None:
        self.chain_id = chain_id
        self._timeout_s = timeout_s
        arguments = {"timeout": ClientTimeout(total=timeout_s)}
        # Trying again is the caller's decision: only it knows whether a request may be repeated.
        self._provider = AsyncHTTPProvider(url, arguments, exception_retry_configuration=None)

    async def close(self) -> None:
        """End its connections."""
        await self._provider.disconnect()

    async def ask(self, method: str, *parameters: Any) -> Any:
        """One request's result; ChainUnavailable, Reverted or RpcRefused otherwise."""
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._provider.make_request(RPCEndpoint(method), list(parameters))
        except (TimeoutError, OSError, ClientError, Web3Exception, ValueError) as error:
            raise ChainUnavailable(f"the chain's endpoint does not answer {method}") from error
        if not isinstance(answer, dict):
            raise ChainUnavailable(f"the chain's endpoint answers {method} with no JSON-RPC object")
        if answer.get("error"):
            raise _refused(method, answer["error"])
        return answer.get("result")

    async def check(self) -> None:
        """WrongChain unless the endpoint serves the pinned chain."""
        found = await self.number("eth_chainId")
        if found != self.chain_id:
            raise WrongChain(f"the endpoint serves chain {found}, not {self.chain_id}")

    async def number(self, method: str, *parameters: Any) -> int:
        """A request whose result is a quantity."""
        result = await self.ask(method, *parameters)
        try:
            return int(result, 16)
        except (TypeError, ValueError) as error:
            raise ChainUnavailable(f"the chain's endpoint answers {method} with no number") from error

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


def _refused(method: str, error: Any) -> RpcRefused | Reverted:
    fields = error if isinstance(error, dict) else {"message": str(error)}
    message, number, data = str(fields.get("message", ""))[:300], fields.get("code"), fields.get("data")
    if number == EXECUTION_REVERTED or "revert" in message.lower():
        return Reverted(message, data=_custom_error(data))
    return RpcRefused(f"{method}: {message}", number=number if isinstance(number, int) else 0, data=data)


def _data(method: str, result: Any) -> bytes:
    try:
        return unhex(result)
    except (TypeError, ValueError) as error:
        raise ChainUnavailable(f"the chain's endpoint answers {method} with no bytes") from error


def _custom_error(data: Any) -> bytes | None:
    try:
        return unhex(data)
    except (TypeError, ValueError):
        return None
