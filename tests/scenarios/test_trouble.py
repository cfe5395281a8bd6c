"""Trouble of one delays nobody else: what fails or hangs, executions that cannot be read, tenants whose disk hangs."""

import asyncio
import contextlib
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.hosted import Hosted, hosting
from support.integrity import replay_all
from support.parties import BUYER, SUPPLIER
from support.trio import until
from tallystick.node.work.activities import ActivityCall
from tallystick.tenants.database import DatabaseUnavailable

pytestmark = pytest.mark.timeout(180)
PAIR: list[dict[str, Any]] = [
    {"org_id": BUYER, "role": "buyer", "can_terminate": True},
    {"org_id": SUPPLIER, "role": "supplier"},
]
CUT = b"\xff cut off"  # no state that anything could read


def step(name: str, kind: str, **facts: Any) -> dict[str, Any]:
    org = {} if kind in {"timer", "wait"} else {"assigned_org": facts.pop("org", BUYER)}
    return {"id": name, "name": name, "step_type": kind, **org, kind: facts}


def definition(*steps: dict[str, Any], participants: list[dict[str, Any]] = PAIR[:1]) -> dict[str, Any]:
    return {"id": "trouble", "name": "Trouble 麻烦", "participants": participants, "steps": list(steps)}


PAUSE = step("pause", "timer", duration_seconds=1)
CALL = step("call", "activity", activity_type="quick")
QUEUED = step("queued", "activity", activity_type="weigh", task_queue="scales")
SENT = step("sent", "activity", activity_type="data_exchange", input={"target_orgs": [SUPPLIER]})
ASKED = step("asked", "user_task", org=SUPPLIER, form_properties=[{"id": "note"}])
KINDS = {"timer": [PAUSE], "activity": [CALL], "queue": [QUEUED], "exchange": [SENT], "partner": [ASKED]}


async def quick(_call: ActivityCall) -> dict[str, Any]:
    return {"done": True}


async def work(buyer: Hosted, supplier: Hosted, executions: dict[str, str]) -> None:
    """Do everything that people and workers have to do in them; all complete."""
    await buyer.complete("sent", {"lines": 1}, executions["exchange"])
    await supplier.complete("asked", {"note": "x"}, executions["partner"])
    worker = buyer.worker("scales")
    while (await buyer.seen(executions["queue"], "completed")) is None:
        for task in await buyer.claim(worker, "scales"):
            await buyer.node.services.complete_claimed(worker, task["task_id"], task["claim_token"], {})
    for one in executions.values():
        await buyer.ends(one)


async def begun(buyer: Hosted, supplier: Hosted) -> dict[str, str]:
    """An execution of each kind of work."""
    found = {}
    for kind, steps in KINDS.items():
        both = kind in {"exchange", "partner"}
        made = definition(*steps, participants=PAIR if both else PAIR[:1])
        found[kind] = await buyer.begin(made, {}, *([supplier] if both else []))
    return found


async def test_activities_that_fail_or_hang_delay_no_other(tmp_path: Path) -> None:
    release, hung = asyncio.Event(), 0

    async def hang(_call: ActivityCall) -> dict[str, Any]:
        nonlocal hung
        hung += 1
        await release.wait()
        return {}

    async def fail(_call: ActivityCall) -> dict[str, Any]:
        raise ZeroDivisionError("毒")

    async with hosting(tmp_path, BUYER, SUPPLIER) as (buyer, supplier):
        buyer.activities.register("hang", hang, at_once=3)
        buyer.activities.register("fail", fail)
        buyer.activities.register("quick", quick)
        again = {"max_attempts": 100, "initial_interval_seconds": 1}
        hanging = [await buyer.begin(definition(step("h", "activity", activity_type="hang"))) for _ in range(10)]
        failing = definition(step("f", "activity", activity_type="fail", retry_policy=again))
        failed = [await buyer.begin(failing) for _ in range(10)]
        await work(buyer, supplier, await begun(buyer, supplier))
        assert hung == 3  # as many as its type may have, and all of them still hang
        assert all([await buyer.seen(one, "running") for one in [*hanging, *failed]])
        release.set()
        for one in hanging:
            await buyer.ends(one)
        retried = await buyer.events(failed[0], "answered")
        assert {one["status"] for one in retried} == {"failed"}


async def test_executions_that_cannot_be_read_delay_no_other_and_go_on_when_they_can(tmp_path: Path) -> None:
    held = asyncio.Event()

    async def hold(_call: ActivityCall) -> dict[str, Any]:
        await held.wait()
        return {"done": True}

    async with hosting(tmp_path, BUYER, SUPPLIER) as (buyer, supplier):
        buyer.activities.register("quick", hold)
        poison = await begun(buyer, supplier)
        await until(partial(_at_work, buyer, supplier))
        async with buyer.stopped() as database:
            states = dict(database.execute("SELECT id, state FROM execution"))
            database.execute("UPDATE execution SET state = ?", (CUT,))
        buyer.activities.register("quick", quick)
        await supplier.complete("asked", {"note": "x"}, poison["partner"])  # about one that the coordinator cannot read
        await work(buyer, supplier, await begun(buyer, supplier))
        listed = (await buyer.node.services.executions(buyer.admin))["items"]
        assert len(listed) == len(poison)  # those that can be read
        with pytest.raises(msgspec.ValidationError):
            await buyer.node.services.execution(buyer.admin, poison["timer"])
        async with buyer.stopped() as database:
            database.executemany("UPDATE execution SET state = ? WHERE id = ?", [(s, e) for e, s in states.items()])
            database.execute("UPDATE task SET retry_at = 0 WHERE retry_at IS NOT NULL")
            database.execute("UPDATE execution SET next_due = 0 WHERE next_due IS NOT NULL")
            database.execute("UPDATE inbox SET retry_at = 0 WHERE retry_at IS NOT NULL")
            database.execute("UPDATE queue_task SET lease_until = 0 WHERE state = 'claimed'")
        await buyer.complete("sent", {"lines": 1}, poison["exchange"])
        worker = buyer.worker("scales")
        for task in await buyer.claim(worker, "scales"):
            await buyer.node.services.complete_claimed(worker, task["task_id"], task["claim_token"], {})
        for one in poison.values():
            await buyer.ends(one)
        assert len(await buyer.events(poison["timer"], "timer_fired")) == 1
        found = await asyncio.to_thread(lambda: list(replay_all(buyer.settings.database_path)))
        assert {one.status for one in found} == {"completed"}


async def _at_work(buyer: Hosted, supplier: Hosted) -> bool | None:
    """Both have what they are to do."""
    await buyer.task("sent")
    await supplier.task("asked")
    return True


async def test_a_tenant_whose_database_hangs_delays_no_other(tmp_path: Path) -> None:
    async with hosting(tmp_path, BUYER, SUPPLIER) as (buyer, supplier):
        alone = definition({**ASKED, "assigned_org": BUYER}, PAUSE)
        other = {**definition({**ASKED}, PAUSE), "participants": [{"org_id": SUPPLIER, "role": "alone"}]}
        before = await buyer.begin(alone)
        with closing(sqlite3.connect(buyer.settings.database_path, isolation_level=None)) as lock:
            lock.execute("BEGIN IMMEDIATE")
            stuck = asyncio.create_task(buyer.complete("asked", {"note": "x"}))
            ended = await supplier.begin(other)
            await supplier.complete("asked", {"note": "x"})
            await supplier.ends(ended)
            assert await buyer.seen(before, "running")
            lock.execute("ROLLBACK")
        with contextlib.suppress(DatabaseUnavailable):  # it may have waited too long, and been told so
            await stuck
        if (await buyer.node.services.tasks(buyer.admin))["items"]:
            await buyer.complete("asked", {"note": "x"})
        await buyer.ends(before)
