"""The order of a run and its number of workers."""

import pytest

from support.processes import ROOT
from support.spreading import FIRST, LONGEST, rank, workers


def test_everything_named_there_is_there_once() -> None:
    assert all((ROOT / folder).is_dir() for folder in FIRST)
    assert all((ROOT / file).is_file() for file in LONGEST)
    assert len({*FIRST, *LONGEST}) == len(FIRST) + len(LONGEST)


def test_what_takes_long_begins_and_small_tests_come_last() -> None:
    core, work, scenario, node = "tests/core/a.py", "tests/node/work/b.py", "tests/scenarios/c.py", "tests/node/d.py"
    wanted = [f"{LONGEST[0]}::test[a]", f"{LONGEST[1]}::test", scenario, work, node, core]
    assert sorted(set(wanted), key=rank) == wanted


@pytest.mark.parametrize(("cores", "wanted"), [(1, 2), (2, 4), (4, 8)])
def test_there_are_twice_as_many_workers_as_cores(cores: int, wanted: int) -> None:
    assert workers(cores) == wanted
