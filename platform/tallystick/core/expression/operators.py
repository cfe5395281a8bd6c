"""Operators and functions of expression profile v1: no conversion, no rounding, no surprise."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tallystick.core.expression import decimals
from tallystick.core.expression.lexer import ExpressionError
from tallystick.core.expression.values import Meter, bounded, equal, kind, wrong_type

Operator = Callable[[Meter, Any, Any], Any]


def boolean(value: Any) -> bool:
    """``value``, which must be a boolean."""
    if not isinstance(value, bool):
        raise wrong_type("a boolean", value)
    return value


def negate(value: Any) -> Any:
    """The number with the other sign."""
    name = kind(value)
    if name == "decimal":
        return decimals.negate(value)
    if name != "integer":
        raise wrong_type("a number", value)
    return -value


def select(target: Any, key: Any) -> Any:
    """``target[key]``: an element by position from 0, or an object's member."""
    names = (kind(target), kind(key))
    if names == ("list", "integer"):
        if 0 <= key < len(target):
            return target[key]
        raise ExpressionError(f"the list has no element {key}", code="unknown_field")
    if names != ("object", "string"):
        raise wrong_type("a list and an integer, or an object and a string,", target, key)
    if key not in target:
        raise ExpressionError("the object has no such field", code="unknown_field")
    return target[key]


def _arithmetic(integers: Callable[[int, int], int], exact: Callable[[Decimal, Decimal], Decimal] | None) -> Operator:
    def operate(meter: Meter, left: Any, right: Any) -> Any:
        names = (kind(left), kind(right))
        if names == ("integer", "integer"):
            return bounded(integers(left, right))
        if exact and names == ("decimal", "decimal"):
            return exact(left, right)
        raise wrong_type("two integers or two decimals" if exact else "two integers", left, right)

    return operate


def _add(meter: Meter, left: Any, right: Any) -> Any:
    names = (kind(left), kind(right))
    if names == ("string", "string"):
        meter.charge_text(left, right)
        return left + right
    if names == ("list", "list"):
        meter.charge(len(left) + len(right))
        return left + right
    return _add_numbers(meter, left, right)


def _divide(left: int, right: int) -> int:
    """Towards zero, as CEL has it."""
    if right == 0:
        raise ExpressionError("division by zero", code="division_by_zero")
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


def _remainder(left: int, right: int) -> int:
    """With the sign of the dividend."""
    return left - right * _divide(left, right)


def _ordered(holds: Callable[[Any, Any], bool]) -> Operator:
    def operate(meter: Meter, left: Any, right: Any) -> bool:
        names = {kind(left), kind(right)}
        if len(names) > 1 or not names <= {"boolean", "integer", "decimal", "string"}:
            raise wrong_type("two values of one ordered type", left, right)
        if isinstance(left, str):
            meter.charge_text(left, right)
        return holds(left, right)

    return operate


def _different(meter: Meter, left: Any, right: Any) -> bool:
    return not equal(meter, left, right)


def _in(meter: Meter, left: Any, right: Any) -> bool:
    """Like ``left == e1 || left == e2 || …`` over a list's elements or an object's keys."""
    if kind(right) == "object":
        return left in right if kind(left) == "string" else _in(meter, left, list(right))
    if kind(right) != "list":
        raise wrong_type("a list or an object", right)
    meter.charge(len(right))
    fault: ExpressionError | None = None
    for one in right:
        try:
            if equal(meter, left, one):
                return True
        except ExpressionError as error:
            if error.code == "too_costly":
                raise
            fault = fault or error
    if fault:
        raise fault
    return False


def _size(meter: Meter, value: Any) -> int:
    """Characters (code points) of a string, elements of a list, members of an object."""
    if kind(value) not in {"string", "list", "object"}:
        raise wrong_type("a string, a list or an object", value)
    return len(value)


def _decimal(meter: Meter, value: Any) -> Decimal:
    if not isinstance(value, str):
        raise wrong_type("a string", value)
    return decimals.read(value)


def _text(holds: Callable[[str, str], bool]) -> Operator:
    def operate(meter: Meter, text: Any, part: Any) -> bool:
        if not isinstance(text, str) or not isinstance(part, str):
            raise wrong_type("two strings", text, part)
        meter.charge_text(text, part)
        return holds(text, part)

    return operate


_add_numbers = _arithmetic(lambda left, right: left + right, decimals.add)

OPERATORS: dict[str, Operator] = {
    "+": _add,
    "-": _arithmetic(lambda left, right: left - right, decimals.subtract),
    "*": _arithmetic(lambda left, right: left * right, decimals.multiply),
    "/": _arithmetic(_divide, None),
    "%": _arithmetic(_remainder, None),
    "==": equal,
    "!=": _different,
    "<": _ordered(lambda left, right: left < right),
    "<=": _ordered(lambda left, right: left <= right),
    ">": _ordered(lambda left, right: left > right),
    ">=": _ordered(lambda left, right: left >= right),
    "in": _in,
}

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "size": _size,
    "decimal": _decimal,
    "startsWith": _text(str.startswith),
    "endsWith": _text(str.endswith),
    "contains": _text(str.__contains__),
}
