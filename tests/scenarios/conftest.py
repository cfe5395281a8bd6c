"""Three real nodes for a scenario, with a chain or without.

Starting them costs two seconds of a core. Scenarios that leave the three as they found them share those of their module
(`shared_trio`, `shared_anchored`); those that change keys, settings or what everyone counts have their own (`trio`,
`anchored`).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol, TypeVar

import pytest
import pytest_asyncio

from support.chain import LocalChain
from support.trio import Trio


class Startable(Protocol):
    """What is started, and stopped at the end, whatever happened."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


S = TypeVar("S", bound=Startable)


@asynccontextmanager
async def running(one: S) -> AsyncIterator[S]:
    """Run it for the block."""
    try:
        await one.start()
        yield one
    finally:
        await one.stop()


@pytest.fixture(autouse=True, scope="module")
def derives_cheaply(cheap_derivation: None) -> None:
    """Whoever makes keystores and users here pays little for their passphrases."""


@pytest.fixture
async def trio(tmp_path: Path) -> AsyncIterator[Trio]:
    """Started and introduced."""
    async with running(Trio(tmp_path)) as three:
        yield three


@pytest.fixture
async def chain(tmp_path: Path) -> AsyncIterator[LocalChain]:
    """Give a chain with the contracts on it."""
    async with running(LocalChain(tmp_path)) as local:
        yield local


@pytest.fixture
async def anchored(chain: LocalChain, tmp_path: Path) -> AsyncIterator[Trio]:
    """Give three nodes that anchor on it."""
    async with running(Trio(tmp_path, chain)) as three:
        yield three


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_trio(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Trio]:
    """One for all tests of a module; `shared_trio` gives it to a test."""
    async with running(Trio(tmp_path_factory.mktemp("trio"))) as three:
        yield three


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_chain(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalChain]:
    """One for all tests of a module; `shared_chain` gives it to a test."""
    async with running(LocalChain(tmp_path_factory.mktemp("chain"))) as local:
        yield local


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_anchored(module_chain: LocalChain, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Trio]:
    """Three that anchor, for all tests of a module; `shared_anchored` gives them to a test."""
    async with running(Trio(tmp_path_factory.mktemp("anchored"), module_chain)) as three:
        yield three


@pytest_asyncio.fixture(loop_scope="module")
async def shared_trio(module_trio: Trio) -> Trio:
    """All three of them run, whatever the test before did to them and however it ended."""
    await module_trio.ensure_started()
    return module_trio


@pytest_asyncio.fixture(loop_scope="module")
async def shared_chain(module_chain: LocalChain) -> LocalChain:
    """It runs and mines at once, whatever the test before did to it and however it ended."""
    await module_chain.ensure_started()
    return module_chain


@pytest_asyncio.fixture(loop_scope="module")
async def shared_anchored(shared_chain: LocalChain, module_anchored: Trio) -> Trio:
    """The chain and all three run."""
    assert module_anchored.chain is shared_chain
    await module_anchored.ensure_started()
    return module_anchored
