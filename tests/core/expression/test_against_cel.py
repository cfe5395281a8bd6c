"""Differential: where the profile and CEL overlap, cel-python says the same."""

import functools
import sys
from collections.abc import Iterator
from typing import Any

import celpy
import pytest
from celpy.adapter import json_to_cel
from celpy.evaluation import CELEvalError
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.core.expression.evaluate import evaluate
from tallystick.core.expression.lexer import ExpressionError

VARIABLES: dict[str, Any] = {"a": 3, "b": -5, "s": "abc", "t": True, "l": [1, 2, 3], "m": {"x": 1, "y": 2}}
FAULT = "fault"

numbers = st.recursive(
    st.integers(0, 50).map(str) | st.sampled_from(["a", "b", "m.x", 'm["y"]', "l[1]", "size(s)", "size(l)", "l[5]"]),
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from(["+", "-", "*", "/", "%"]), inner)
        | st.builds("(-{})".format, inner)
    ),
    max_leaves=5,
)
plain = st.sampled_from(["s", '"a"', '"ab"', '""'])
strings = plain | st.just('(s + "d")')  # cel-python has no methods on a concatenation, so those take plain ones
booleans = st.recursive(
    st.sampled_from(["t", "true", "false", "has(m.x)", "has(m.z)", "2 in l", '"x" in m', '"z" in m'])
    | st.builds("({} {} {})".format, numbers, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), numbers)
    | st.builds("({} {} {})".format, strings, st.sampled_from(["==", "!=", "<", ">="]), strings)
    | st.builds("{}.{}({})".format, plain, st.sampled_from(["startsWith", "endsWith", "contains"]), plain),
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from(["&&", "||"]), inner)
        | st.builds("(!{})".format, inner)
        | st.builds("({} ? {} : {})".format, inner, inner, inner)
    ),
    max_leaves=6,
)


@functools.cache
def environment() -> celpy.Environment:
    """One parser for all examples; building it is slow."""
    return celpy.Environment()


@pytest.fixture(scope="module", autouse=True)
def _recursion_limit() -> Iterator[None]:
    """cel-python raises the interpreter's limit when it builds its parser; no other test shall profit."""
    before = sys.getrecursionlimit()
    environment()
    yield
    sys.setrecursionlimit(before)


def in_cel(text: str) -> Any:
    """The value by cel-python, as plain Python."""
    program = environment().program(environment().compile(text))
    try:
        value = program.evaluate({name: json_to_cel(one) for name, one in VARIABLES.items()})
    except CELEvalError:
        return FAULT
    if isinstance(value, celpy.celtypes.BoolType):
        return bool(value)
    return int(value) if isinstance(value, int) else str(value)


def here(text: str) -> Any:
    try:
        return evaluate(text, VARIABLES)
    except ExpressionError:
        return FAULT


@settings(deadline=None, max_examples=150)
@given(numbers | booleans | st.builds("{} + {}".format, strings, strings))
def test_cel_says_the_same(text: str) -> None:
    assert here(text) == in_cel(text)


@pytest.mark.parametrize(
    "text",
    [
        "1 + 2 * 3 - 4",
        "-7 / 2",
        "-7 % 2",
        "7 / -2",
        "1 / 0 == 1 || true",
        "t && a > 1 || false",
        "t ? a : b",
        "!t || t",
    ],
)
def test_cel_says_the_same_without_brackets(text: str) -> None:
    assert here(text) == in_cel(text)
