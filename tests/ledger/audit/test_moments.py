"""When the chain held a leaf: a moment is only as good as everything between the leaf and a block that is trusted."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from ledger.audit.world import World
from tallystick.ledger import leaf as leaves
from tallystick.ledger.audit.chain import stored
from tallystick.ledger.audit.moments import moment
from tallystick.ledger.audit.trust import Block, Trust
from tallystick.ledger.hashing import to_hex, unhex
from tallystick.ledger.proofs import LeafProof


def proof_of(world: World, change: Callable[[dict[str, Any]], Any] = lambda anchor: None) -> LeafProof:
    """The first anchor of the honest case, after ``change``."""
    anchor = copy.deepcopy(world.bundle["anchors"][0])
    change(anchor)
    return msgspec.convert(anchor, LeafProof)


def test_a_moment_is_the_end_of_the_second_of_its_block(world: World) -> None:
    proof = proof_of(world)
    found = moment(proof, world.trust)
    assert found is not None
    held = stored(proof).anchored
    assert (found.block_number, found.org) == (held.block_number, proof.org)
    assert found.not_after == held.time * 1000 + 999
    assert found.leaf.encode() == unhex(proof.leaf)


def of_another_input(anchor: dict[str, Any]) -> None:
    anchor["leaf"] = to_hex(replace(leaves.decode(unhex(anchor["leaf"])), input=bytes([1]) * 32).encode())


@pytest.mark.parametrize(
    "change",
    [
        of_another_input,
        lambda anchor: anchor.update(index=anchor["index"] + 1),
        lambda anchor: anchor.update(log_size=anchor["log_size"] + 1),
        lambda anchor: anchor.update(log_epoch=anchor["log_epoch"] + 1),
        lambda anchor: anchor.update(log_root="0x" + "01" * 32),
        lambda anchor: anchor.update(block_number=anchor["block_number"] - 1),
        lambda anchor: anchor.update(chain_id=anchor["chain_id"] + 1),
        lambda anchor: anchor.update(org="0x" + "01" * 32),
        lambda anchor: anchor["state"].update(storage_proof=anchor["state"]["storage_proof"][:-1]),
        lambda anchor: anchor["state"].update(header="0x"),
    ],
)
def test_what_does_not_hang_together_has_no_moment(world: World, change: Callable[[dict[str, Any]], Any]) -> None:
    assert moment(proof_of(world, change), world.trust) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda trust: replace(trust, trusted_blocks=[]),
        lambda trust: replace(
            trust, trusted_blocks=[Block(one.number, "0x" + "01" * 32) for one in trust.trusted_blocks]
        ),
        lambda trust: replace(trust, chain_id=(trust.chain_id or 0) + 1),
        lambda trust: replace(trust, contracts=None),
        lambda trust: replace(trust, contracts=replace(trust.contracts, execution_ledger="0x" + "01" * 20)),
        lambda trust: replace(trust, contracts=replace(trust.contracts, code_hashes={})),
    ],
)
def test_nobody_elses_chain_gives_a_moment(world: World, change: Callable[[Trust], Trust]) -> None:
    assert moment(proof_of(world), change(world.trust)) is None
