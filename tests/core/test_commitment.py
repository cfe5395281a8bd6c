"""Commitments: bound to their place, hidden by their salt."""

import hashlib
import json

import msgspec
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as some

from tallystick.core import b64
from tallystick.core.commitment import Opening, Place, commit, data_hash, new_salt
from tallystick.core.errors import Invalid

PLACE = Place(execution="e" * 64, issuer="huaxia", task="order.1", attempt=1)
OPENING = Opening(property="amount", salt=b64.encode(bytes(16)), value="12.50")


def test_the_bytes_are_those_of_the_record() -> None:
    parts = ["tallystick/commitment/v1", "e" * 64, "huaxia", "order.1", 1, "amount", "A" * 22, "12.50"]
    assert commit(PLACE, OPENING) == hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).hexdigest()


LEAVES = (
    some.none()
    | some.booleans()
    | some.integers(-(2**53) + 1, 2**53 - 1)
    | some.text(some.characters(codec="utf-8", exclude_characters="\0"))
)
VALUES = some.recursive(
    LEAVES,
    lambda one: (
        some.lists(one) | some.dictionaries(some.text(some.characters(codec="utf-8", exclude_characters="\0")), one)
    ),
    max_leaves=20,
)


@given(some.text(some.characters(codec="utf-8", exclude_characters="\0")), VALUES)
def test_a_value_spliced_in_gives_the_bytes_of_the_whole_array(name: str, value: object) -> None:
    parts = ["tallystick/commitment/v1", "e" * 64, "huaxia", "order.1", 1, name, "A" * 22, value]
    opening = msgspec.structs.replace(OPENING, property=name, value=value)
    assert commit(PLACE, opening) == hashlib.sha256(rfc8785.dumps(parts)).hexdigest()  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [{"execution": "f" * 64}, {"issuer": "x"}, {"task": "order.2"}, {"attempt": 2}])
def test_every_part_of_the_place_counts(change: dict[str, object]) -> None:
    assert commit(msgspec.structs.replace(PLACE, **change), OPENING) != commit(PLACE, OPENING)


@pytest.mark.parametrize(
    "change", [{"property": "x"}, {"salt": b64.encode(b"s" * 16)}, {"value": "12.5"}, {"value": None}]
)
def test_every_part_of_the_opening_counts(change: dict[str, object]) -> None:
    assert commit(PLACE, msgspec.structs.replace(OPENING, **change)) != commit(PLACE, OPENING)


def test_floats_cannot_be_committed_to() -> None:
    with pytest.raises(Invalid):
        commit(PLACE, msgspec.structs.replace(OPENING, value={"a": 1.5}))


def test_salts_are_fresh() -> None:
    salts = {new_salt() for _ in range(50)}
    assert len(salts) == 50
    assert {len(b64.decode(salt)) for salt in salts} == {16}


def test_the_hash_of_many_does_not_depend_on_their_order() -> None:
    assert data_hash(["b", "a"]) == data_hash(["a", "b"]) != data_hash(["a"])
    assert data_hash([]) == "0" * 64
