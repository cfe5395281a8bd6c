"""ExecutionLedger: logs only grow, only their organisation's keys move them, contradictions stay on record."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from ledger.parties import Party, new_account
from tallystick.core import merkle
from tallystick.ledger import contracts as calls
from tallystick.ledger.accounts import sign_all
from tallystick.ledger.contracts import EXECUTION_LEDGER, ORG_REGISTRY, Head
from tallystick.ledger.hashing import address_word, keccak, unhex, word
from tallystick.ledger.orglog import head_digest

Make = Callable[[], Awaitable[Party]]
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@pytest.fixture
async def one(party: Make) -> Party:
    """Give a registered organisation with three leaves on the chain."""
    made = await party()
    await made.register()
    made.grow(3)
    await made.send(made.contracts.execution_ledger, made.anchor(0))
    return made


async def _view(party: Party, name: str, *values: Any) -> Any:
    return await party.chain.view(party.contracts.execution_ledger, EXECUTION_LEDGER, name, *values)


async def _refused(party: Party, data: bytes) -> str:
    return await party.refusal(party.contracts.execution_ledger, data)


async def test_a_log_grows_by_consistent_signed_heads(one: Party) -> None:
    first = one.tree.root()
    one.grow(4)
    await one.send(one.contracts.execution_ledger, one.anchor(3))
    log = await calls.log_of(one.chain, one.contracts.execution_ledger, one.org)
    assert (log.epoch, log.size, log.root) == (0, 7, one.tree.root())
    size, block, time, epoch = await _view(one, "anchorOf", one.org, first)
    assert (size, epoch) == (3, 0)
    assert 0 < block <= await one.chain.block_number()
    assert time > 0


async def test_anybody_may_relay_a_signed_head(one: Party, party: Make) -> None:
    relay = await party()
    one.grow()
    await relay.send(one.contracts.execution_ledger, one.anchor(3))
    assert (await calls.log_of(one.chain, one.contracts.execution_ledger, one.org)).size == 4


async def test_heads_of_several_organisations_go_in_one_transaction(one: Party, party: Make) -> None:
    other, ledger = await party(), one.contracts.execution_ledger
    await other.register()
    one.grow(2)
    other.grow(4)
    parts = [
        (each.head(old), each.tree.consistency(old), each.sign(each.head(old))) for each, old in ((one, 3), (other, 0))
    ]
    await one.send(ledger, calls.anchor_many(parts))
    assert (await calls.log_of(one.chain, ledger, one.org)).size == 5
    assert (await calls.log_of(one.chain, ledger, other.org)).size == 4


async def test_a_quorum_of_keys_signs_from_when_it_is_set(one: Party) -> None:
    ledger, second = one.contracts.execution_ledger, new_account()
    await one.send(one.contracts.org_registry, calls.add_log_key(one.org, second.address))
    await one.send(ledger, EXECUTION_LEDGER.call("setQuorum", one.org, 2))
    assert (await calls.log_of(one.chain, ledger, one.org)).quorum == 2
    one.grow()
    assert (await _refused(one, one.anchor(3))).startswith("ExecutionLedgerQuorumNotMet")
    head = one.head(3)
    signed = sign_all([second, one.log_key], head_digest(head, one.chain.chain_id, ledger))
    await one.send(ledger, calls.anchor(head, one.tree.consistency(3), signed))
    assert (await calls.log_of(one.chain, ledger, one.org)).size == 4


async def test_the_digest_is_the_one_that_python_signs(one: Party) -> None:
    head = one.head(3)
    expected = head_digest(head, one.chain.chain_id, one.contracts.execution_ledger)
    assert await _view(one, "headDigest", msgspec.structs.astuple(head)) == expected


async def test_a_head_is_not_replayed(one: Party) -> None:
    one.grow(2)
    data = one.anchor(3)
    await one.send(one.contracts.execution_ledger, data)
    assert (await _refused(one, data)).startswith("ExecutionLedgerNotGrowing")


async def test_a_log_neither_shrinks_nor_stands(one: Party) -> None:
    for size in (0, 2, 3):
        head = msgspec.structs.replace(one.head(3), new_size=size, root=one.tree.root(size))
        data = calls.anchor(head, [], one.sign(head))
        assert (await _refused(one, data)).startswith("ExecutionLedgerNotGrowing")


async def test_a_rewritten_history_is_refused(one: Party) -> None:
    one.tree = merkle.Tree(keccak)
    one.grow(5)  # other leaves than the three on the chain
    assert (await _refused(one, one.anchor(3))).startswith("ExecutionLedgerInconsistent")


async def test_a_wrong_consistency_proof_is_refused(one: Party) -> None:
    one.grow(4)
    head, path = one.head(3), one.tree.consistency(3)
    for wrong in ([], path[:-1], [*path, bytes(32)], [bytes(32), *path[1:]], [bytes(32)] * 65):
        assert (await _refused(one, calls.anchor(head, wrong, one.sign(head)))).startswith(
            "ExecutionLedgerInconsistent"
        )


async def test_only_the_organisations_keys_move_its_head(one: Party, party: Make) -> None:
    other = await party()
    await other.register()
    one.grow()
    data = calls.anchor(one.head(3), one.tree.consistency(3), other.sign(one.head(3)))
    assert (await _refused(one, data)).startswith("ExecutionLedgerInvalidSigners")


async def test_a_squatted_organisation_has_no_key(one: Party, party: Make) -> None:
    """Whoever creates an organisation with our salt gets another id, so our id stays without their key."""
    victim, squatter = await party(), await party()
    squatter.salt = victim.salt
    await squatter.register()
    victim.grow()
    data = calls.anchor(victim.head(0), [], squatter.sign(victim.head(0)))
    assert (await _refused(squatter, data)).startswith("ExecutionLedgerInvalidSigners")


@pytest.mark.parametrize("change", [{"epoch": 1}, {"old_size": 0}, {"root": bytes(32)}, {"org": bytes(32)}])
async def test_a_signature_for_another_head_does_not_count(one: Party, change: dict[str, Any]) -> None:
    one.grow()
    signature = one.sign(msgspec.structs.replace(one.head(3), **change))
    data = calls.anchor(one.head(3), one.tree.consistency(3), signature)
    assert (await _refused(one, data)).startswith("ExecutionLedgerInvalidSigners")


async def test_a_signature_for_another_chain_or_ledger_does_not_count(one: Party) -> None:
    one.grow()
    head, ledger = one.head(3), one.contracts.execution_ledger
    for digest in (
        head_digest(head, 1, ledger),
        head_digest(head, one.chain.chain_id, one.contracts.workflow_registry),
    ):
        data = calls.anchor(head, one.tree.consistency(3), one.log_key.sign(digest))
        assert (await _refused(one, data)).startswith("ExecutionLedgerInvalidSigners")


async def test_a_signature_has_one_form_only(one: Party) -> None:
    one.grow()
    head, good = one.head(3), one.sign(one.head(3))
    r, s, v = good[:32], int.from_bytes(good[32:64], "big"), good[64]
    mirrored = r + word(ORDER - s) + bytes([55 - v])
    refused = {
        "SignaturesMalformed(position=0)": (mirrored, good[:64] + bytes([v - 27]), bytes(65)),
        "SignaturesWrongLength": (good + b"\0", good[:64], b"", good * 17),
        "SignaturesNotAscending(position=1)": (good * 2,),
    }
    for reason, signatures in refused.items():
        for bad in signatures:
            data = calls.anchor(head, one.tree.consistency(3), bad)
            assert (await _refused(one, data)).startswith(reason)


@pytest.mark.parametrize("end", ["retire", "revoke"])
async def test_a_closed_key_anchors_no_more_and_what_it_anchored_stays(one: Party, end: str) -> None:
    anchored = one.tree.root()
    key_id = await one.chain.view(one.contracts.org_registry, ORG_REGISTRY, "keyIdOf", 1, 1, unhex(one.log_key.address))
    values = (one.org, key_id) if end == "retire" else (one.org, key_id, 1)
    await one.send(one.contracts.org_registry, ORG_REGISTRY.call(end, *values))
    one.grow()
    assert (await _refused(one, one.anchor(3))).startswith("ExecutionLedgerInvalidSigners")
    assert (await _view(one, "anchorOf", one.org, anchored))[0] == 3


async def test_verify_finds_leaves_of_anchored_roots_only(one: Party) -> None:
    leaf = one.leaf()
    one.tree.append(leaf.encode())
    path, root = one.tree.inclusion(3), one.tree.root()
    assert not await _view(one, "verify", one.org, leaf.encode(), 3, path, root)
    await one.send(one.contracts.execution_ledger, one.anchor(3))
    assert await _view(one, "verify", one.org, leaf.encode(), 3, path, root)
    wrong = [
        (one.org, leaf.encode(), 2, path, root),
        (one.org, leaf.encode(), 3, path[:-1], root),
        (one.org, leaf.encode(), 3, [*path, bytes(32)], root),
        (one.org, leaf.encode(), 3, path, bytes(32)),
        (one.org, one.leaf().encode(), 3, path, root),
        (bytes(32), leaf.encode(), 3, path, root),
    ]
    for values in wrong:
        assert not await _view(one, "verify", *values)


async def test_a_node_passes_for_no_leaf(one: Party) -> None:
    """An inner node's 64 bytes, and a leaf of another organisation, are no leaves of this log."""
    hashes = [one.tree.inclusion(1, 2)[0], one.tree.inclusion(0, 2)[0]]
    assert not await _view(one, "verify", one.org, b"".join(hashes), 0, one.tree.inclusion(2), one.tree.root())
    foreign = one.leaf(org=bytes([9]) * 32)
    one.tree.append(foreign.encode())
    await one.send(one.contracts.execution_ledger, one.anchor(3))
    assert not await _view(one, "verify", one.org, foreign.encode(), 3, one.tree.inclusion(3), one.tree.root())


async def test_a_new_epoch_begins_anew_and_old_roots_remain(one: Party, party: Make) -> None:
    other, old, ledger = await party(), one.tree.root(), one.contracts.execution_ledger
    assert (await _refused(other, EXECUTION_LEDGER.call("newEpoch", one.org))).startswith("OrgRegistryNotAdmin")
    before = await _view(one, "anchorOf", one.org, old)
    await one.send(ledger, EXECUTION_LEDGER.call("newEpoch", one.org))
    log = await calls.log_of(one.chain, ledger, one.org)
    assert (log.epoch, log.size) == (1, 0)
    assert (await _refused(one, one.anchor(0))).startswith("ExecutionLedgerInvalidSigners")  # signed for epoch 0
    head = one.head(0, epoch=1)
    await one.send(ledger, calls.anchor(head, [], one.sign(head)))
    assert await _view(one, "anchorOf", one.org, old) == before


async def test_direct_executions_start_and_complete_once(one: Party, party: Make) -> None:
    worker, ledger = await party(), one.contracts.execution_ledger
    execution, workflow, result = (bytes([n]) * 32 for n in (1, 2, 3))
    completer = address_word(worker.account.address)
    start = EXECUTION_LEDGER.call("startExecution", one.org, execution, workflow, completer)
    assert (await _refused(one, start)).startswith("ExecutionLedgerNotLogKey")  # the payer is no log key yet
    await one.send(one.contracts.org_registry, calls.add_log_key(one.org, one.account.address))
    assert (await _refused(worker, start)).startswith("ExecutionLedgerNotLogKey")
    await one.send(ledger, start)
    assert (await _refused(one, start)).startswith("ExecutionLedgerAlreadyStarted")
    block = await one.chain.block("latest")
    facts = (
        *(one.org, execution, workflow, completer),
        *(int(block["number"], 16), int(block["timestamp"], 16)),
    )
    assert await _view(one, "getExecutionProof", one.org, execution) == await _view(one, "startCommitment", facts)
    complete = EXECUTION_LEDGER.call("completeExecution", facts, result, 1)
    assert (await _refused(one, complete)).startswith("ExecutionLedgerNotCompleter")
    other = (*facts[:2], bytes([8]) * 32, *facts[3:])
    assert (await _refused(worker, EXECUTION_LEDGER.call("completeExecution", other, result, 1))).startswith(
        "ExecutionLedgerNotStarted"
    )
    for status in (0, 5):
        data = EXECUTION_LEDGER.call("completeExecution", facts, result, status)
        assert await _refused(worker, data) == "ExecutionLedgerInvalidExecution()"
    await worker.send(ledger, complete)
    assert (await _refused(worker, complete)).startswith("ExecutionLedgerNotStarted")
    done = await one.chain.block("latest")
    completion = (result, 1, int(done["number"], 16), int(done["timestamp"], 16))
    expected = await _view(one, "completionCommitment", facts, completion)
    assert await _view(one, "getExecutionProof", one.org, execution) == expected
    assert (await _refused(one, start)).startswith("ExecutionLedgerAlreadyStarted")


async def test_two_heads_of_one_size_are_put_on_record_for_good(one: Party, party: Make) -> None:
    reporter, ledger = await party(), one.contracts.execution_ledger
    real = Head(org=one.org, epoch=0, old_size=0, new_size=3, root=one.tree.root(3))
    fork = msgspec.structs.replace(real, root=bytes([1]) * 32)
    report = _report(real, one.sign(real), fork, one.sign(fork))
    await reporter.send(ledger, report)
    size, block, _ = await _view(one, "taintOf", one.org, 0)
    assert size == 3
    assert block > 0
    assert (await _refused(reporter, report)).startswith("ExecutionLedgerAlreadyTainted")


async def test_revoking_the_key_hides_no_equivocation(one: Party, party: Make) -> None:
    reporter = await party()
    key_id = await one.chain.view(one.contracts.org_registry, ORG_REGISTRY, "keyIdOf", 1, 1, unhex(one.log_key.address))
    await one.send(one.contracts.org_registry, ORG_REGISTRY.call("revoke", one.org, key_id, 1))
    real = Head(org=one.org, epoch=0, old_size=0, new_size=3, root=one.tree.root(3))
    fork = msgspec.structs.replace(real, root=bytes([1]) * 32)
    await reporter.send(one.contracts.execution_ledger, _report(real, one.sign(real), fork, one.sign(fork)))
    assert (await _view(one, "taintOf", one.org, 0))[0] == 3


@pytest.mark.parametrize("change", [{}, {"new_size": 4}, {"epoch": 1}, {"org": bytes(32)}, {"old_size": 1}])
async def test_heads_that_do_not_contradict_are_no_equivocation(one: Party, change: dict[str, Any]) -> None:
    real = Head(org=one.org, epoch=0, old_size=0, new_size=3, root=one.tree.root(3))
    other = msgspec.structs.replace(
        real, **({"root": bytes([1]) * 32, **change} if change.keys() - {"old_size"} else change)
    )
    report = _report(real, one.sign(real), other, one.sign(other))
    assert await _refused(one, report) == "ExecutionLedgerNoEquivocation()"


async def test_strangers_frame_nobody(one: Party) -> None:
    real = Head(org=one.org, epoch=0, old_size=0, new_size=3, root=one.tree.root(3))
    fork = msgspec.structs.replace(real, root=bytes([1]) * 32)
    forged = new_account().sign(head_digest(fork, one.chain.chain_id, one.contracts.execution_ledger))
    assert (await _refused(one, _report(real, one.sign(real), fork, forged))).startswith(
        "ExecutionLedgerInvalidSigners"
    )


def _report(head: Head, signature: bytes, other: Head, other_signature: bytes) -> bytes:
    words = (msgspec.structs.astuple(head), signature, msgspec.structs.astuple(other), other_signature)
    return EXECUTION_LEDGER.call("reportEquivocation", *words)
