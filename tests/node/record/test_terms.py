"""What executions are found by."""

import pytest

from tallystick.node.record.terms import MAX_WORDS, words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Order to Remittance", ["order", "to", "remittance"]),
        ("ＯＲＤＥＲ  order", ["order"]),
        ("Straße/straße", ["strasse"]),
        ("订单", ["订", "单", "订单"]),
        ("Order 订单到付款", ["order", "订", "单", "到", "付", "款", "订单", "单到", "到付", "付款"]),
        ("po-17_b", ["po", "17", "b"]),
        ("'; DROP TABLE x; --", ["drop", "table", "x"]),
        ("", []),
    ],
)
def test_words(text: str, found: list[str]) -> None:
    assert words(text) == found


def test_words_are_bounded() -> None:
    assert len(words(" ".join(f"w{number}" for number in range(1000)))) == MAX_WORDS
    assert max(map(len, words("x" * 10_000))) == 64
