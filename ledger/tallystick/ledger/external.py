"""A signer outside of this process, by web3signer's JSON-RPC API (``eth_signTransaction`` of its eth1 mode).

The key never comes near the node. What comes back is a stranger's: it is used only when it is the transaction that was
asked for, in every field, signed by the account expected.
"""

import asyncio
import json
from typing import Any

import rlp  # type: ignore[import-untyped]  # it ships no types
from aiohttp import ClientError, ClientSession, ClientTimeout
from eth_account import Account as EthAccount
from eth_utils.address import to_checksum_address
from rlp.exceptions import DecodingError  # type: ignore[import-untyped]

from . import transaction as transactions
from .errors import BadSignature, SignerUnavailable
from .hashing import ADDRESS, keccak, to_hex, unhex

TIMEOUT_S = 10.0
MAX_ANSWER = 1_000_000  # bytes: call data of the widest batch, twice as hex, and to spare
# As the API spells them; a transaction's type follows from the fees, and the chain is the signer's own setting.
_SENT = ("nonce", "to", "value", "gas", "maxFeePerGas", "maxPriorityFeePerGas")


class Web3Signer:
    """One account of a signer at ``url``; it is set to its chain by whoever runs it (``--chain-id``)."""

    def __init__(self, url: str, address: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._url = url
        self._address = to_checksum_address(unhex(address, ADDRESS))
        self._timeout_s = timeout_s

    @property
    def address(self) -> str:
        """The account, spelt with EIP-55's checksum."""
        return self._address

    async def sign_transaction(self, transaction: dict[str, Any]) -> tuple[bytes, str]:
        """The signed bytes and their hash; SignerUnavailable without an answer, BadSignature when it is another's."""
        fields = {name: _hex(transaction[name]) for name in _SENT if name in transaction}
        request = {"from": self._address, **fields, "data": to_hex(transaction["data"])}
        raw = _octets(await self._ask("eth_signTransaction", request))
        _check(raw, transaction, self._address)
        return raw, to_hex(keccak(raw))

    async def _ask(self, method: str, *parameters: Any) -> Any:
        """One request of one connection: signing is rare, and a signer that restarts leaves no dead one behind."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                ClientSession(timeout=ClientTimeout(total=self._timeout_s)) as session,
                session.post(self._url, json=body) as response,
            ):
                answer = json.loads(await _bounded(response.content))
        except (TimeoutError, OSError, ClientError, ValueError) as error:
            raise SignerUnavailable(f"the signer of {self._address} does not answer") from error
        if not isinstance(answer, dict) or "result" not in answer:
            said = answer.get("error") if isinstance(answer, dict) else None
            message = said.get("message") if isinstance(said, dict) else said
            raise SignerUnavailable(f"the signer of {self._address} refuses: {str(message)[:300]}")
        return answer["result"]


async def _bounded(content: Any) -> bytes:
    data: bytes = b""
    async for part in content.iter_chunked(65_536):
        data += part
        if len(data) > MAX_ANSWER:
            raise ValueError("the answer is too long")
    return data


def _hex(value: Any) -> str:
    return hex(value) if isinstance(value, int) else str(value)


def _octets(result: Any) -> bytes:
    try:
        return unhex(result)
    except (TypeError, ValueError) as error:
        raise BadSignature("the signer answers with no transaction") from error


def _check(raw: bytes, wanted: dict[str, Any], address: str) -> None:
    """Every field as asked for, and the signature that of ``address`` (EIP-1559, EIP-2718)."""
    try:
        if raw[:1] != transactions.TYPE:
            raise BadSignature("the signer signed a transaction of another type")
        fields = rlp.decode(raw[1:])
        if len(fields) != transactions.SIGNED or fields[: transactions.UNSIGNED] != transactions.fields(wanted):
            raise BadSignature("the signer signed another transaction than the one that it was asked to")
        signer = EthAccount.recover_transaction(raw)
    except BadSignature:
        raise
    except (DecodingError, TypeError, ValueError) as error:
        raise BadSignature("the signer answers with no signed transaction") from error
    except Exception as error:  # eth_keys has errors of its own, without a base that it exports
        raise BadSignature("the signer's signature cannot be read") from error
    if signer != address:
        raise BadSignature(f"the signer signed for {signer}, not for {address}")
