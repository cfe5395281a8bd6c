"""What the reader sees."""

import io

import pytest

from tallystick.node.demo import report
from tallystick.node.demo.console import Console, pad, width


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_chinese_names_keep_columns_straight() -> None:
    assert width("华夏汽车") == 8
    assert width(pad("华夏汽车", 18)) == width(pad("Nordic Bearings", 18)) == 18


def test_plain_text_where_there_is_no_terminal() -> None:
    stream = io.StringIO()
    console = Console(stream)
    console.title("Checks")
    console.table([(1, "PASS", "signatures"), (12, "FAIL", "entries")])
    console.note("mind the gap")
    assert "\x1b" not in stream.getvalue()
    assert "  1   PASS  signatures\n  12  FAIL  entries\n" in stream.getvalue()


def test_colours_on_a_terminal_unless_unwanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert _line() != "hello"
    monkeypatch.setenv("NO_COLOR", "1")
    assert _line() == "hello"
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert _line() == "hello"


def _line() -> str:
    return Console(Terminal()).paint("\x1b[1m", "hello")


def test_a_terminal_without_utf_8_does_not_stop_the_demo() -> None:
    raw = io.BytesIO()
    console = Console(io.TextIOWrapper(raw, encoding="ascii"))
    console.say("华夏汽车", "orders")
    assert raw.getvalue().endswith(b"orders\n")


def test_an_entry_is_told_by_what_ends_and_what_begins() -> None:
    events: list[report.Item] = [
        {"type": "received", "task": "order.1", "attempt": 1, "org": "nordic"},
        {"type": "answered", "task": "order.1", "attempt": 1, "status": "completed"},
        {"type": "step_completed", "step": "order", "task": "order.1"},
        {"type": "assigned", "task": "order_approval.1", "step": "order_approval", "org": "nordic"},
    ]
    assert report.happened(events) == "order received by nordic, order completed, → order approval (nordic)"


def test_times_are_utc() -> None:
    assert report.clock(1_700_000_000_123) == "22:13:20.123"
