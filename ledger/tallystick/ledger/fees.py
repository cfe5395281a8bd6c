"""What to offer for a transaction (EIP-1559), and how much more for one that replaces another."""

from typing import NamedTuple

from .chain import Chain
from .errors import ChainUnavailable, RpcRefused

LEAST_PRIORITY = 10**9  # wei a unit of gas, where the endpoint suggests nothing
BUMP = 1125  # thousandths: nodes take a replacement that raises both fees by an eighth at least


class Fee(NamedTuple):
    """Both fees in wei a unit of gas."""

    max_fee: int
    priority_fee: int


async def current(chain: Chain) -> Fee:
    """Enough for the next blocks: twice the base fee lasts for six full blocks in a row."""
    block = await chain.block("latest")
    try:
        base = int(block["baseFeePerGas"], 16)
    except (KeyError, TypeError, ValueError) as error:
        raise ChainUnavailable("the chain has no base fee (EIP-1559)") from error
    try:
        priority = await chain.number("eth_maxPriorityFeePerGas")
    except RpcRefused:
        priority = LEAST_PRIORITY
    return Fee(2 * base + priority, priority)


def bumped(old: Fee, now: Fee) -> Fee:
    """The fees of a replacement: both an eighth above the old ones, or what is due now if that is more."""
    least = Fee(*(-(-fee * BUMP // 1000) for fee in old))
    priority = max(least.priority_fee, now.priority_fee)
    return Fee(max(least.max_fee, now.max_fee, priority), priority)
