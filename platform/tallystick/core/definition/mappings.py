"""Input and output mappings: expressions by the property that each one gives."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tallystick.core.expression.evaluate import evaluate
from tallystick.core.expression.values import Meter

RESULT = "result"  # the variable of output mappings: what the work answered


def apply(mapping: Mapping[str, str], scope: dict[str, Any]) -> dict[str, Any]:
    """The properties over ``scope``, within the cost of one expression; any fault is an ExpressionError.

    A decimal stands as its digits in a string, as forms have it; the rest is JSON already.
    """
    meter = Meter()
    return {name: plain(evaluate(text, scope, meter)) for name, text in mapping.items()}


def plain(value: Any) -> Any:
    """``value`` with decimals as strings; how deep it goes the evaluation has bounded."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dict):
        return {name: plain(member) for name, member in value.items()}
    return [plain(member) for member in value] if isinstance(value, list) else value
