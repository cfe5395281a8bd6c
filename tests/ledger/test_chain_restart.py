"""A chain that is killed and comes back, older by what it had not written, loses nothing for good."""

import asyncio
import json
from pathlib import Path

import pytest

from ledger.parties import FAUCET, Party, make_party, settle
from support.processes import Anvil, Processes, start_anvil
from tallystick.ledger.chain import Chain
from tallystick.ledger.deploy import deploy, fund
from tallystick.ledger.errors import WrongChain
from tallystick.ledger.proofs import verify_leaf
from tallystick.ledger.service import LedgerSettings, OrgLedger

DUMP_SECONDS = 1


def _start(processes: Processes, state: Path, port: int = 0) -> Anvil:
    """Start anvil as the demo does."""
    options = ("--state", str(state), "--state-interval", str(DUMP_SECONDS), "--preserve-historical-states")
    return start_anvil(processes, *options, port=port)


async def _dumped(state: Path) -> None:
    """Wait for a dump that began after now: the second from here."""
    for _ in range(2):
        before = _written(state)
        for _ in range(500):
            await asyncio.sleep(0.02)
            if _written(state) > before:
                break


async def _whole(state: Path) -> bytes:
    """Read the dump while anvil is not in the middle of writing it."""
    while True:
        dump = await asyncio.to_thread(state.read_bytes)
        try:
            json.loads(dump)
        except ValueError:
            await asyncio.sleep(0.02)
        else:
            return dump


def _written(state: Path) -> int:
    return state.stat().st_mtime_ns if state.exists() else 0


async def test_kill_9_of_the_chain_loses_no_leaf(processes: Processes, tmp_path: Path) -> None:
    state, spare = tmp_path / "state.json", tmp_path / "spare.json"
    anvil = _start(processes, state)
    chain = Chain(anvil.url, 31337)
    one: Party = await make_party(anvil.url, chain, await deploy(chain, FAUCET))
    ledger = one.ledger()
    one.append(2)
    await settle(ledger)
    await _dumped(state)
    spare.write_bytes(await _whole(state))
    one.append(2)
    await settle(ledger)  # confirmed, and then gone with the chain's last second
    anvil.server.kill()
    state.write_bytes(spare.read_bytes())
    _start(processes, state, anvil.port)
    one.append()
    await settle(ledger)
    for index in range(5):
        assert verify_leaf(await ledger.proof(index)).anchored.size > index
    assert (await ledger.status()).anchored_size == 5
    await ledger.close()
    await chain.close()


async def test_a_chain_that_was_reset_is_named_and_nothing_happens_there(processes: Processes) -> None:
    """A new chain under the old URL, with the contracts at their old addresses: it is still not the chain."""
    anvil = start_anvil(processes)
    chain = Chain(anvil.url, 31337)
    one: Party = await make_party(anvil.url, chain, await deploy(chain, FAUCET))
    genesis = await chain.genesis()
    ledger = one.ledger()
    one.append(2)
    await settle(ledger)
    anvil.server.kill()
    fresh = start_anvil(processes, "--timestamp", "1700000000", port=anvil.port)  # else the second is its name
    new = Chain(fresh.url, 31337)
    assert await new.genesis() != genesis
    assert (await deploy(new, FAUCET)).contracts == one.contracts
    await fund(new, FAUCET, one.account.address, 10**18)
    one.append()
    before = await one.submissions.unsettled()
    for _ in range(3):
        with pytest.raises(WrongChain) as caught:
            await ledger.step()
        assert caught.value.code == "chain_reset"
    assert [(one.state, one.trouble) for one in ledger.chain.endpoints()] == [("reset", caught.value.detail)]
    assert await one.submissions.unsettled() == before
    # A node that is started anew and has the first block in its settings holds just as well.
    settings = LedgerSettings(blockchain_url=fresh.url, chain_id=31337, contracts=one.contracts, genesis_hash=genesis)
    again = OrgLedger(settings, one.account, one.log_key, one.salt, one.submissions, one.leaves, clock=one.clock)
    with pytest.raises(WrongChain):
        await again.step()
    assert await new.number("eth_getTransactionCount", one.account.address, "latest") == 0
    for client in (ledger, again, chain, new):
        await client.close()
