"""What is wrong with a body is said in a few words, however much of it there is."""

from typing import Any

import msgspec
import pytest

from tallystick.core.errors import Invalid
from tallystick.node.api import reading


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    n: int


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    a: list[Inner]


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        ({"a": [{"n": 1}, {"n": "x"}]}, "/a/1/n"),
        ({"a": [{"n": 1}, {}]}, "/a/1/n"),
        ({"a": 1}, "/a"),
        ({"a": [], "b/c~d": 1}, "/b~1c~0d"),
        ({"a": [{"n": 1, "x": 2}]}, "/a/0/x"),
        ([], ""),
    ],
)
def test_a_place_is_named(value: Any, pointer: str) -> None:
    with pytest.raises(Invalid) as caught:
        reading.typed(value, Outer)
    assert caught.value.pointer == pointer


@pytest.mark.timeout(60)
@pytest.mark.parametrize("part", ["$", " - at `$", "`", "unknown field `", "[1", ".", "\n", "$ "])
@pytest.mark.parametrize("end", ["", " x", "\n", "`"])
def test_no_name_takes_longer_than_its_length(part: str, end: str) -> None:
    """Dollars before a space took hours, and anybody may send a body."""
    with pytest.raises(Invalid) as caught:
        reading.typed({"a": [], part * (900_000 // len(part)) + end: 1}, Outer)
    assert len(caught.value.detail) + len(caught.value.pointer or "") < 3_000
