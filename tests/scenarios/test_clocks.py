"""Machines' clocks that are turned by two days, and timers whose node was down when they were due."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from support.hosted import Hosted, hosting
from support.parties import BUYER, SUPPLIER
from support.trio import Member, until
from tallystick.node.clock import ClockInDoubt
from tallystick.tenants.permissions import NotPermitted
from tallystick.tenants.users import Users

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


async def doubt(node: Hosted) -> dict[str, Any] | None:
    """What the node says of its clock."""
    found: dict[str, Any] | None = (await node.node.services.organisation())["clock_doubt"]
    return found


async def test_a_node_started_behind_what_was_signed_holds_everything_until_the_clock_agrees(tmp_path: Path) -> None:
    async with hosting(tmp_path, BUYER, SUPPLIER) as (buyer, supplier):
        execution = await buyer.begin(paused(BUYER, SUPPLIER, seconds=4), {}, supplier)
        task = await supplier.task("asked")
        async with buyer.stopped():
            buyer.wall.ahead_ms = -TWO_DAYS
        found = await doubt(buyer)
        assert found
        assert TWO_DAYS - 60_000 <= found["behind_ms"] <= TWO_DAYS + 60_000
        await supplier.complete("asked", {"note": "x"})  # waits at the buyer's door
        await asyncio.sleep(5)
        assert await fired(buyer, execution) is None, "the timer is due, but nobody knows that"
        with pytest.raises(ClockInDoubt):
            await buyer.begin(paused(BUYER), {})
        with pytest.raises(ClockInDoubt):
            await buyer.node.services.terminate(buyer.admin, execution, "x")
        assert task["due_at"]
        buyer.wall.ahead_ms = 0
        await until(lambda: supplier.seen(execution, "completed"))
        assert await fired(buyer, execution) == 1
        assert await doubt(buyer) is None
        for one in (buyer, supplier):
            assert await on_time(one, execution)
            assert not await one.events(execution, "timed_out")


async def test_a_start_two_days_ahead_is_told_and_the_next_right_one_waits_for_an_administrator(tmp_path: Path) -> None:
    async with hosting(tmp_path, BUYER, SUPPLIER) as (buyer, supplier):
        before = await buyer.begin(paused(BUYER, SUPPLIER, seconds=1), {}, supplier)
        await supplier.complete("asked", {"note": "x"})  # the evidence of a partner's clock
        await buyer.ends(before)
        async with buyer.stopped():
            buyer.wall.ahead_ms = TWO_DAYS
        organisation = await buyer.node.services.organisation()
        assert organisation["clock_doubt"] is None
        assert organisation["clock_ahead"]["by_ms"] > TWO_DAYS - 3_600_000
        assert organisation["clock_ahead"]["signed_by"] == SUPPLIER
        ahead = await buyer.begin(paused(BUYER, seconds=1))
        await until(lambda: fired(buyer, ahead))
        async with buyer.stopped():
            buyer.wall.ahead_ms = 0
        assert await doubt(buyer), "this machine is right, but behind what it signed"
        with pytest.raises(ClockInDoubt):
            await buyer.complete("asked", {"note": "x"}, ahead)
        worker = Users(buyer.node.parts.database, org_id=BUYER, session_secret=b"s" * 32).create("bob")
        with pytest.raises(NotPermitted):
            await buyer.node.services.accept_clock(worker)
        assert (await buyer.node.services.accept_clock(buyer.admin))["clock_doubt"] is None
        again = await buyer.begin(paused(BUYER, seconds=1))
        await until(lambda: fired(buyer, again))
        await buyer.complete("asked", {"note": "x"}, again)
        await buyer.ends(again)
        await buyer.complete("asked", {"note": "x"}, ahead)
        await buyer.ends(ahead)
        async with buyer.stopped():
            pass
        assert await doubt(buyer) is None, "the mark is what the administrator said, not what was wrong"


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
