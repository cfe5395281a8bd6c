"""Only the tests of the core and the verifier count towards coverage, whatever runs between them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.measuring import MEASURING
from support.processes import ROOT

CONFTEST = """
from support.measuring import Measuring

def pytest_configure(config):
    config.pluginmanager.register(Measuring(config))
"""
MEASURED = """
def of_a_core_test():
    return 1

def of_a_node_test():
    return 2

def of_another_core_test():
    return 3
"""
TESTS = {
    "tests/core/test_a.py": "import measured\ndef test_a():\n    measured.of_a_core_test()\n",
    "tests/node/test_b.py": "import measured\ndef test_b():\n    measured.of_a_node_test()\n",
    "tests/ledger/audit/test_c.py": "import measured\ndef test_c():\n    measured.of_another_core_test()\n",
}


def test_every_folder_named_there_is_there() -> None:
    assert all((ROOT / folder).is_dir() for folder in MEASURING)


@pytest.mark.parametrize("spread", [[], ["-n", "1", "--dist", "loadfile", "--no-loadscope-reorder"]])
@pytest.mark.parametrize("last", ["tests/ledger/audit/test_c.py", "tests/node/test_b.py"])
def test_lines_that_only_other_tests_reach_are_not_covered(tmp_path: Path, spread: list[str], last: str) -> None:
    for name, text in {"tests/conftest.py": CONFTEST, "measured.py": MEASURED, **TESTS}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    files = [*(name for name in TESTS if name != last), last]
    words = ["--cov=measured", "--cov-branch", "--cov-report=json", "-p", "no:cacheprovider", *spread, *files]
    env = {**os.environ, "PYTHONPATH": f"{ROOT / 'tests'}{os.pathsep}{tmp_path}", "PYTEST_ADDOPTS": ""}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words], cwd=tmp_path, env=env, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout.decode()
    found = json.loads((tmp_path / "coverage.json").read_text(encoding="utf-8"))["files"]["measured.py"]
    assert found["missing_lines"] == [MEASURED.splitlines().index("    return 2") + 1]
