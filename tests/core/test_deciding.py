"""What automatic steps answer, and when people's tasks are due."""

from __future__ import annotations

from typing import Any

import pytest

from support.parties import NOON, SUPPLIER
from tallystick.core.deciding import Answer, answer, due_at, mapped
from tallystick.core.definition import model as m
from tallystick.core.expression.lexer import ExpressionError


def each(items: str) -> m.ForEach:
    return m.ForEach(id="lines", name="", assigned_org=SUPPLIER, items=items, body="x")


def decision(**facts: Any) -> m.Decision:
    return m.Decision(id="choice", name="", assigned_org=SUPPLIER, **facts)


def test_answers() -> None:
    table = m.Table(columns=["input.x"], outputs=["y"], rows=[], default=["none"])
    assert answer(decision(expression="input.x > 1"), {"input": {"x": 2}}) == Answer("true", {})
    assert answer(decision(table=table), {"input": {"x": 2}}) == Answer("none", {"y": "none"})
    assert answer(each("input.x"), {"input": {"x": [1, "a"]}}) == Answer("2", {"items": [1, "a"]})


@pytest.mark.parametrize(
    ("items", "code"),
    [("input.x", "wrong_type"), ("input.many", "too_many_items"), ('[decimal("1")]', "wrong_type")],
)
def test_lists_that_nobody_can_go_over(items: str, code: str) -> None:
    scope = {"input": {"x": "no list", "many": [0] * 10_001}}
    with pytest.raises(ExpressionError) as caught:
        answer(each(items), scope)
    assert caught.value.code in {code, "too_costly"}


def test_mappings() -> None:
    assert mapped({"a": "input.x + 1", "b": '"c"'}, {"input": {"x": 1}}) == {"a": 2, "b": "c"}
    with pytest.raises(ExpressionError):
        mapped({"a": 'decimal("1")'}, {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [("60", NOON + 60_000), ("0", NOON), ('"2026-10-01T00:00:00Z"', 1_790_812_800_000)],
)
def test_due_dates(text: str, expected: int) -> None:
    step = m.UserTask(id="ask", name="", assigned_org=SUPPLIER, due_date=text)
    assert due_at(step, {}, NOON) == expected


@pytest.mark.parametrize("text", ["-1", "true", "null", '"soon"', '"2020-01-01T00:00:00Z"', "9007199254740991"])
def test_due_dates_that_are_none(text: str) -> None:
    step = m.UserTask(id="ask", name="", assigned_org=SUPPLIER, due_date=text)
    with pytest.raises(ExpressionError):
        due_at(step, {}, NOON)
