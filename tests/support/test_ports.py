"""Ports that nobody else is told of."""

import pytest

from support.ports import FIRST, SHARE, promised
from tallystick.node import freeport


def test_each_is_given_once_and_workers_have_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {}
    for worker in ("gw0", "gw3"):
        monkeypatch.setenv("PYTEST_XDIST_WORKER", worker)
        found[worker] = [promised() for _ in range(20)]
        assert len(set(found[worker])) == 20
    assert {one // SHARE for one in found["gw0"]} == {FIRST // SHARE}
    assert {one // SHARE for one in found["gw3"]} == {FIRST // SHARE + 3}


def test_whoever_looks_for_any_port_finds_none_of_them() -> None:
    assert min(freeport._ANY) >= FIRST + 10 * SHARE
