"""The bytes of an EIP-1559 transaction (EIP-2718 type 2): what is hashed to be signed, and what is sent.

``eth_account`` makes the same ones, checking far more on the way; the tests compare. Fields are named as JSON-RPC names
them; without ``to`` a contract is made, and there is no access list.
"""

from typing import Any

import rlp  # type: ignore[import-untyped]  # it ships no types

from .hashing import ADDRESS, WORD, keccak, unhex

TYPE = b"\x02"
UNSIGNED = 9  # fields before the signature
SIGNED = 12
_NUMBERS = ("chainId", "nonce", "maxPriorityFeePerGas", "maxFeePerGas", "gas")


def fields(transaction: dict[str, Any]) -> list[Any]:
    """The nine fields in the order of RLP; ValueError for numbers below zero or an address that is none."""
    numbers = [_integer(transaction[name]) for name in _NUMBERS]
    to = unhex(transaction["to"], ADDRESS) if "to" in transaction else b""
    return [*numbers, to, _integer(transaction["value"]), transaction["data"], []]


def digest(unsigned: list[Any]) -> bytes:
    """What the account signs."""
    return keccak(TYPE + _encoded(unsigned))


def signed(unsigned: list[Any], signature: bytes) -> bytes:
    """The bytes to send; ``signature`` is r ‖ s ‖ v with v 27 or 28."""
    r, s = (int.from_bytes(signature[start : start + WORD], "big") for start in (0, WORD))
    return TYPE + _encoded([*unsigned, _integer(signature[2 * WORD] - 27), _integer(r), _integer(s)])


def _encoded(items: list[Any]) -> bytes:
    data: bytes = rlp.encode(items)
    return data


def _integer(number: int) -> bytes:
    """RLP's integers: big-endian without leading zeros, nothing for zero."""
    if number < 0:
        raise ValueError("a transaction has no field below zero")
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
