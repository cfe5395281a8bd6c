"""What expressions can read."""

from hypothesis import given
from hypothesis import strategies as st

from tallystick.core.scope import Value, variables


def test_input_and_steps() -> None:
    found = variables([Value("", 0, "a", 1), Value("order.1", 1, "b", 2), Value("order.1", 1, "c", 3)])
    assert found == {"input": {"a": 1}, "steps": {"order": {"b": 2, "c": 3}}}
    assert variables([]) == {"input": {}, "steps": {}}


@given(st.permutations([("order.1", 1), ("order.1", 2), ("order.2", 1), ("order.10", 1)]))
def test_the_latest_visit_and_attempt_win(places: list[tuple[str, int]]) -> None:
    found = variables(Value(task, attempt, "a", f"{task}/{attempt}") for task, attempt in places)
    assert found["steps"] == {"order": {"a": "order.10/1"}}


def test_text_for_people_cannot_be_read() -> None:
    assert variables([Value("order.1", 1, "$message", "late"), Value("", 0, "$reason", "x")])["steps"] == {}


def test_step_ids_may_hold_dots_and_visits_need_digits() -> None:
    assert variables([Value("a.b.1", 1, "x", 1), Value("c.x", 1, "y", 2)])["steps"] == {"a.b": {"x": 1}, "c": {"y": 2}}
