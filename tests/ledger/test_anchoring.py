"""An organisation's log on the chain, from registration to the proof of each leaf."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from ledger.parties import Party, settle
from support.processes import Anvil
from tallystick.ledger import contracts as calls
from tallystick.ledger.audit import onchain
from tallystick.ledger.chain import Chain
from tallystick.ledger.contracts import EXECUTION_LEDGER
from tallystick.ledger.errors import ChainUnavailable, LogContradicted, NotAnchored, WrongChain
from tallystick.ledger.memory import InMemoryLeaves, InMemorySubmissions
from tallystick.ledger.proofs import verify_leaf
from tallystick.ledger.service import LedgerSettings, OrgLedger
from tallystick.ledger.trust import chain_trust

Make = Callable[[], Awaitable[Party]]


async def test_from_nothing_to_a_proven_leaf(party: Make) -> None:
    one = await party()
    ledger = one.ledger()
    one.append(5)
    await settle(ledger)
    assert await ledger.registered()
    for index in range(5):
        proof = await ledger.proof(index)
        verified = verify_leaf(proof)
        assert verified.leaf.encode() == (await one.leaves.leaves(index, index + 1))[0]
        assert "0x" + verified.code_hash.hex() == one.contracts.code_hashes()["execution_ledger"]
        assert "0x" + verified.block.hash.hex() == (await one.chain.block(verified.block.number))["hash"]
        (answer,) = await asyncio.to_thread(onchain.ask, one.url, [proof], one.contracts.execution_ledger)
        assert answer.holds, answer.reason
        other = msgspec.structs.replace(proof, index=index + 1)
        (denial,) = await asyncio.to_thread(onchain.ask, one.url, [other], one.contracts.execution_ledger)
        assert denial.holds is False
    await ledger.close()


async def test_one_anchor_serves_all_leaves_that_are_due(party: Make) -> None:
    one = await party()
    ledger = one.ledger()
    await settle(ledger)
    one.append(40)
    await settle(ledger)
    assert [await ledger.anchor_of(index) for index in (0, 39)] == [await ledger.anchor_of(20)] * 2
    assert len([each for each in await one.submissions.settled(99) if each.log_size]) == 1
    await ledger.close()


async def test_each_leaf_keeps_the_first_root_that_covered_it(party: Make) -> None:
    one = await party()
    ledger = one.ledger()
    for _ in range(3):
        one.append(2)
        await settle(ledger)
    sizes = [verify_leaf(await ledger.proof(index)).anchored.size for index in range(6)]
    assert sizes == [2, 2, 4, 4, 6, 6]
    status = await ledger.status()
    assert (status.log_size, status.anchored_size, status.pending, status.registered) == (6, 6, 0, True)
    await ledger.close()


async def test_a_restart_at_every_round_changes_nothing(party: Make) -> None:
    one = await party()
    for _ in range(10):
        one.append()
        restarted = one.ledger()
        await restarted.step()
        await restarted.close()
    ledger = one.ledger()
    await settle(ledger)
    log = await calls.log_of(one.chain, one.contracts.execution_ledger, one.org)
    assert log.size == 10
    for index in range(10):
        verify_leaf(await ledger.proof(index))
    await ledger.close()


async def test_a_leaf_that_is_not_on_the_chain_has_no_proof(party: Make) -> None:
    one = await party()
    ledger = one.ledger()
    await settle(ledger)
    one.append()
    for index in (0, 1):
        with pytest.raises(NotAnchored):
            await ledger.proof(index)
    await one.chain.ask("evm_setAutomine", False)
    for _ in range(2):
        await ledger.step()
    anchor = await ledger.anchor_of(0)
    assert anchor is not None
    assert anchor.state == "sent"
    with pytest.raises(NotAnchored):
        await ledger.proof(0)
    await ledger.close()


async def test_a_head_that_another_relayed_is_proven_too(party: Make) -> None:
    """Our own transaction is lost with the database, or came second: what counts is the root on the chain."""
    one = await party()
    ledger = one.ledger()
    one.append(3)
    await settle(ledger)
    await ledger.close()
    one.submissions = InMemorySubmissions()
    without = one.ledger()
    await settle(without)
    proof = await without.proof(1)
    assert verify_leaf(proof).anchored.size == 3
    assert proof.transaction_hash is None
    await without.close()


async def test_several_leaves_are_proven_at_one_block(party: Make) -> None:
    one = await party()
    ledger = one.ledger()
    one.append(3)
    await settle(ledger)
    number = await one.chain.block_number()
    proofs = [await ledger.proof(index, number) for index in range(3)]
    await one.chain.ask("anvil_mine", "0x3")
    assert {verify_leaf(each).block.number for each in proofs} == {number}
    trust = await chain_trust(one.chain, one.contracts, [number])
    assert trust["trusted_blocks"] == [{"number": number, "hash": "0x" + verify_leaf(proofs[0]).block.hash.hex()}]
    assert trust["contracts"]["code_hashes"] == one.contracts.code_hashes()
    await ledger.close()


async def test_workflows_are_registered_once(party: Make) -> None:
    one = await party()
    ledger = one.ledger()
    assert not await ledger.register_workflow("ab" * 32)  # waits for the organisation itself
    await settle(ledger)
    for _ in range(3):
        await ledger.register_workflow("ab" * 32)
        await ledger.step()
    assert await ledger.register_workflow("0x" + "ab" * 32)
    await ledger.close()


@pytest.mark.parametrize("kept", [0, 2])
async def test_a_log_restored_from_a_backup_signs_nothing(party: Make, kept: int) -> None:
    """Whatever it signed now could contradict what it signed before."""
    one = await party()
    ledger = one.ledger()
    one.append(3)
    await settle(ledger)
    await ledger.close()
    backup = InMemoryLeaves()
    for leaf in await one.leaves.leaves(0, kept):
        backup.append(leaf)
    one.leaves = backup
    one.append(4 - kept if kept else 0)
    restored = one.ledger()
    with pytest.raises(LogContradicted):
        await restored.step()
    assert (await calls.log_of(one.chain, one.contracts.execution_ledger, one.org)).size == 3
    await restored.close()


async def test_a_new_epoch_is_followed(party: Make) -> None:
    one = await party()
    ledger = one.ledger()
    one.append(3)
    await settle(ledger)
    await one.send(one.contracts.execution_ledger, EXECUTION_LEDGER.call("newEpoch", one.org))
    one.append()
    await settle(ledger)
    log = await calls.log_of(one.chain, one.contracts.execution_ledger, one.org)
    assert (log.epoch, log.size) == (1, 4)
    assert verify_leaf(await ledger.proof(3)).anchored.epoch == 1
    await ledger.close()


async def test_a_chain_that_came_back_older_gets_the_log_again(party: Make) -> None:
    one = await party()
    ledger = one.ledger()
    await settle(ledger)
    before = await one.chain.ask("evm_snapshot")
    for _ in range(2):
        one.append(2)
        await settle(ledger)
    await one.chain.ask("evm_revert", before)
    await settle(ledger)
    for index in range(4):
        verify_leaf(await ledger.proof(index))
    await ledger.close()


async def test_another_chain_is_refused(party: Make, anvil: Anvil) -> None:
    one = await party()
    settings = LedgerSettings(blockchain_url=anvil.url, chain_id=1, contracts=one.contracts)
    ledger = OrgLedger(settings, one.account, one.log_key, one.salt, one.submissions, one.leaves)
    with pytest.raises(WrongChain):
        await ledger.step()
    assert not await one.submissions.unsettled()
    await ledger.close()


async def test_other_code_at_an_address_is_refused(party: Make) -> None:
    one = await party()
    swapped = msgspec.structs.replace(one.contracts, execution_ledger=one.contracts.workflow_registry)
    one.contracts = swapped
    ledger = one.ledger()
    with pytest.raises(WrongChain, match="execution_ledger"):
        await ledger.step()
    await ledger.close()


async def test_a_chain_that_is_down_is_unavailable_and_then_caught_up_with(party: Make, anvil: Anvil) -> None:
    one = await party()
    ledger = one.ledger()
    await settle(ledger)
    anvil.server.kill()
    one.append()
    with pytest.raises(ChainUnavailable):
        await ledger.step()
    await ledger.close()


async def test_an_endpoint_that_hangs_is_unavailable(anvil: Anvil) -> None:
    chain = Chain(anvil.url, 31337, timeout_s=0.000001)
    with pytest.raises(ChainUnavailable):
        await chain.block_number()
    await chain.close()
