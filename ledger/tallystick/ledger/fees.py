"""What to offer for a transaction (EIP-1559), and how much more for one that replaces another.

An endpoint names the base and the priority fee, and may lie: nothing above the ceiling is ever signed.
"""

from typing import NamedTuple

from .chain import Chain
from .errors import ChainUnavailable, FeeTooHigh, RpcRefused

CEILING = 200 * 10**9  # wei a unit of gas, both fees together
LEAST_PRIORITY = 10**9  # wei a unit of gas, where the endpoint suggests nothing
BUMP = 1125  # thousandths: nodes take a replacement that raises both fees by an eighth at least


class Fee(NamedTuple):
    """Both fees in wei a unit of gas."""

    max_fee: int
    priority_fee: int


async def current(chain: Chain, ceiling: int = CEILING) -> Fee:
    """Enough for the next blocks: twice the base fee lasts for six full blocks in a row, as far as ``ceiling`` allows.

    Raises :class:`FeeTooHigh` while the base fee itself is above the ceiling, so that no block would take it.
    """
    block = await chain.block("latest")
    try:
        base = int(block["baseFeePerGas"], 16)
    except (KeyError, TypeError, ValueError) as error:
        raise ChainUnavailable("the chain has no base fee (EIP-1559)") from error
    if base > ceiling:
        raise FeeTooHigh(base, ceiling)
    try:
        priority = await chain.number("eth_maxPriorityFeePerGas")
    except RpcRefused:
        priority = LEAST_PRIORITY
    most = min(2 * base + priority, ceiling)
    return Fee(most, min(priority, most))


def bumped(old: Fee, now: Fee, ceiling: int = CEILING) -> Fee | None:
    """The fees of a replacement: both an eighth above the old ones, or what is due now if that is more.

    None when that is above ``ceiling``: the old offer stands, since no node takes a replacement for less.
    """
    least = Fee(*(-(-fee * BUMP // 1000) for fee in old))
    priority = max(least.priority_fee, now.priority_fee)
    fee = Fee(max(least.max_fee, now.max_fee, priority), priority)
    return fee if fee.max_fee <= ceiling else None
