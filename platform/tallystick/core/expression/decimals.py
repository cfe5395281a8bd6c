"""Exact decimals: read from digits, added, subtracted and multiplied without ever rounding."""

from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact, InvalidOperation, Overflow

from tallystick.core.expression.lexer import ExpressionError

MAX_WHOLE, MAX_FRACTION = 31, 18  # digits before and after the point; forms accept the same
MAX_SIGNIFICANT = 60  # digits of a result

# Every setting is spelt out: the interpreter's default context can be changed by anyone in the process.
_EXACT = Context(
    prec=MAX_SIGNIFICANT,
    rounding=ROUND_HALF_EVEN,
    Emin=-999_999,
    Emax=999_999,
    capitals=1,
    clamp=0,
    flags=[],
    traps=[Inexact, InvalidOperation, Overflow],
)


def is_decimal(text: str) -> bool:
    """Whether ``text`` is an optional minus, digits without leading zeros, and perhaps a point and digits."""
    whole, point, fraction = text.removeprefix("-").partition(".")
    if not _digits(whole, MAX_WHOLE) or (whole[0] == "0" and whole != "0"):
        return False
    return _digits(fraction, MAX_FRACTION) if point else True


def read(text: str) -> Decimal:
    """The decimal that ``text`` writes."""
    if not is_decimal(text):
        raise ExpressionError('decimal() takes digits such as "-12.50"', code="bad_decimal")
    return Decimal(text)


def add(left: Decimal, right: Decimal) -> Decimal:
    """The exact sum."""
    return _exact(_EXACT.add, left, right)


def subtract(left: Decimal, right: Decimal) -> Decimal:
    """The exact difference."""
    return _exact(_EXACT.subtract, left, right)


def multiply(left: Decimal, right: Decimal) -> Decimal:
    """The exact product."""
    return _exact(_EXACT.multiply, left, right)


def negate(value: Decimal) -> Decimal:
    """The value with the other sign, whatever the thread's decimal context."""
    return value.copy_negate()


def _digits(text: str, most: int) -> bool:
    return 0 < len(text) <= most and text.isascii() and text.isdigit()


def _exact(operation: Callable[[Decimal, Decimal], Decimal], left: Decimal, right: Decimal) -> Decimal:
    try:
        return operation(left, right)
    except Inexact as error:
        raise ExpressionError(f"decimal needs more than {MAX_SIGNIFICANT} digits", code="overflow") from error
