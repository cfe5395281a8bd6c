"""What expressions can read, from where."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.scope import Value, variables, visible

ITEMS = ["x", "y", "z"]


def test_input_and_steps() -> None:
    found = variables([Value("", 0, "a", 1), Value("order.1", 1, "b", 2), Value("order.1", 1, "c", 3)])
    assert found == {"input": {"a": 1}, "steps": {"order": {"b": 2, "c": 3}}, "signals": {}}
    assert variables([]) == {"input": {}, "steps": {}, "signals": {}}


@given(st.permutations([("order.1", 1), ("order.1", 2), ("order.2", 1), ("order.10", 1)]))
def test_the_latest_entry_wins(places: list[tuple[str, int]]) -> None:
    values = [Value(task, attempt, "a", task, seq) for seq, (task, attempt) in enumerate(places)]
    assert variables(reversed(values))["steps"] == {"order": {"a": places[-1][0]}}


def test_what_was_said_later_is_not_read() -> None:
    values = [Value("a.1", 1, "x", seq, seq) for seq in range(9)]
    assert variables(values, "b.1", 4)["steps"] == {"a": {"x": 4}}


def test_text_for_people_cannot_be_read() -> None:
    assert variables([Value("order.1", 1, "$message", "late"), Value("", 0, "$reason", "x")])["steps"] == {}


@pytest.mark.parametrize(
    ("task", "frame", "expected"),
    [
        ("a.1", "", True),
        ("a.1", "fork.1#b/", True),
        ("fork.1#b/a.1", "", True),
        ("fork.1#b/a.1", "fork.1#b/", True),
        ("fork.1#b/a.1", "fork.1#b/inner.1#c/", True),
        ("fork.1#b/a.1", "fork.1#c/", False),
        ("fork.1#b/a.1", "fork.1#c/inner.1#b/", False),
        ("fork.1#b/a.1", "fork.2#c/", True),
        ("fork.1#b/a.1", "other.1#c/", True),
        ("lines.1#0/a.1", "lines.1#10/", False),
        ("lines.1#1/in.1#0/a.1", "lines.1#1/in.1#1/", False),
        ("lines.1#1/in.1#0/a.1", "lines.1#1/in.2#1/", True),
    ],
)
def test_siblings_do_not_read_each_other(task: str, frame: str, expected: bool) -> None:
    assert visible(task, frame) is expected


def test_the_latest_signal_is_read_whole() -> None:
    values = [Value("signal:go", 0, "a", 1, 1), Value("signal:go", 0, "b", 2, 1), Value("signal:go", 0, "a", 3, 5)]
    assert variables(values, "x.1", 4)["signals"] == {"go": {"a": 1, "b": 2}}
    assert variables(values)["signals"] == {"go": {"a": 3}}


def test_item_and_index_are_those_of_the_innermost_loop() -> None:
    values = [Value("lines.1", 1, "items", ITEMS, 1), Value("lines.1#2/parts.1", 1, "items", ["p", "q"], 2)]
    inner = variables(values, "lines.1#2/parts.1#1/fork.1#b/pay.1")
    assert (inner["item"], inner["index"]) == ("q", 1)
    outer = variables(values, "lines.1#2/pay.1")
    assert (outer["item"], outer["index"], outer["steps"]["lines"]["items"]) == ("z", 2, ITEMS)
    assert "item" not in variables(values, "after.1")
    assert variables(values[1:], "lines.1#2/pay.1").keys() == {"input", "steps", "signals", "index"}


def test_results_of_a_loop_by_index() -> None:
    values = [
        Value("lines.1", 1, "items", ITEMS, 1),
        Value("lines.1#1/pay.1", 1, "paid", "10", 2),
        Value("lines.1#1/fork.1#b/note.1", 1, "text", "ok", 3),
        Value("lines.1#0/pay.1", 1, "paid", "5", 4),
    ]
    results = variables(values, "after.1")["steps"]["lines"]["results"]
    assert results == [{"pay": {"paid": "5"}}, {"pay": {"paid": "10"}, "note": {"text": "ok"}}, {}]
    again = [*values, Value("lines.2", 1, "items", ["w"], 5), Value("lines.2#0/pay.1", 1, "paid", "1", 6)]
    assert variables(again, "after.2")["steps"]["lines"]["results"] == [{"pay": {"paid": "1"}}]
    empty = [*values, Value("lines.2", 1, "items", [], 5)]
    assert variables(empty, "after.2")["steps"]["lines"]["results"] == []
    assert "results" not in variables(values, "lines.1#1/more.1")["steps"]["lines"]


names = st.text(alphabet="ab.#/01:signal$", max_size=20)


@given(st.lists(st.builds(Value, names, st.integers(0, 2), names, st.integers(), st.integers(0, 9))), names)
def test_any_place_at_all(values: list[Value], task: str) -> None:
    variables(values, task, 5)
