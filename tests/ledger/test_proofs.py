"""Proofs verify offline, and no change of any part of one goes unseen."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import msgspec
import pytest

from ledger.parties import Party, settle
from tallystick.core.errors import Invalid
from tallystick.ledger import header, proofs
from tallystick.ledger.chain import Chain
from tallystick.ledger.errors import InvalidProof
from tallystick.ledger.proofs import LeafProof, verify_leaf

Make = Callable[[], Awaitable[Party]]
INFORMATIONAL = {"/transaction_hash"}
JUDGED_BY_THE_CALLER = {"/chain_id"}  # the chain's id is no part of a header: the trusted block hash stands for it


@pytest.fixture
async def proof(party: Make) -> LeafProof:
    """Give the proof of leaf 2 of 5."""
    one = await party()
    ledger = one.ledger()
    one.append(5)
    await settle(ledger)
    made = await ledger.proof(2)
    await ledger.close()
    return made


def _mutations(value: Any, pointer: str = "") -> Iterator[tuple[str, Any]]:
    """Every proof that differs from `value` in one place, with that place."""
    if isinstance(value, dict):
        for name, item in value.items():
            for where, changed in _mutations(item, f"{pointer}/{name}"):
                yield where, {**value, name: changed}
    elif isinstance(value, list):
        yield pointer, value[:-1]
        yield pointer, [*value, value[-1]]
        for at, item in enumerate(value):
            for where, changed in _mutations(item, f"{pointer}/{at}"):
                yield where, [*value[:at], changed, *value[at + 1 :]]
    elif isinstance(value, int):
        yield from ((pointer, value + 1), (pointer, value - 1))
    else:
        yield from ((pointer, changed) for changed in _texts(str(value)))


def _texts(text: str) -> Iterator[str]:
    for at in {2, len(text) // 2, len(text) - 1}:
        yield text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :]
    yield text[:-2]
    yield text + "00"
    yield text[:2] + " " + text[2:]
    if text.upper() != text:
        yield "0x" + text[2:].upper()


async def test_every_mutation_fails(proof: LeafProof) -> None:
    document = msgspec.to_builtins(proof)
    expected, seen = verify_leaf(proof), set()
    for pointer, changed in _mutations(document):
        seen.add(pointer.split("/")[1])
        if pointer in INFORMATIONAL | JUDGED_BY_THE_CALLER:
            continue
        try:
            verified = verify_leaf(msgspec.convert(changed, LeafProof))
        except Invalid:
            continue
        # What is left is a header of another hash, which the caller compares with a trusted one.
        assert verified.block.hash != expected.block.hash, pointer
    assert seen == set(document)


async def test_a_proof_survives_json(proof: LeafProof) -> None:
    assert msgspec.json.decode(msgspec.json.encode(proof), type=LeafProof) == proof


async def test_unknown_versions_never_pass(proof: LeafProof) -> None:
    with pytest.raises(InvalidProof) as caught:
        verify_leaf(msgspec.structs.replace(proof, v=2))
    assert caught.value.code == "unknown_version"


async def test_sizes_are_bounded(proof: LeafProof) -> None:
    endless = msgspec.structs.replace(proof.state, storage_proof=proof.state.storage_proof * 65)
    with pytest.raises(InvalidProof):
        verify_leaf(msgspec.structs.replace(proof, state=endless))
    huge = msgspec.structs.replace(proof.state, header="0x" + "00" * 3000)
    with pytest.raises(InvalidProof):
        verify_leaf(msgspec.structs.replace(proof, state=huge))


async def test_headers_hash_to_their_blocks(chain: Chain) -> None:
    await chain.ask("anvil_mine", "0x5")
    for number in range(6):
        block = await chain.block(number)
        decoded = header.decode(header.encode(block))
        assert "0x" + decoded.hash.hex() == block["hash"]
        assert (decoded.number, decoded.timestamp) == (number, int(block["timestamp"], 16))
        assert "0x" + decoded.state_root.hex() == block["stateRoot"]


@pytest.mark.parametrize("hardfork", ["london", "shanghai", "cancun", "prague", "osaka"])
async def test_headers_of_every_fork_are_known(hardfork: str, request: pytest.FixtureRequest) -> None:
    from support.processes import start_anvil

    anvil = start_anvil(request.getfixturevalue("processes"), "--hardfork", hardfork)
    chain = Chain(anvil.url, 31337)
    await chain.ask("anvil_mine", "0x2")
    block = await chain.block("latest")
    assert "0x" + header.decode(header.encode(block)).hash.hex() == block["hash"]
    await chain.close()


async def test_a_block_that_lies_about_its_hash_is_refused(chain: Chain) -> None:
    block = await chain.block("latest")
    for change in ({"hash": "0x" + "11" * 32}, {"number": "0x99"}, {"stateRoot": "0x"}, {"timestamp": None}):
        with pytest.raises(InvalidProof):
            header.encode({**block, **change})


def test_a_record_is_one_word_of_four_numbers() -> None:
    packed = 5 | 6 << 64 | 7 << 128 | 8 << 192
    assert msgspec.structs.astuple(proofs.unpack(packed)) == (5, 6, 7, 8)
