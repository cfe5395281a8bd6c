"""Mappings give plain JSON, at the cost of one expression together."""

import pytest

from tallystick.core import canonical
from tallystick.core.definition.mappings import apply
from tallystick.core.expression.lexer import ExpressionError


def test_decimals_are_digits() -> None:
    found = apply({"a": 'decimal("1.50") * decimal("100000000000000000000")', "b": '[{"c": decimal("-0.10")}]'}, {})
    assert found == {"a": "150000000000000000000.00", "b": [{"c": "-0.10"}]}
    assert canonical.encode(found)


def test_expressions_share_their_cost() -> None:
    scope = {"input": {"l": list(range(3000))}}
    assert apply({"a": "input.l == input.l"}, scope) == {"a": True}
    with pytest.raises(ExpressionError) as caught:
        apply(dict.fromkeys("abcd", "input.l == input.l"), scope)
    assert caught.value.code == "too_costly"
