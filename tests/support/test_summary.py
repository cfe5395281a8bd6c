"""The closing table counts each test once and says why one was skipped and how to enable it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.summary import Suite, Summary, reason_of, suite_of

TESTS = Path(__file__).resolve().parents[1]
CONFTEST = """
from support.summary import Summary

def pytest_configure(config):
    config.pluginmanager.register(Summary())
"""
MODULE = """
import pytest

def test_passes():
    pass

@pytest.fixture
def broken():
    raise RuntimeError

def test_error(broken):
    pass

@pytest.mark.skip(reason="no mosquitto; enable: apt-get install mosquitto")
def test_skipped():
    pass
"""


def run(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a project of its own."""
    env = {**os.environ, "PYTHONPATH": str(TESTS), "TALLY_NO_SKIP": "", "PYTEST_ADDOPTS": "", **environment}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Give a project with a suite called `core`."""
    (tmp_path / "tests" / "core").mkdir(parents=True)
    (tmp_path / "tests" / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (tmp_path / "tests" / "core" / "test_it.py").write_text(MODULE, encoding="utf-8")
    return tmp_path


def test_the_table_comes_last_before_the_closing_line(project: Path) -> None:
    *_, suites, header, row, closing = run(project).stdout.splitlines()
    assert suites.strip("= ") == "suites"
    assert header.split() == ["suite", "ran", "failed", "skipped", "why", "how", "to", "enable"]
    assert row.split(maxsplit=4) == ["core", "1", "1", "1", "no mosquitto  apt-get install mosquitto"]
    assert "1 passed, 1 skipped, 1 error" in closing


@pytest.mark.parametrize(("no_skip", "code"), [("", 0), ("1", 1)])
def test_a_skip_fails_the_run_only_where_none_is_allowed(project: Path, no_skip: str, code: int) -> None:
    assert run(project, "-k", "passes or skipped", TALLY_NO_SKIP=no_skip).returncode == code


def test_suites_are_the_folders_under_tests() -> None:
    assert suite_of("tests/core/engine/test_a.py::test_b[x/y]") == "core"
    assert suite_of("tests/test_layout.py::test_b") == "test_layout"


def test_reasons_split_into_why_and_how() -> None:
    assert reason_of(("file", 1, "Skipped: no chromium; enable: apt-get install chromium")) == (
        "no chromium",
        "apt-get install chromium",
    )
    assert reason_of(("file", 1, "Skipped: because")) == ("because", "")


def test_further_reasons_get_lines_of_their_own() -> None:
    summary = Summary()
    suite = summary.suites["node"] = Suite(ran=3, skipped=3)
    suite.reasons[("no chromium", "install it")] += 2
    suite.reasons[("no root", "")] += 1
    assert summary.lines()[1:] == ["node   3    0       3        no chromium (x2)  install it", " " * 29 + "no root"]
