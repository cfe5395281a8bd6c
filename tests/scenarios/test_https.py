"""Collaborations over the partner API: one partner without NATS, and transports switched in the middle."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from support.fronts import FrontedTrio
from support.parties import BUYER, CARRIER, DEFINITION, NAMES, SUPPLIER
from support.trio import each_effect_once

pytestmark = pytest.mark.timeout(180)


@asynccontextmanager
async def fronted(folder: Path, without_nats: Collection[str] = ()) -> AsyncIterator[FrontedTrio]:
    trio = FrontedTrio(folder, frozenset(without_nats))
    try:
        await trio.start()
        yield trio
    finally:
        await trio.stop()


@pytest.mark.parametrize("without", [[SUPPLIER], [BUYER], list(NAMES)])
async def test_partners_without_nats_take_part_over_https_alone(tmp_path: Path, without: list[str]) -> None:
    async with fronted(tmp_path, without) as trio:
        for org in without:
            member = trio.members[org]
            assert (await member.get("/organisation/card"))["nats"] is None
            with pytest.raises(AssertionError, match="runs no nats-server"):
                member.nats_pid()
        collaboration = await trio.begin(DEFINITION)
        seen = await trio.play(collaboration)
        assert len({(one["size"], one["root"], one["status"]) for one in seen.values()}) == 1
        assert seen[BUYER]["status"] == "completed"
        await each_effect_once(trio, collaboration)
        for org in without:
            others = [other for other in NAMES if other != org]
            assert all(trio.fronts[other].taken for other in others)
        data = (await trio.members[SUPPLIER].get(f"/executions/{collaboration}/data"))["items"]
        file = next(item["value"]["$file"] for item in data if item["task"] == "order.1")
        content = await trio.members[SUPPLIER].http.get(f"/documents/{file['sha256']}/content")
        assert content.content.startswith(b"<Order>")
        assert CARRIER in trio.members
