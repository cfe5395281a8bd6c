"""When an anchor counts: so many blocks, or the chain's own marks, as anvil has them."""

import pytest

from tallystick.core.policy import Confirmations
from tallystick.ledger.chain import Chain
from tallystick.ledger.errors import ChainUnavailable
from tallystick.ledger.finality import reached


async def mine(chain: Chain, count: int) -> int:
    await chain.ask("anvil_mine", hex(count))
    return await chain.block_number()


async def test_so_many_blocks_its_own_included(chain: Chain) -> None:
    newest = await mine(chain, 5)
    assert await reached(chain, Confirmations(confirmations=1)) == newest
    assert await reached(chain, Confirmations(confirmations=3)) == newest - 2
    assert await reached(chain, Confirmations(confirmations=1_000)) < 0


async def test_the_chains_own_marks_lie_behind(chain: Chain) -> None:
    """Anvil calls a block safe 32 blocks later, and finalized 64 later: an epoch, and two. No other has a say there."""
    assert [await reached(chain, tag) for tag in ("safe", "finalized")] == [0, 0]  # genesis, before anything else
    newest = await mine(chain, 100)
    safe, finalized = await reached(chain, "safe"), await reached(chain, "finalized")
    assert (newest - safe, newest - finalized) == (32, 64)


async def test_an_endpoint_that_does_not_know_the_marks_says_nothing(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = chain.ask

    async def unknowing(method: str, *parameters: object) -> object:
        return None if parameters[:1] == ("safe",) else await ask(method, *parameters)

    monkeypatch.setattr(chain, "ask", unknowing)
    with pytest.raises(ChainUnavailable, match="no block safe"):
        await reached(chain, "safe")
    assert await reached(chain, "finalized") == 0
