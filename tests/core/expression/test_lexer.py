"""Tokens of the expression profile."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.expression.lexer import MAX_TEXT, ExpressionError, lex


def test_kinds_and_positions() -> None:
    found = [(one.kind, one.text, one.position) for one in lex("  a1 <= 'x' \n&& 20 ")]
    assert found == [
        ("name", "a1", 2),
        ("op", "<=", 5),
        ("string", "x", 8),
        ("op", "&&", 13),
        ("int", "20", 16),
        ("end", "", 19),
    ]
    assert [one.kind for one in lex(" \t\r\n")] == ["end"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'"a\n\t\r\\\"\'"', "a\n\t\r\\\"'"),
        (r'"\u8ba2\u0041"', "订A"),
        ("'say \"hi\"'", 'say "hi"'),
        ('""', ""),
        ('"订单 😂"', "订单 😂"),
    ],
)
def test_strings(text: str, value: str) -> None:
    assert lex(text)[0].text == value


@pytest.mark.parametrize(
    "text", ['"a', "'a\"", '"a\nb"', r'"\x41"', r'"\ud800"', r'"\u00"', "#", "a & b", "1 = 1", "٣", "a\u00a0b", "é"]
)
def test_what_is_no_token(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        lex(text)
    assert caught.value.position >= 0
    assert caught.value.code == "bad_expression"


def test_the_text_is_bounded() -> None:
    lex(" " * MAX_TEXT)
    with pytest.raises(ExpressionError):
        lex(" " * (MAX_TEXT + 1))


@given(st.text(max_size=40))
def test_lexing_is_total(text: str) -> None:
    with contextlib.suppress(ExpressionError):
        assert lex(text)[-1].kind == "end"
