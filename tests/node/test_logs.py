"""The node's log against those whose words it quotes."""

import logging
from typing import Any

import pytest

from tallystick.node import logs

FORGED = "2026-11-25 12:00:00,000 ERROR tallystick.node.bootstrap everything is lost"


def line(message: str, *facts: Any, error: Exception | None = None) -> str:
    """What is written for a record."""
    caught = (type(error), error, None) if error else None
    return logs.OneLine().format(logging.LogRecord("here", logging.WARNING, "", 1, message, facts, caught))


@pytest.mark.parametrize("hostile", ["\n", "\r\n", "\x1b[2J", "\u202e", "\u2028", "\x85", "\0"])
def test_what_others_wrote_stays_within_its_line(hostile: str) -> None:
    written = line("refused: %s", f"no{hostile}{FORGED}")
    assert written.isprintable()
    assert written.endswith(FORGED)
    assert "refused: no\\" in written


def test_a_traceback_begins_no_line_of_the_log() -> None:
    first, *others = line("failed", error=ValueError(f"x\n{FORGED}\x1b")).split("\n")
    assert first.endswith("WARNING here failed")
    assert [one for one in others if one.endswith(FORGED + "\\x1b")]
    assert all(one.startswith("    | ") and one.isprintable() for one in others)


def test_other_scripts_stay_as_they_are() -> None:
    assert line("%s — 华夏汽车 ✓", "é").endswith("é — 华夏汽车 ✓")


def test_a_line_has_an_end() -> None:
    assert len(line("refused: %s", "x" * 900_000)) < logs.MAX_LINE + 100
