"""Machines' clocks that are turned by two days, and timers whose node was down when they were due."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from support.hosted import Hosted, hosting
from support.parties import BUYER, SUPPLIER
from support.trio import Member, until

pytestmark = pytest.mark.timeout(180)
TWO_DAYS = 2 * 86_400_000
HOUR = 3_600


def paused(*orgs: str, seconds: int = 3) -> dict[str, Any]:
    """A timer beside a task for people of the last organisation, which has an hour."""
    timer = {"id": "pause", "name": "Pause", "step_type": "timer", "timer": {"duration_seconds": seconds}}
    asked = {
        "id": "asked",
        "name": "Asked",
        "step_type": "user_task",
        "assigned_org": orgs[-1],
        "user_task": {"form_properties": [{"id": "note"}], "timeout_seconds": HOUR},
    }
    branches = [{"id": "a", "steps": [timer]}, {"id": "b", "steps": [asked]}]
    fork = {"completion_type": "all_branches", "branches": branches}
    return {
        "id": "paused",
        "name": "Paused 暂停",
        "participants": [{"org_id": org, "role": org, "can_terminate": True} for org in orgs],
        "steps": [{"id": "fork", "name": "Fork", "step_type": "parallel", "parallel": fork}],
    }


async def fired(node: Hosted, execution: str) -> int | None:
    """How often the pause has ended, once it has."""
    events = await node.events(execution, "timer_fired")
    return len([one for one in events if "/pause.1" in one["timer"]]) or None


async def on_time(node: Hosted, execution: str) -> bool:
    """Whether no timer passed before it was due."""
    due: dict[str, int] = {}
    for item in (await node.node.services.timeline(node.admin, execution))["items"]:
        for event in item["events"]:
            if event["type"] == "timer_set":
                due[event["timer"]] = event["due_at"]
            elif event["type"] == "timer_fired" and item["at"] < due[event["timer"]]:
                return False
    return True


@pytest.mark.parametrize("turned", [(TWO_DAYS,), (-TWO_DAYS,), (TWO_DAYS, -TWO_DAYS, 0)], ids=["ahead", "back", "both"])
async def test_a_clock_that_is_turned_loses_no_timer_and_passes_no_deadline(
    tmp_path: Path, turned: tuple[int, ...]
) -> None:
    async with hosting(tmp_path, BUYER) as (buyer,):
        execution = await buyer.begin(paused(BUYER))
        for ahead_ms in turned:
            buyer.wall.ahead_ms = ahead_ms
            await asyncio.sleep(0.3)
        jump = (await buyer.node.services.organisation())["clock_jump"]
        assert (jump is None) == (turned[-1] == 0)
        assert await until(lambda: fired(buyer, execution)) == 1
        buyer.wall.ahead_ms = -turned[0]
        await asyncio.sleep(0.5)
        assert await fired(buyer, execution) == 1
        assert await on_time(buyer, execution)
        assert not await buyer.events(execution, "timed_out")
        await buyer.complete("asked", {"note": "x"})
        await buyer.ends(execution)


@pytest.mark.parametrize("ahead_ms", [TWO_DAYS, -TWO_DAYS], ids=["ahead", "back"])
@pytest.mark.parametrize("whose", [BUYER, SUPPLIER])
async def test_no_deadline_of_a_partner_passes_because_a_clock_is_turned(
    tmp_path: Path, whose: str, ahead_ms: int
) -> None:
    async with hosting(tmp_path, BUYER, SUPPLIER) as (buyer, supplier):
        execution = await buyer.begin(paused(BUYER, SUPPLIER, seconds=1), {}, supplier)
        task = await supplier.task("asked")
        (buyer if whose == BUYER else supplier).wall.ahead_ms = ahead_ms
        assert await until(lambda: fired(supplier, execution)) == 1  # entries still pass between the two
        assert not await supplier.events(execution, "timed_out")
        assert (await supplier.task("asked"))["due_at"] == task["due_at"]
        await supplier.complete("asked", {"note": "x"})
        for one in (buyer, supplier):
            await one.ends(execution)
            assert await on_time(one, execution)


async def test_a_timer_that_was_due_while_its_node_was_dead_fires_late_and_once(tmp_path: Path) -> None:
    node = Member(BUYER, tmp_path)
    try:
        await node.init()
        await node.start()
        made = await node.post("/collaborations", {"definition": paused(BUYER, seconds=2)})
        execution = f"/executions/{made['execution_id']}"
        await node.post(f"/collaborations/{made['execution_id']}/start", {"input": {}})
        await node.kill()
        await asyncio.sleep(3)
        await node.start()

        async def passed() -> list[dict[str, Any]] | None:
            items = (await node.get(f"{execution}/timeline"))["items"]
            events = [event for item in items for event in item["events"]]
            return [one for one in events if one["type"] == "timer_fired"] or None

        assert len(await until(passed)) == 1
        await node.kill()  # and a second time, now that it has fired
        await node.start()
        await asyncio.sleep(1)
        assert len(await until(passed)) == 1
        assert (await node.get(execution))["status"] == "running"
    finally:
        await node.stop()
