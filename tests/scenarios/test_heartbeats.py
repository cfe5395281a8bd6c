"""Registered functions: heartbeats that are enforced, details that survive, and functions that block a thread only."""

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from support.hosted import Hosted, hosting
from support.parties import BUYER, SUPPLIER
from support.trio import until
from tallystick.node.work.activities import Activities, ActivityCall
from tallystick.node.work.pulses import MAX_DETAILS
from tallystick.tenants.models.record import TaskRow

pytestmark = pytest.mark.timeout(180)


def definition(org: str, activity_type: str, **activity: Any) -> dict[str, Any]:
    """One step that a function does, tried twice."""
    policy = {"max_attempts": 2, "initial_interval_seconds": 1}
    return {
        "id": "pulse",
        "name": "Pulse 心跳",
        "participants": [{"org_id": org, "role": "maker", "can_terminate": True}],
        "steps": [
            {
                "id": "do",
                "name": "Do",
                "step_type": "activity",
                "assigned_org": org,
                "activity": {"activity_type": activity_type, "retry_policy": policy, **activity},
            }
        ],
    }


async def statuses(node: Hosted, execution: str) -> list[str]:
    """How the attempts ended."""
    return [one["status"] for one in await node.events(execution, "answered")]


async def test_who_is_heard_goes_on_and_who_is_silent_has_failed(tmp_path: Path) -> None:
    calls: list[ActivityCall] = []

    async def steady(call: ActivityCall) -> dict[str, Any]:
        for number in range(14):  # longer than the three seconds, and heard often enough on a busy machine
            await asyncio.sleep(0.3)
            call.heartbeat({"row": number})
        return {"rows": 14}

    async def falls_silent(call: ActivityCall) -> dict[str, Any]:
        calls.append(call)
        if call.details is None:
            call.heartbeat({"row": 40, "文件": "a.csv"})
            call.heartbeat({"row": 41, "文件": "a.csv"})
            await asyncio.sleep(60)
        return {"from": call.details["row"]}

    async with hosting(tmp_path, BUYER) as (buyer,):
        buyer.activities.register("steady", steady)
        buyer.activities.register("falls_silent", falls_silent)
        first = await buyer.begin(definition(BUYER, "steady", heartbeat_seconds=3))
        second = await buyer.begin(definition(BUYER, "falls_silent", heartbeat_seconds=1))
        patient = await buyer.begin(definition(BUYER, "falls_silent"))
        for one in (first, second):
            await buyer.ends(one)
        assert await statuses(buyer, first) == ["completed"]
        assert await statuses(buyer, second) == ["failed", "completed"]
        again = [one for one in calls if one.execution == second]
        assert [(one.attempt, one.details) for one in again] == [(1, None), (2, {"row": 41, "文件": "a.csv"})]
        assert await buyer.seen(patient, "running"), "without heartbeat_seconds nobody listens"
        final = {"max_attempts": 2, "non_retryable_errors": ["heartbeat_timeout"]}
        told = await buyer.begin(definition(BUYER, "falls_silent", heartbeat_seconds=1, retry_policy=final))
        await buyer.ends(told, "failed")
        assert await statuses(buyer, told) == ["failed"], "the policy knows the code"


async def test_details_outlive_the_node(tmp_path: Path) -> None:
    seen: list[Any] = []

    async def work(call: ActivityCall) -> dict[str, Any]:
        seen.append((call.attempt, call.details))
        if call.details is None:
            call.heartbeat([1, 2, 3])
            await asyncio.sleep(60)
        return {}

    async with hosting(tmp_path, BUYER) as (buyer,):
        buyer.activities.register("work", work)
        execution = await buyer.begin(definition(BUYER, "work", heartbeat_seconds=30))

        async def kept() -> bool | None:
            with buyer.node.parts.database.session() as session:
                return session.exec(select(TaskRow.details)).first() is not None or None

        await until(kept)
        async with buyer.stopped():
            pass
        await buyer.ends(execution)
        assert seen == [(1, None), (1, [1, 2, 3])], "the same attempt, from where it was"


@pytest.mark.parametrize("bad", [1.5, "x" * MAX_DETAILS, {"a": {1, 2}}], ids=["float", "large", "set"])
async def test_what_is_no_detail_fails_the_attempt(tmp_path: Path, bad: Any) -> None:
    async def work(call: ActivityCall) -> dict[str, Any]:
        call.heartbeat(bad)
        return {}

    async with hosting(tmp_path, BUYER) as (buyer,):
        buyer.activities.register("work", work)
        execution = await buyer.begin(definition(BUYER, "work"))
        await buyer.ends(execution, "failed")
        assert await statuses(buyer, execution) == ["failed", "failed"]


async def test_a_function_that_blocks_delays_no_other_tenant_and_none_of_its_own(tmp_path: Path) -> None:
    release = threading.Event()
    blocked = threading.Event()

    def block(call: ActivityCall) -> dict[str, Any]:
        blocked.set()
        return {"released": release.wait(30)}

    async def quick(_call: ActivityCall) -> dict[str, Any]:
        return {}

    async with hosting(tmp_path, BUYER, SUPPLIER) as (buyer, supplier):
        try:
            buyer.activities.register("block", block)
            for one in (buyer, supplier):
                one.activities.register("quick", quick)
            slow = await buyer.begin(definition(BUYER, "block"))
            await asyncio.to_thread(blocked.wait, 30)
            before = time.monotonic()
            for node in (supplier, buyer):
                await node.ends(await node.begin(definition(node.org, "quick")))
            assert not release.is_set()
            assert time.monotonic() - before < 30, "the loop went on while the function blocked"
            assert await buyer.seen(slow, "running")
        finally:
            release.set()
        await buyer.ends(slow)
        assert await statuses(buyer, slow) == ["completed"]


async def test_threads_are_bounded_waiting_for_one_is_not_silence_and_a_silent_one_is_left_behind(
    tmp_path: Path,
) -> None:
    lock, running, most = threading.Lock(), 0, 0
    failed, told = threading.Event(), threading.Event()

    def count(call: ActivityCall) -> dict[str, Any]:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.7)
        with lock:
            running -= 1
        return {}

    def silent(call: ActivityCall) -> dict[str, Any]:
        if call.attempt == 2:
            return {}
        failed.wait(60)
        try:
            call.heartbeat()
        except Exception:
            told.set()
            raise
        return {}

    async with hosting(tmp_path, BUYER) as (buyer,):
        buyer.activities = Activities(threads=2)
        async with buyer.stopped():
            buyer.activities.register("count", count)
            buyer.activities.register("silent", silent)
        executions = [await buyer.begin(definition(BUYER, "count", heartbeat_seconds=3)) for _ in range(12)]
        for one in executions:
            await buyer.ends(one)
            assert await statuses(buyer, one) == ["completed"], "the last ones waited for more than three seconds"
        assert most == 2
        execution = await buyer.begin(definition(BUYER, "silent", heartbeat_seconds=1))

        async def given_up() -> bool | None:
            return await statuses(buyer, execution) == ["failed"] or None

        try:
            await until(given_up)
        finally:
            failed.set()
        await buyer.ends(execution)
        assert await statuses(buyer, execution) == ["failed", "completed"]
        assert await asyncio.to_thread(told.wait, 10), "its next heartbeat says that nobody waits any more"
