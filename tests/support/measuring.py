"""Coverage is measured by the tests of the code that it is asked of, and rests during all others.

The bar stands over the core and the verifier (`[tool.coverage.run]` in pyproject.toml). Measuring doubles the time of
whatever runs in the test's process, and a line that only a scenario happens to pass is not shown to be right.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

MEASURING = ("tests/core/", "tests/ledger/audit/")


class Measuring:
    """Stops pytest-cov and goes on with it as tests of the one kind and the other follow each other."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._runs = True

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Switch before a test's set-up."""
        self._switch(item.nodeid.startswith(MEASURING))
        return (yield)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """Leave it running, as it was found, before its figures are written down."""
        result = yield
        self._switch(True)
        return result

    def _switch(self, runs: bool) -> None:
        # A worker's pytest-cov has its controller only once the session has started.
        controller: Any = getattr(self._config.pluginmanager.getplugin("_cov"), "cov_controller", None)
        if controller is None or runs == self._runs:
            return
        if runs:
            controller.resume()
        else:
            controller.pause()
        self._runs = runs
