"""Organisations on real nats-servers."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from node.links.organisations import Begin, Organisation, introduce, make_identity
from tallystick.node.links.settings import Quota


@pytest.fixture
async def begin(tmp_path: Path) -> AsyncIterator[Begin]:
    """Start organisations by id; stop them all at the end."""
    running: list[Organisation] = []

    async def start(org_id: str, *, quota: Quota | None = None) -> Organisation:
        # House rule: names of fixtures carry what flushes out quoting bugs.
        folder = tmp_path / f'{org_id} a!b@c$d()e*_,;=?@ff[]22 "数据"'
        organisation = Organisation(make_identity(folder / "tls", org_id), folder / "links", quota)
        running.append(organisation)
        await organisation.start()
        return organisation

    yield start
    await asyncio.gather(*(organisation.links.stop() for organisation in running))


@pytest.fixture
async def three(begin: Begin) -> list[Organisation]:
    """Three organisations that are partners of each other."""
    organisations = [await begin(org_id) for org_id in ("huaxia", "nordic-bearings", "blueline_3")]
    await introduce(*organisations)
    return organisations
