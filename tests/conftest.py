"""What every test shares: real servers that die with the test, and the table at the end of a run."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from support.derivation import cheap
from support.measuring import Measuring
from support.postgres import Postgres
from support.processes import Anvil, Processes, start_anvil
from support.spreading import Spreading, workers
from support.summary import Summary
from tallystick.node.bench.postgres import started

# A busy machine is no counter-example.
hypothesis.settings.register_profile("tally", deadline=None)
hypothesis.settings.load_profile("tally")


def pytest_configure(config: pytest.Config) -> None:
    """Add what a run does besides: the table, the order of tests, the switch of coverage."""
    config.pluginmanager.register(Summary(), "tally-summary")
    config.pluginmanager.register(Spreading(), "tally-spreading")
    config.pluginmanager.register(Measuring(config), "tally-measuring")


@pytest.hookimpl(tryfirst=True, optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Say how many workers there are; it is asked before anything is configured, so it stands here."""
    return workers(os.cpu_count() or 1)


@pytest.fixture(scope="module")
def cheap_derivation() -> Iterator[None]:
    """Derive keys and hash passwords at argon2id's least cost in a module's tests and fixtures."""
    with cheap():
        yield


@pytest.fixture
def processes() -> Iterator[Processes]:
    """Give a starter of real servers; all that a test started ends with it."""
    with Processes() as started:
        yield started


@pytest.fixture
def anvil(processes: Processes) -> Anvil:
    """Give a local chain of the test's own, on a port of its own."""
    return start_anvil(processes)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """Give a Postgres server, begun when a test first asks for it."""
    running, url = started(tmp_path_factory.mktemp("postgres"))
    yield Postgres(url)
    running.cleanup()


@pytest.fixture
def usual_ports() -> Iterator[None]:
    """Let one test at a time look for free ports from the usual ones on, as `make up` and `make demo` do."""
    with (Path(tempfile.gettempdir()) / f"tally-usual-ports-{os.getuid()}").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
