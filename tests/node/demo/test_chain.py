"""The demo's own chain survives a kill."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from tallystick.core.errors import Unavailable
from tallystick.node import freeport
from tallystick.node.client import until
from tallystick.node.demo.chain import CHAIN_ID, Chain, binary

ROOT = Path(__file__).parents[3]
SOMEONE = "0x" + "11" * 20


@pytest.fixture
async def chain(tmp_path: Path) -> AsyncIterator[Chain]:
    made = Chain(binary(ROOT), tmp_path, tmp_path / "anvil.log", port=freeport.find("127.0.0.1"))
    await made.start()
    yield made
    await made.stop()


async def _dumped(state: Path) -> None:
    """Wait for a dump that began after now: the second from here."""
    for _ in range(2):
        await until("a dump", partial(_newer, state, _written(state)), within=10)


async def _newer(state: Path, than: int) -> bool | None:
    return _written(state) > than or None


def _written(state: Path) -> int:
    return state.stat().st_mtime_ns if state.exists() else 0


async def test_blocks_and_balances_survive_kill_9(chain: Chain, tmp_path: Path) -> None:
    await chain.fund([SOMEONE], ether=3)
    block = await chain.block()
    await _dumped(tmp_path / "anvil-state.json")
    await chain.kill()
    with pytest.raises(Unavailable):
        await chain.block()
    await chain.start()
    assert (await chain.block(1))["hash"] == block["hash"]
    assert int(await chain.ask("eth_getBalance", SOMEONE, "latest"), 16) == 3 * 10**18
    assert int(await chain.ask("eth_chainId"), 16) == CHAIN_ID


async def test_a_half_written_dump_is_replaced_by_the_last_whole_one(chain: Chain, tmp_path: Path) -> None:
    state = tmp_path / "anvil-state.json"
    await _dumped(state)
    await chain.kill()
    state.write_bytes(state.read_bytes()[:1000])
    await chain.start()
    assert int((await chain.block())["number"], 16) == 0


async def test_a_question_that_the_chain_refuses_is_an_error(chain: Chain) -> None:
    with pytest.raises(Unavailable, match="eth_nonsense"):
        await chain.ask("eth_nonsense")
