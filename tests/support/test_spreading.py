"""The order of a run and its number of workers."""

import pytest

from support.processes import ROOT
from support.spreading import FIRST, rank, workers


def test_every_folder_named_there_is_there() -> None:
    assert all((ROOT / folder).is_dir() for folder in FIRST)


def test_scenarios_begin_and_small_tests_come_last() -> None:
    core, work, scenario, node = "tests/core/a.py", "tests/node/work/b.py", "tests/scenarios/c.py", "tests/node/d.py"
    assert sorted((core, node, work, scenario), key=rank) == [scenario, work, node, core]


@pytest.mark.parametrize(("cores", "wanted"), [(1, 2), (2, 3), (4, 6)])
def test_there_are_half_as_many_workers_again_as_cores(cores: int, wanted: int) -> None:
    assert workers(cores) == wanted
