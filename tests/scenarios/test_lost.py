"""What a broker acknowledged and then lost is found and sent again, and nobody does anything for it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from support.hosted import Hosted, hosting
from support.losing import unread
from support.parties import BUYER, CARRIER, SUPPLIER
from tallystick.node.record.pace import Pace

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]
THREE: list[dict[str, Any]] = [
    {"org_id": BUYER, "role": "buyer", "can_terminate": True},
    {"org_id": SUPPLIER, "role": "supplier"},
    {"org_id": CARRIER, "role": "carrier"},
]
PACE = Pace(quiet_ms=500, seldom_ms=2_000, link_ms=500)
FORM = [{"id": "ok", "name": "OK", "property_type": "boolean", "required": True}]


def asks(step: str, org: str) -> dict[str, Any]:
    """A task for somebody's staff."""
    task = {"id": step, "name": f"{step} 查看", "task_type": "activity", "assigned_org": org}
    return {**task, "parameters": {"form_properties": FORM}, "timeout_seconds": 3600}


DEFINITION = {
    "id": "lossy",
    "name": "Lossy 丢失",
    "participants": THREE,
    "tasks": [asks("order", BUYER), asks("make", SUPPLIER)],
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def three(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[list[Hosted]]:
    """Three nodes that know each other; the buyer's coordinates."""
    async with hosting(tmp_path_factory.mktemp("lost"), BUYER, SUPPLIER, CARRIER, pace=PACE) as hosted:
        yield hosted


async def test_the_entry_that_assigns_a_task(three: list[Hosted]) -> None:
    buyer, supplier, carrier = three
    execution = await buyer.begin(DEFINITION, None, supplier, carrier)
    await buyer.task("order", execution)
    await supplier.seen(execution, "running")
    async with unread(supplier, BUYER) as stream:
        await buyer.complete("order", {"ok": True}, execution)
        await stream.holds()
        await stream.lose()
    await supplier.complete("make", {"ok": True}, execution)
    for one in three:
        await one.ends(execution)
