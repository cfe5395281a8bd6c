"""The values of expression profile v1, their equality, and the meter that bounds all work on them."""

from decimal import Decimal
from types import NoneType
from typing import Any

from tallystick.core.expression.lexer import ExpressionError
from tallystick.core.expression.parser import MAX_INTEGER

MAX_COST = 10_000  # nodes; see EXPRESSIONS.md, Cost
_TEXT_UNIT = 100  # characters that cost as much as a node
_KINDS: dict[type, str] = {
    NoneType: "null",
    bool: "boolean",
    int: "integer",
    Decimal: "decimal",
    str: "string",
    list: "list",
    dict: "object",
}


class Meter:
    """Counts what an evaluation costs and ends it at :data:`MAX_COST`."""

    def __init__(self) -> None:
        self.spent = 0

    def charge(self, nodes: int) -> None:
        """Add the cost of ``nodes``."""
        self.spent += nodes
        if self.spent > MAX_COST:
            raise ExpressionError(f"expression costs more than {MAX_COST} nodes", code="too_costly")

    def charge_text(self, *texts: str) -> None:
        """Add the cost of going through ``texts``."""
        self.charge(sum(map(len, texts)) // _TEXT_UNIT)


def kind(value: Any) -> str:
    """The name of the value's type; what JSON documents of the record cannot hold raises."""
    name = _KINDS.get(type(value))
    if name is None:
        raise ExpressionError(f"a value of type {type(value).__name__} cannot be read", code="wrong_type")
    if name == "integer":
        bounded(value)
    return name


def readable(value: Any) -> Any:
    """``value`` itself, when its type is one of the profile's."""
    kind(value)
    return value


def bounded(value: int) -> int:
    """``value``, which lies within ±(2^53−1)."""
    if abs(value) > MAX_INTEGER:
        raise ExpressionError("integer lies outside ±(2^53−1)", code="overflow")
    return value


def wrong_type(expected: str, *values: Any) -> ExpressionError:
    """The error of an operation on values of other types."""
    found = ", ".join(map(kind, values))
    return ExpressionError(f"{expected} is expected, not {found}", code="wrong_type")


def equal(meter: Meter, left: Any, right: Any) -> bool:
    """Equality of any two values; different types differ, but a decimal compares with decimals and null only.

    All members are compared even after a difference, so that neither answer nor error depends on the order in which
    an object's members stand.
    """
    same = True
    todo = [(left, right)]
    while todo:
        one, other = todo.pop()
        if _comparable(one, other):
            members = _members(meter, one, other)
            same = same and members is not None
            todo += members or ()
        else:
            same = False
    return same


def check_result(meter: Meter, value: Any) -> Any:
    """``value``, all of whose members have types of the profile."""
    todo = [value]
    while todo:
        one = todo.pop()
        name = kind(one)
        if name in {"list", "object"}:
            members = one if name == "list" else one.values()
            meter.charge(len(members))
            todo += members
    return value


def _comparable(one: Any, other: Any) -> bool:
    """Whether both have one type."""
    kinds = {kind(one), kind(other)}
    if "decimal" in kinds and not kinds <= {"decimal", "null"}:
        raise wrong_type("a decimal on both sides", one, other)
    return len(kinds) == 1


def _members(meter: Meter, one: Any, other: Any) -> list[tuple[Any, Any]] | None:
    """What is left to compare of two values of one type; None when they differ."""
    if isinstance(one, str):
        meter.charge_text(one, other)
    elif isinstance(one, list) and len(one) == len(other):
        meter.charge(len(one))
        return list(zip(one, other, strict=True))
    elif isinstance(one, dict) and one.keys() == other.keys():
        meter.charge(len(one))
        return [(one[key], other[key]) for key in one]
    elif isinstance(one, list | dict):
        return None
    return [] if one == other else None
