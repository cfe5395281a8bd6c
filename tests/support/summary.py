"""The table at the end of a run: suite, ran, failed, skipped, why, how to enable.

A skip says why and how to be rid of it in one reason, the two joined by `; enable: `, as
`pytest.skip("no chromium; enable: apt-get install chromium")`. With `TALLY_NO_SKIP=1` (CI) any skip fails the run.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Generator
from dataclasses import dataclass, field

import pytest

COLUMNS = ("suite", "ran", "failed", "skipped", "why", "how to enable")
NO_SKIP = "TALLY_NO_SKIP"
ENABLE = "; enable: "


@dataclass
class Suite:
    """What became of the tests of one folder."""

    ran: int = 0
    failed: int = 0
    skipped: int = 0
    reasons: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))


class Summary:
    """Counts outcomes by suite while pytest runs and prints the table when it ends."""

    def __init__(self) -> None:
        self.suites: dict[str, Suite] = defaultdict(Suite)

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a test once: by its call, or by the phase that kept the call from happening."""
        suite = self.suites[suite_of(report.nodeid)]
        if report.skipped:
            self._skip(suite, report)
        elif report.failed:
            suite.failed += 1
            suite.ran += report.when == "call"
        elif report.when == "call":
            suite.ran += 1

    @pytest.hookimpl
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Count a module that could not be read, or that skips itself as a whole."""
        if report.failed:
            self.suites[suite_of(report.nodeid)].failed += 1
        elif report.skipped:
            self._skip(self.suites[suite_of(report.nodeid)], report)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Turn any skip into a failed run where the environment promised that all would run."""
        if os.environ.get(NO_SKIP) == "1" and self.skipped and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None, None, None]:
        """Print the table after everything else that has to be said."""
        yield
        terminalreporter.section("suites")
        for line in self.lines():
            terminalreporter.line(line)
        if os.environ.get(NO_SKIP) == "1" and self.skipped:
            terminalreporter.line(f"{NO_SKIP}=1: {self.skipped} skipped, so this run has failed", red=True)

    @property
    def skipped(self) -> int:
        """How many tests did not run, over all suites."""
        return sum(suite.skipped for suite in self.suites.values())

    def lines(self) -> list[str]:
        """Return the table's lines: one a suite and one more for each further reason to skip."""
        return aligned([COLUMNS, *(row for name in sorted(self.suites) for row in rows(name, self.suites[name]))])

    @staticmethod
    def _skip(suite: Suite, report: pytest.TestReport | pytest.CollectReport) -> None:
        suite.skipped += 1
        suite.reasons[reason_of(report.longrepr)] += 1


def suite_of(nodeid: str) -> str:
    """Name the suite of a test: the first folder under tests/, or the module's own name beside them."""
    parts = nodeid.split("::", 1)[0].split("/")
    return parts[1].removesuffix(".py") if len(parts) > 1 else parts[0]


def reason_of(longrepr: object) -> tuple[str, str]:
    """Return why a test was skipped and how to enable it."""
    text = str(longrepr[2]) if isinstance(longrepr, tuple) else str(longrepr)
    why, _, how = text.removeprefix("Skipped: ").partition(ENABLE)
    return " ".join(why.split()), " ".join(how.split())


def rows(name: str, suite: Suite) -> list[tuple[str, ...]]:
    """Return a suite's lines of the table."""
    reasons = [(why if times == 1 else f"{why} (x{times})", how) for (why, how), times in suite.reasons.items()]
    first, *rest = reasons or [("", "")]
    counts = (name, str(suite.ran), str(suite.failed), str(suite.skipped))
    return [(*counts, *first), *(("", "", "", "", *reason) for reason in rest)]


def aligned(table: list[tuple[str, ...]]) -> list[str]:
    """Pad every column to its widest cell."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
