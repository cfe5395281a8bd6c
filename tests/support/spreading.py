"""How a run spreads over its workers: what takes longest begins first, so that none is left with it at the end.

Workers take whole files in the order of collection (`--dist loadfile --no-loadscope-reorder`).
"""

from __future__ import annotations

import pytest

# Files that keep a worker for half a minute and more, the longest first: `--durations=0` says which those are. Those
# that take turns at the usual ports (test_fourth, test_demo, test_resident) stand apart.
LONGEST = (
    "tests/scenarios/test_fourth.py",
    "tests/scenarios/test_anchoring_soak.py",
    "tests/scenarios/test_keys.py",
    "tests/scenarios/test_ends.py",
    "tests/contracts/test_forge.py",
    "tests/scenarios/test_policy.py",
    "tests/scenarios/test_root_away.py",
    "tests/scenarios/test_link_faults.py",
    "tests/scenarios/test_meeting.py",
    "tests/node/demo/test_demo.py",
    "tests/scenarios/test_https.py",
    "tests/scenarios/test_cluster.py",
    "tests/scenarios/test_two_chains.py",
    "tests/scenarios/test_industrial.py",
    "tests/scenarios/test_chain.py",
    "tests/scenarios/test_task_queues.py",
    "tests/node/demo/test_stack.py",
    "tests/scenarios/test_link_keys.py",
    "tests/ledger/test_second_client.py",
    "tests/scenarios/test_triggers.py",
    "tests/scenarios/test_lost.py",
    "tests/ledger/audit/test_verify.py",
    "tests/node/demo/test_resident.py",
    "tests/node/links/test_link.py",
)
FIRST = (
    "tests/scenarios/",
    "tests/node/demo/",
    "tests/ledger/",
    "tests/node/links/",
    "tests/node/anchoring/",
    "tests/node/work/",
    "tests/node/",
)


class Spreading:
    """Gives the order."""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Put what takes long first; else everything stays where it is."""
        items.sort(key=lambda item: rank(item.nodeid))


def workers(cores: int) -> int:
    """How many workers keep so many cores busy: tests over real servers wait for them half of their time."""
    return cores * 2


def rank(nodeid: str) -> int:
    """The place of a test's file among the longest, then of its folder among those above; others come last."""
    file = nodeid.partition("::")[0]
    if file in LONGEST:
        return LONGEST.index(file)
    folders = (place for place, folder in enumerate(FIRST) if file.startswith(folder))
    return len(LONGEST) + next(folders, len(FIRST))
