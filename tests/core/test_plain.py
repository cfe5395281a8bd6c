"""The short way of encoding gives the bytes of RFC 8785, or refuses what it refuses."""

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as some

from tallystick.core import canonical
from tallystick.core.errors import Invalid

WORDS = some.text(some.characters(codec="utf-8", exclude_characters="\0")) | some.from_regex(
    r'[:,\[]?-?[0-9]{14,18}[:,"]?', fullmatch=True
)
LEAVES = some.none() | some.booleans() | some.integers(-(2**53) + 1, 2**53 - 1) | WORDS
DOCUMENTS = some.recursive(LEAVES, lambda one: some.lists(one) | some.dictionaries(WORDS, one), max_leaves=30)


@given(DOCUMENTS)
def test_the_bytes_are_those_of_the_standard(document: object) -> None:
    assert canonical.encode_plain(document) == rfc8785.dumps(document)  # type: ignore[arg-type]


@pytest.mark.parametrize("number", [2**53, -(2**53), 10**16, 10**18])
@pytest.mark.parametrize("around", [lambda one: one, lambda one: [one], lambda one: {"a": one}, lambda one: ["0", one]])
def test_long_integers_are_refused(number: int, around: object) -> None:
    with pytest.raises(Invalid):
        canonical.encode_plain(around(number))  # type: ignore[operator]
