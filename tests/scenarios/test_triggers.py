"""What starts executions, on real nodes: the API, consents, events, and schedules across ``kill -9``."""

import asyncio
import contextlib
import json
import random
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from node.work.plant import Plant
from support.alone import definition
from support.parties import BUYER, SUPPLIER
from support.processes import Processes
from support.trio import Member, Trio, until

ROUNDS = 6
MINUTE = 60_000
pytestmark = pytest.mark.timeout(240)
API = {"trigger_type": "api"}
ALARM = {"trigger_type": "event", "topic": "areas/+/alarm", "condition": "event.payload.level > 3"}
EVERY_MINUTE = {"trigger_type": "schedule", "cron": "* * * * *", "input_mapping": {"due": "event.payload.due_at"}}


@pytest.fixture
async def alone(tmp_path: Path) -> AsyncIterator[Member]:
    member = Member(BUYER, tmp_path)
    try:
        await member.init()
        await member.start()
        yield member
    finally:
        await member.stop()


async def runs(member: Member) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await member.get("/definitions/watch"))["recent_runs"]
    return found


async def executions(member: Member) -> set[str]:
    return {one["execution_id"] for one in (await member.get("/executions?limit=200"))["items"]}


async def test_api_and_events_over_rest(alone: Member) -> None:
    kept = await alone.post("/definitions", {"definition": definition(API, ALARM)})
    assert (kept["definition_id"], kept["version"], len(kept["triggers"])) == ("watch", "1", 2)
    other = await alone.http.post("/definitions", json={"definition": definition(API, name="Other")})
    assert (other.status_code, other.json()["code"]) == (409, "version_exists")
    started = [
        await alone.http.post(
            "/definitions/watch/executions", json={"input": {"a": 1}}, headers={"idempotency-key": "k"}
        )
        for _ in range(2)
    ]
    assert [one.status_code for one in started] == [201, 201]
    assert started[0].json() == started[1].json()
    assert started[0].json()["status"] == "in_progress"
    event = {"topic": "areas/7/alarm", "payload": {"level": 9}, "id": "e1"}
    first, again = await alone.post("/events", event), await alone.post("/events", event)
    assert first == again
    noted = await alone.post("/events", {"topic": "areas/7/alarm", "payload": {}})
    assert [one["code"] for one in noted["runs"]] == ["unknown_field"]
    assert await executions(alone) == {started[0].json()["execution_id"], first["runs"][0]["execution_id"]}
    proposed = await alone.post("/collaborations", {"definition_id": "watch", "input": {}})
    assert (proposed["status"], proposed["definition_id"]) == ("ready", "watch")


async def test_events_from_the_broker_also_while_the_node_is_killed(alone: Member, processes: Processes) -> None:
    plant = Plant(alone.data, processes)
    await alone.post("/definitions", {"definition": definition(ALARM)})
    await alone.stop()
    settings = json.loads((alone.data / "settings.json").read_text())
    settings["activities"] = {"mqtt": msgspec.to_builtins(plant.settings)}
    (alone.data / "settings.json").write_text(json.dumps(settings))
    await alone.start()

    async def heard() -> bool | None:
        await plant.send({"level": 9, "event_id": "first"})
        return bool(await runs(alone)) or None

    await until(heard)
    await alone.kill()
    for name in ("second", "second", "third"):
        await plant.send({"level": 9, "event_id": name})
    await alone.start()

    async def caught_up() -> bool | None:
        return len(await runs(alone)) == 3 or None

    await until(caught_up)
    assert {one["execution_id"] for one in await runs(alone)} == await executions(alone)


async def test_it_starts_when_the_last_consent_has_come(trio: Trio) -> None:
    buyer, supplier = trio.members[BUYER], trio.members[SUPPLIER]
    members = [{"org_id": BUYER, "role": "plant"}, {"org_id": SUPPLIER, "role": "supplier"}]
    await buyer.post("/definitions", {"definition": definition(API, participants=members)})

    async def propose_and_accept(*, killed: bool) -> str:
        found = str((await buyer.post("/definitions/watch/executions", {"input": {"a": 1}}))["collaboration_id"])
        path = f"/collaborations/{found}"

        async def known() -> bool | None:
            return (await supplier.http.get(path)).status_code == 200 or None

        await until(known)
        if killed:
            await buyer.kill()
        await supplier.post(f"{path}/consent", {"decision": "accepted"})
        if killed:
            await buyer.start()
        return path

    for killed in (False, True):
        path = await propose_and_accept(killed=killed)
        for one in (buyer, supplier):
            await until(lambda one=one, path=path: _running(one, path))  # type: ignore[misc]


async def _running(member: Member, path: str) -> bool | None:
    return (await member.get(path))["status"] == "in_progress" or None


async def test_a_due_time_starts_one_execution_across_kill_9(alone: Member) -> None:
    """Each round sets the schedule back, as a lost commit would, and kills the node at a random moment."""
    await alone.post("/definitions", {"definition": definition(EVERY_MINUTE)})
    database = alone.data / "tenant.db"
    chance = random.Random(7)  # noqa: S311 - moments, not secrets
    began = time.time_ns() // 1_000_000
    for _ in range(ROUNDS):
        await alone.kill()
        with contextlib.closing(sqlite3.connect(database)) as held:
            held.execute("UPDATE trigger_schedule SET next_due = ?", (began // MINUTE * MINUTE - 60 * MINUTE,))
            held.commit()
        await alone.start()
        await asyncio.sleep(chance.uniform(0, 0.3))
    fired = await until(lambda: _fired(alone))
    ended = time.time_ns() // 1_000_000
    due = [int(one["occasion"].removeprefix("due/")) for one in fired]
    assert len(set(due)) == len(due) <= ended // MINUTE - began // MINUTE + 1
    assert all(one % MINUTE == 0 and began - MINUTE < one <= ended for one in due), "missed times fire once, the newest"
    assert {one["execution_id"] for one in fired} == await executions(alone)


async def _fired(member: Member) -> list[dict[str, Any]] | None:
    return await runs(member) or None
