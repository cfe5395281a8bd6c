"""Three real nodes for a scenario.

Starting them costs ten seconds of a core. Scenarios that leave the three as they found them share the `shared_trio` of
their module; those that change keys, settings or what everyone counts have a `trio` of their own.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from support.chain import LocalChain
from support.trio import Trio


@pytest.fixture
async def trio(tmp_path: Path) -> AsyncIterator[Trio]:
    """Started and introduced; stopped at the end, whatever happened."""
    three = Trio(tmp_path)
    try:
        await three.start()
        yield three
    finally:
        await three.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_trio(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Trio]:
    """One for all tests of a module; `shared_trio` gives it to a test."""
    three = Trio(tmp_path_factory.mktemp("trio"))
    try:
        await three.start()
        yield three
    finally:
        await three.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def shared_trio(module_trio: Trio) -> Trio:
    """All three of them run, whatever the test before did to them and however it ended."""
    for member in module_trio.members.values():
        await member.ensure_started()
    return module_trio


@pytest.fixture
async def chain(tmp_path: Path) -> AsyncIterator[LocalChain]:
    """Give a chain with the contracts on it."""
    local = LocalChain(tmp_path)
    await local.start()
    try:
        yield local
    finally:
        await local.stop()


@pytest.fixture
async def anchored(chain: LocalChain, tmp_path: Path) -> AsyncIterator[Trio]:
    """Give three nodes that anchor on it."""
    three = Trio(tmp_path, chain)
    try:
        await three.start()
        yield three
    finally:
        await three.stop()
