"""How a run spreads over its workers: what takes longest begins first, so that none is left with it at the end.

Workers take whole files in the order of collection (`--dist loadfile --no-loadscope-reorder`).
"""

from __future__ import annotations

import pytest

FIRST = (
    "tests/contracts/",
    "tests/scenarios/",
    "tests/ledger/",
    "tests/node/links/",
    "tests/node/work/",
    "tests/node/",
)


class Spreading:
    """Gives the order."""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Put the slow folders first; within one, everything stays where it is."""
        items.sort(key=lambda item: rank(item.nodeid))


def workers(cores: int) -> int:
    """How many workers keep so many cores busy: tests over real servers wait for them a third of their time."""
    return cores + (cores + 1) // 2


def rank(nodeid: str) -> int:
    """The place among the folders above of the one that holds a test; those of no such folder come last."""
    return next((place for place, folder in enumerate(FIRST) if nodeid.startswith(folder)), len(FIRST))
