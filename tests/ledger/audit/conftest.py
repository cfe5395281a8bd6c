"""One anchored case for all tests: they only ever change copies of it."""

from __future__ import annotations

import asyncio

import pytest

from ledger.audit.world import World, build


@pytest.fixture(scope="session")
def world() -> World:
    """Give the honest case."""
    return asyncio.run(build())
