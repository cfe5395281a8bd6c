"""Decision tables: what they answer, in which order, and what they may cost."""

from typing import Any

import pytest

from tallystick.core.definition.model import Row, Table
from tallystick.core.definition.rules import wrongs
from tallystick.core.definition.table import evaluate_table
from tallystick.core.expression.lexer import ExpressionError


def table(rows: list[tuple[list[Any], list[Any]]], **facts: Any) -> Table:
    given = {"columns": ["input.a", "input.b"], "outputs": ["verdict"], "default": ["none"], **facts}
    return Table(rows=[Row(input_value=cells, output_values=values) for cells, values in rows], **given)


ROWS: list[tuple[list[Any], list[Any]]] = [([1, None], ["one"]), ([1, "x"], ["one and x"]), ([None, "x"], ["x"])]


def variables(a: Any, b: Any) -> dict[str, Any]:
    return {"input": {"a": a, "b": b}}


@pytest.mark.parametrize(
    ("a", "b", "policy", "outputs", "outcome"),
    [
        (1, "x", "first", {"verdict": "one"}, "one"),
        (2, "x", "first", {"verdict": "x"}, "x"),
        (2, "y", "first", {"verdict": "none"}, "none"),
        (1, "y", "unique", {"verdict": "one"}, "one"),
        (True, "y", "unique", {"verdict": "none"}, "none"),
        ("1", None, "unique", {"verdict": "none"}, "none"),
    ],
)
def test_what_matches(a: Any, b: Any, policy: str, outputs: dict[str, Any], outcome: str) -> None:
    assert evaluate_table(table(ROWS, hit_policy=policy), variables(a, b)) == (outputs, outcome)


def test_unique_means_one_row_at_most() -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate_table(table(ROWS), variables(1, "x"))
    assert caught.value.code == "several_rows"


def test_collect_answers_with_lists_and_counts() -> None:
    collects = table(ROWS, hit_policy="collect", default=[[]])
    assert evaluate_table(collects, variables(1, "x")) == ({"verdict": ["one", "one and x", "x"]}, "3")
    assert evaluate_table(collects, variables(2, "y")) == ({"verdict": []}, "0")


def test_a_column_that_errs_fails_the_table_even_where_no_row_reads_it() -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate_table(table([([1, None], ["x"])]), {"input": {"a": 1}})
    assert caught.value.code == "unknown_field"


def test_a_decimal_is_no_cell() -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate_table(table([(["1", None], ["x"])], columns=['decimal("1")', "1"]), {})
    assert caught.value.code == "wrong_type"


def test_columns_and_rows_share_one_meter() -> None:
    """Two hundred rows of twenty columns cost 4,000; text is paid by its length, and the end is that of expressions."""
    rows: list[tuple[list[Any], list[Any]]] = [([f"{number}" + "x" * 3000] * 20, ["x"]) for number in range(200)]
    wide = table(rows, columns=["input.a"] * 20, hit_policy="collect", default=[[]])
    assert evaluate_table(wide, {"input": {"a": "short"}}).outcome == "0"
    with pytest.raises(ExpressionError) as caught:
        evaluate_table(wide, {"input": {"a": "1" + "x" * 500_000}})
    assert caught.value.code == "too_costly"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (table(ROWS), [(("rows", 1), "overlapping_rows"), (("rows", 2), "overlapping_rows")]),
        (table(ROWS, hit_policy="first"), [(("rows", 1), "unreachable_row")]),
        (table(ROWS, hit_policy="collect", default=[[]]), []),
        (table(ROWS, hit_policy="collect"), [(("default",), "bad_row")]),
        (table([([1, 1], ["a"]), ([True, 1], ["b"])]), []),
        (table([([1], ["a"])]), [(("rows", 0, "input_value"), "bad_row")]),
        (table([([1, 1.5], ["a"])]), [(("rows", 0, "input_value"), "bad_row")]),
        (table([([1, 1], ["a", "b"])]), [(("rows", 0, "output_values"), "bad_row")]),
        (table([([1, 1], [[]])]), [(("rows", 0, "output_values"), "bad_outcome")]),
        (table([], outputs=["a", "a"], default=["x", "y"]), [(("outputs",), "repeated_id")]),
    ],
)
def test_what_can_be_said_of_a_table(found: Table, expected: list[Any]) -> None:
    assert [(parts, code) for parts, code, _, _ in wrongs(found)] == expected
