"""What endpoints claim about one question, made comparable.

Only answers that name their block, or a transaction, are compared: those about the newest block differ between honest
endpoints from one moment to the next.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from .endpoint import Endpoint, quantity
from .errors import ChainUnavailable

COMPARED = {"eth_getTransactionReceipt", "eth_getBlockByNumber", "eth_getTransactionCount"}
# Of headers and receipts; what a client adds besides (a total difficulty, a decoded log) may differ.
FIELDS = {
    "eth_getTransactionReceipt": ("transactionHash", "blockHash", "blockNumber", "status", "gasUsed"),
    "eth_getBlockByNumber": ("hash", "number", "parentHash", "stateRoot", "timestamp", "transactions"),
}


class Claim(NamedTuple):
    """An endpoint's answer: ``facts`` are None where it knows of no such thing, ``height`` is the block it is about."""

    endpoint: Endpoint
    result: Any
    facts: tuple[str, ...] | None
    height: int | None


def compared(method: str, parameters: tuple[Any, ...]) -> bool:
    """Whether the answers to this question are compared."""
    if method not in COMPARED:
        return False
    if method == "eth_getBlockByNumber":
        return _numbered(parameters, 0)
    return method == "eth_getTransactionReceipt" or _numbered(parameters, 1)


def claim(endpoint: Endpoint, method: str, parameters: tuple[Any, ...], result: Any) -> Claim:
    """Read an answer; ChainUnavailable when it is none."""
    if method == "eth_getTransactionCount":
        count = quantity(method, result)
        return Claim(endpoint, result, (str(count),), int(parameters[1], 16))
    asked = int(parameters[0], 16) if method == "eth_getBlockByNumber" else None
    if result is None:
        return Claim(endpoint, None, None, asked)
    if not isinstance(result, Mapping):
        raise ChainUnavailable(f"{endpoint.label} answers {method} with something else")
    facts = tuple(str(result.get(name)).lower() for name in FIELDS[method])
    named = result.get("blockNumber" if asked is None else "number")
    # A receipt without a block is of a transaction that waits.
    height = quantity(method, named) if named is not None else asked
    return Claim(endpoint, result, None if named is None and asked is None else facts, height)


def alone(said: list[Claim]) -> list[Claim]:
    """Of claims with facts those that differ from what most say; all of them when there is no majority."""
    counts = {facts: sum(one.facts == facts for one in said) for facts in {one.facts for one in said}}
    if len(counts) < 2:
        return []
    most = max(counts.values())
    if list(counts.values()).count(most) > 1:
        return said
    return [one for one in said if counts[one.facts] < most]


def _numbered(parameters: tuple[Any, ...], place: int) -> bool:
    return len(parameters) > place and isinstance(parameters[place], str) and parameters[place].startswith("0x")
