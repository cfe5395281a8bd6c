"""Every document that differs from a given one in one place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Place = tuple[str | int, ...]


def mutations(value: Any, place: Place = ()) -> Iterator[tuple[Place, str, Any]]:
    """(where, what, the whole document changed there)."""
    if isinstance(value, dict):
        yield from _members(value, place)
    elif isinstance(value, list):
        yield from _items(value, place)
    else:
        yield from ((place, "changed", one) for one in _scalars(value))


def _members(value: dict[str, Any], place: Place) -> Iterator[tuple[Place, str, Any]]:
    yield place, "added", {**value, "another": 1}
    for name, member in value.items():
        rest = {other: one for other, one in value.items() if other != name}
        yield (*place, name), "removed", rest
        yield (*place, name), "renamed", {**rest, f"{name}x": member}
        for where, what, changed in mutations(member, (*place, name)):
            yield where, what, {**value, name: changed}


def _items(value: list[Any], place: Place) -> Iterator[tuple[Place, str, Any]]:
    if len(value) > 1 and value[0] != value[1]:
        yield place, "reordered", [value[1], value[0], *value[2:]]
    for at, item in enumerate(value):
        yield (*place, at), "removed", [*value[:at], *value[at + 1 :]]
        yield (*place, at), "repeated", [*value[:at], item, *value[at:]]
        for where, what, changed in mutations(item, (*place, at)):
            yield where, what, [*value[:at], changed, *value[at + 1 :]]


def _scalars(value: Any) -> Iterator[Any]:
    if isinstance(value, bool) or value is None:
        yield not value
    elif isinstance(value, int):
        yield from (value + 1, value - 1)
    else:
        for at in sorted({len(value) // 2, len(value) - 1} if value else ()):
            yield value[:at] + ("0" if value[at] != "0" else "1") + value[at + 1 :]
        if value.upper() != value:
            yield value.upper()
