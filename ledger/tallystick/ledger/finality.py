"""When a block counts as one that stays: so many blocks deep, or not above the chain's ``safe`` or ``finalized``."""

from tallystick.core.policy import Confirmations, Finality

from .chain import Chain
from .errors import ChainUnavailable


async def reached(chain: Chain, finality: Finality) -> int:
    """The newest block that counts, -1 while none does; ChainUnavailable where the endpoint does not know the mark."""
    if isinstance(finality, Confirmations):
        return await chain.block_number() - finality.confirmations + 1
    block = await chain.block(finality)
    try:
        return int(block["number"], 16)
    except (KeyError, TypeError, ValueError) as error:
        raise ChainUnavailable(f"the chain's endpoint gives a {finality} block that has no number") from error
