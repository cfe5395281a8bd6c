"""A signer outside of this process, by web3signer's JSON-RPC API (eth1 mode).

Transactions go to ``eth_signTransaction``, heads of the organisation's log to ``eth_signTypedData`` (EIP-712).

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

from . import eip1559, jsonrpc
from .contracts import Head
from .errors import BadSignature, SignerUnavailable
from .hashing import ADDRESS, WORD, keccak, to_hex, unhex
from .orglog import head_digest

TIMEOUT_S = 10.0
MAX_ANSWER = 1_000_000  # bytes: call data of the widest batch, twice as hex, and to spare
LARGEST_S = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0  # half of secp256k1's order (EIP-2)
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

    async def sign_head(self, head: Head, chain_id: int, ledger: str) -> bytes:
        """The 65 bytes of a head's signature, as the contracts take them; the errors of ``sign_transaction``."""
        said = json.dumps(typed_data(head, chain_id, ledger))
        signature = _octets(await self._ask("eth_signTypedData", self._address, said))
        _check_digest(signature, head_digest(head, chain_id, ledger), self._address)
        return signature

    async def _ask(self, method: str, *parameters: Any) -> Any:
        """One request of one connection: signing is rare, and a signer that restarts leaves no dead one behind."""
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                ClientSession(timeout=ClientTimeout(total=self._timeout_s)) as session,
                session.post(self._url, json=jsonrpc.call(1, method, *parameters)) as response,
            ):
                answer = jsonrpc.read(await jsonrpc.body(response.content, MAX_ANSWER))
        except (TimeoutError, OSError, ClientError, ValueError) as error:
            raise SignerUnavailable(f"the signer of {self._address} does not answer") from error
        if not isinstance(answer, dict) or "result" not in answer:
            said = answer.get("error") if isinstance(answer, dict) else None
            message = said.get("message") if isinstance(said, dict) else said
            raise SignerUnavailable(f"the signer of {self._address} refuses: {str(message)[:300]}")
        return answer["result"]


def typed_data(head: Head, chain_id: int, ledger: str) -> dict[str, Any]:
    """What :func:`~tallystick.ledger.orglog.head_digest` is the digest of, as EIP-712 writes it."""
    domain = {"name": "string", "version": "string", "chainId": "uint256", "verifyingContract": "address"}
    fields = {"org": "bytes32", "epoch": "uint64", "oldSize": "uint64", "newSize": "uint64", "root": "bytes32"}
    values = (to_hex(head.org), head.epoch, head.old_size, head.new_size, to_hex(head.root))
    return {
        "types": {"EIP712Domain": _members(domain), "Head": _members(fields)},
        "primaryType": "Head",
        "domain": {
            "name": "Tallystick ExecutionLedger",
            "version": "1",
            "chainId": chain_id,
            "verifyingContract": ledger,
        },
        "message": dict(zip(fields, values, strict=True)),
    }


def _members(types: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "type": kind} for name, kind in types.items()]


def _hex(value: Any) -> str:
    return hex(value) if isinstance(value, int) else str(value)


def _octets(result: Any) -> bytes:
    try:
        return unhex(result)
    except (TypeError, ValueError) as error:
        raise BadSignature("the signer answers with no transaction") from error


def _check_digest(signature: bytes, digest: bytes, address: str) -> None:
    """65 bytes r ‖ s ‖ v with s in the lower half and v 27 or 28 (EIP-2), of ``address``."""
    half = int.from_bytes(signature[WORD : 2 * WORD], "big") <= LARGEST_S
    if len(signature) != 2 * WORD + 1 or signature[-1] not in {27, 28} or not half:
        raise BadSignature("the signer answers with no signature that the contracts take")
    try:
        signer = EthAccount._recover_hash(digest, signature=signature)
    except Exception as error:  # eth_keys has errors of its own, without a base that it exports
        raise BadSignature("the signer's signature cannot be read") from error
    if signer != address:
        raise BadSignature(f"the signer signed for {signer} or something else, not what it was asked to for {address}")


def _check(raw: bytes, wanted: dict[str, Any], address: str) -> None:
    """Every field as asked for, and the signature that of ``address`` (EIP-1559, EIP-2718)."""
    try:
        if raw[:1] != eip1559.TYPE:
            raise BadSignature("the signer signed a transaction of another type")
        fields = rlp.decode(raw[1:])
        if len(fields) != eip1559.SIGNED or fields[: eip1559.UNSIGNED] != eip1559.fields(wanted):
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
