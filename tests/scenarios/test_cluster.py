"""An organisation whose links lie on a cluster of three nats-servers that somebody else operates."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from support.cluster import Cluster
from support.parties import BUYER, CARRIER, DEFINITION, SUPPLIER
from support.processes import Processes
from support.trio import Member, Trio, each_effect_once, until, work

pytestmark = pytest.mark.timeout(240)


class Clustered(Trio):
    """The three; the buyer's links lie on the cluster."""

    def __init__(self, folder: Path, cluster: Cluster) -> None:
        super().__init__(folder)
        self.cluster = cluster
        self.members[BUYER] = _Settled(BUYER, folder, cluster)

    async def start(self, prepare: Callable[[], None] = lambda: None) -> None:
        """As ever, and then what the buyer's administrator and the cluster's operator do."""
        await super().start(prepare)
        await self.members[BUYER].tally("nats", "config", "--out", str(self.cluster.placed))
        await asyncio.to_thread(self.cluster.load)


class _Settled(Member):
    def __init__(self, org: str, folder: Path, cluster: Cluster) -> None:
        super().__init__(org, folder)
        self._cluster = cluster

    async def init(self, *more: str) -> None:
        """Make it, with the cluster in its settings."""
        await super().init(*more)
        path = self.data / "settings.json"
        settings = json.loads(path.read_text())
        settings["nats"] |= {"url": self._cluster.url, "leaf_url": self._cluster.leaf_url, "ca_file": "tls/ca.pem"}
        path.write_text(json.dumps(settings))

    async def start(self) -> None:
        """Run the node; the cluster knows the organisation before any partner of it."""
        if not self._cluster.servers:
            said = await self.tally("nats", "config", "--out", str(self._cluster.placed))
            assert "sync_interval: always" in said
            await asyncio.to_thread(self._cluster.start)
        await super().start()


@pytest.fixture
async def clustered(tmp_path: Path) -> AsyncIterator[Clustered]:
    with Processes() as processes:
        servers = tmp_path / "servers"
        servers.mkdir(mode=0o700)
        cluster = Cluster(processes, servers, BUYER)
        trio = Clustered(tmp_path, cluster)
        try:
            await trio.start()
            yield trio
        finally:
            await trio.stop()


async def linked(trio: Clustered) -> None:
    async def look() -> bool | None:
        partners = (await trio.members[BUYER].get("/partners"))["items"]
        return all(one["connected"] for one in partners) or None

    await until(look)


@pytest.mark.parametrize("number", range(3))
async def test_a_collaboration_goes_on_when_one_of_three_servers_dies(clustered: Clustered, number: int) -> None:
    with pytest.raises(AssertionError, match="runs no nats-server"):
        clustered.members[BUYER].nats_pid()
    await linked(clustered)
    collaboration = await clustered.begin(DEFINITION)
    await work(clustered.members[BUYER])
    await asyncio.to_thread(clustered.cluster.kill, number)
    seen: dict[str, dict[str, Any]] = await clustered.play(collaboration)
    assert len({(one["size"], one["root"], one["status"]) for one in seen.values()}) == 1
    assert seen[BUYER]["status"] == "completed"
    await each_effect_once(clustered, collaboration)
    await asyncio.to_thread(clustered.cluster.revive, number)
    again = await clustered.begin(DEFINITION)
    seen = await clustered.play(again)
    assert {one["status"] for one in seen.values()} == {"completed"}
    assert {CARRIER, SUPPLIER} < set(clustered.members)
