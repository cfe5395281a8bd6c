"""Three real nodes for a scenario."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

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
