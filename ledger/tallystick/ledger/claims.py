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
_SHOWN = 66  # characters of a value that a message repeats: a hash


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


def sides(found: list[Claim], beyond: set[Endpoint]) -> list[list[Claim]]:
    """Those that say the same, the most first; more than one side is a contradiction.

    Whoever knows of no such thing is a side too where it has the block that it would be in (``beyond``) or where nobody
    knows of it; else it may only be behind, and contradicts nobody.
    """
    if all(one.facts is None for one in found):
        return [found]
    same: dict[tuple[str, ...] | None, list[Claim]] = {}
    for one in found:
        if one.facts is not None or one.endpoint in beyond:
            same.setdefault(one.facts, []).append(one)
    return sorted(same.values(), key=len, reverse=True)


def alone(sides: list[list[Claim]]) -> list[Claim]:
    """Whoever says otherwise than most; all, where as many say one thing as another."""
    most, *others = sides
    if others and len(others[0]) == len(most):
        others = sides
    return [one for side in others for one in side]


def contrast(method: str, parameters: tuple[Any, ...], odd: Claim, most: Claim) -> str:
    """What one says of it and what most say, as far as they differ: the evidence that a person is shown."""
    about = f"{method}({', '.join(str(one)[:_SHOWN] for one in parameters[:2])})"
    if odd.facts is None or most.facts is None:
        knows = "knows of none" if odd.facts is None else f"answers {_short(odd.facts)}"
        return f"about {about}: it {knows}, the others {'know of none' if most.facts is None else _short(most.facts)}"
    names = FIELDS.get(method, ("count",))
    differ = [
        f"{name} {_short((said,))}, the others {_short((others,))}"
        for name, said, others in zip(names, odd.facts, most.facts, strict=True)
        if said != others
    ]
    return f"about {about}: {'; '.join(differ)}"


def _short(facts: tuple[str, ...]) -> str:
    said = facts[0]
    return said if len(said) <= _SHOWN else f"{said[:_SHOWN]}…"


def _numbered(parameters: tuple[Any, ...], place: int) -> bool:
    return len(parameters) > place and isinstance(parameters[place], str) and parameters[place].startswith("0x")
