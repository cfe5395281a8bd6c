"""Triggers over a real database, at a time that the tests set: once each, whatever is killed, doubled or misspelt."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from support.alone import Alone, definition
from support.parties import BUYER, SUPPLIER
from support.trio import until
from tallystick.core.definition import cron
from tallystick.core.errors import Invalid, Unavailable
from tallystick.node.work import trigger_runs, triggers
from tallystick.node.work.triggers import newest_due
from tallystick.tenants.models.definition import TriggerRunRow

MINUTE = 60_000
HOUR = 60 * MINUTE
EVERY_HOUR = {"trigger_type": "schedule", "cron": "0 * * * *", "input_mapping": {"due": "event.payload.due_at"}}
ALARM = {
    "trigger_type": "event",
    "topic": "areas/+/alarm",
    "condition": "event.payload.level > 3",
    "input_mapping": {"area": "event.payload.area", "topic": "event.topic"},
}


def instant(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


@pytest.fixture
async def ours(tmp_path: Path) -> AsyncIterator[Alone]:
    made = Alone(tmp_path)
    made.now = instant("2026-03-01T09:30")
    yield made
    await made.close()


async def keep(ours: Alone, *given: dict[str, Any], **more: Any) -> None:
    await ours.services.add_definition(ours.who, definition(*given, **more))


async def runs(ours: Alone) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await ours.services.definition(ours.who, "watch"))["recent_runs"]
    return found


async def inputs(ours: Alone) -> list[dict[str, Any]]:
    """What executions were started with, the oldest first."""
    found = []
    for one in reversed((await ours.services.executions(ours.who))["items"]):
        data = await ours.services.data(ours.who, one["execution_id"])
        found.append({each["property"]: each["value"] for each in data["items"]})
    return found


async def test_a_schedule_fires_when_it_is_due_and_not_before(ours: Alone) -> None:
    await keep(ours, EVERY_HOUR)
    assert await ours.triggers.fire() == triggers.LOOK_AGAIN_S
    assert await ours.statuses() == []
    for hour in (10, 11):
        ours.now = instant(f"2026-03-01T{hour}:00") + 5
        assert await ours.triggers.fire() == 0.0
        assert await ours.triggers.fire() == triggers.LOOK_AGAIN_S
    assert await ours.statuses() == ["running"] * 2
    assert await inputs(ours) == [{"due": instant("2026-03-01T10:00")}, {"due": instant("2026-03-01T11:00")}]


async def test_what_was_missed_fires_once_and_late(ours: Alone) -> None:
    await keep(ours, EVERY_HOUR)
    ours.now = instant("2026-03-09T10:20")
    await ours.triggers.fire()
    await ours.triggers.fire()
    assert await inputs(ours) == [{"due": instant("2026-03-09T10:00")}]
    ours.now = instant("2026-03-09T11:00")
    await ours.triggers.fire()
    assert len(await ours.statuses()) == 2


async def test_replicas_fire_it_once(ours: Alone) -> None:
    await keep(ours, EVERY_HOUR)
    ours.now = instant("2026-03-01T10:00")
    other = ours.replica()
    await asyncio.gather(ours.triggers.fire(), other.triggers.fire())
    await other.close()
    assert await ours.statuses() == ["running"]


async def test_a_crash_before_the_commit_leaves_it_due(ours: Alone, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row that says it fired, the next due time and the execution stand or fall together."""
    await keep(ours, EVERY_HOUR)
    ours.now = instant("2026-03-01T10:00")

    def dies(*_: Any) -> str:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(ours.triggers._runs, "_launch", dies)
        assert await ours.triggers.fire() == triggers.TRY_AGAIN_S
    assert (await ours.statuses(), await runs(ours)) == ([], [])
    await ours.triggers.fire()
    assert await ours.statuses() == ["running"]


async def test_a_new_version_takes_over_the_schedule_and_what_is_due(ours: Alone) -> None:
    await keep(ours, EVERY_HOUR)
    ours.now = instant("2026-03-01T10:00")
    await keep(ours, EVERY_HOUR, version="2")
    await ours.triggers.fire()
    assert [(one["version"], one["occasion"]) for one in await runs(ours)] == [("2", f"due/{ours.now}")]
    await keep(ours, {"trigger_type": "api"}, version="3")
    ours.now = instant("2026-03-01T11:00")
    assert await ours.triggers.fire() == triggers.IDLE_S
    await ours.services.deprecate_definition(ours.who, "watch")
    assert await ours.statuses() == ["running"]


async def test_what_cannot_start_is_noted_and_the_schedule_goes_on(ours: Alone) -> None:
    ours.meet()
    members = [{"org_id": BUYER, "role": "plant"}, {"org_id": SUPPLIER, "role": "supplier"}]
    await keep(ours, EVERY_HOUR, participants=members)
    ours.parts.partners.suspend(SUPPLIER)
    ours.now = instant("2026-03-01T10:00")
    await ours.triggers.fire()
    assert [(one["execution_id"], one["code"]) for one in await runs(ours)] == [(None, "bad_definition")]
    ours.parts.partners.resume(SUPPLIER)
    ours.now = instant("2026-03-01T11:00")
    await ours.triggers.fire()
    assert await ours.statuses() == ["created"]


async def test_the_loop_wakes_for_a_definition_that_comes(ours: Alone) -> None:
    loop = asyncio.create_task(ours.triggers.run())
    await asyncio.sleep(0.05)
    ours.now = instant("2026-03-01T09:59:59") + 900
    await keep(ours, EVERY_HOUR)
    await asyncio.sleep(0.05)
    ours.now += 200

    async def started() -> bool | None:
        return bool(await ours.statuses()) or None

    await until(started)
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)


@pytest.mark.parametrize(
    ("line", "zone", "due", "now", "newest"),
    [
        ("* * * * *", "UTC", "2016-01-01T00:00", "2026-03-01T09:30", "2026-03-01T09:30"),
        ("0 0 29 2 *", "UTC", "2016-02-29T00:00", "2026-03-01T09:30", "2024-02-29T00:00"),
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T01:30", "2026-03-29T23:00", "2026-03-29T01:30"),
        ("0 * * * *", "UTC", "2026-03-01T09:00", "2026-03-01T09:00", "2026-03-01T09:00"),
    ],
)
def test_the_newest_missed_due_time(line: str, zone: str, due: str, now: str, newest: str) -> None:
    found = newest_due(line, zone, instant(due), instant(now))
    assert found == instant(newest)
    assert cron.next_due(line, zone, found) > instant(now)


async def test_an_event_starts_what_listens_and_whose_condition_holds(ours: Alone) -> None:
    await keep(ours, ALARM)
    quiet = {"level": 3, "area": "炉"}
    assert (await ours.triggers.event("areas/7/alarm", quiet))["runs"] == []
    assert (await ours.triggers.event("areas/7/8/alarm", {**quiet, "level": 9}))["runs"] == []
    done = await ours.triggers.event("areas/7/alarm", {**quiet, "level": 4})
    assert [one["code"] for one in done["runs"]] == [None]
    assert await inputs(ours) == [{"area": "炉", "topic": "areas/7/alarm"}]


async def test_an_event_that_comes_again_starts_nothing_again(ours: Alone) -> None:
    await keep(ours, ALARM)
    loud = {"level": 4, "area": "x"}
    other = ours.replica()
    sent = [one.triggers.event("areas/7/alarm", loud, "e1") for one in (ours, other, ours)]
    first, *again = await asyncio.gather(*sent)
    assert again == [first, first]
    await ours.triggers.event("areas/8/alarm", loud, "e1")
    await ours.triggers.event("areas/7/alarm", loud)
    await ours.triggers.event("areas/7/alarm", loud)
    await other.close()
    assert len(await ours.statuses()) == 4


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"area": "x"}, "unknown_field"),
        ({"level": "4", "area": "x"}, "wrong_type"),
        ({"level": 4}, "unknown_field"),
        (None, "wrong_type"),
        ({"level": 4, "area": {"$file": {"document_id": "d"}}}, "document_in_event"),
    ],
)
async def test_what_errs_is_noted_and_starts_nothing(ours: Alone, payload: Any, code: str) -> None:
    await keep(ours, ALARM)
    done = await ours.triggers.event("areas/7/alarm", payload, "e1")
    assert [(one["execution_id"], one["code"]) for one in done["runs"]] == [(None, code)]
    assert await runs(ours) == done["runs"]
    assert await ours.statuses() == []


async def test_without_a_mapping_the_payload_is_the_input(ours: Alone) -> None:
    await keep(ours, {"trigger_type": "event", "topic": "#"})
    await ours.triggers.event("a", {"b": 1})
    done = await ours.triggers.event("a", [1])
    assert [one["code"] for one in done["runs"]] == ["no_input"]
    assert await inputs(ours) == [{"b": 1}]


async def test_events_are_bounded(ours: Alone) -> None:
    for topic in ("", "a/+", "#", "$SYS/x", "界" * 334):
        with pytest.raises(Invalid) as refused:
            await ours.triggers.event(topic, {})
        assert refused.value.code == "bad_topic"
    with pytest.raises(Invalid) as large:
        await ours.triggers.event("a", "x" * triggers.MAX_PAYLOAD)
    assert large.value.code == "too_large"
    with pytest.raises(Invalid):
        await ours.triggers.event("a", {}, "x" * 256)


async def test_only_current_versions_listen(ours: Alone) -> None:
    await keep(ours, ALARM)
    assert await ours.triggers.filters() == ["areas/+/alarm"]
    await keep(ours, {**ALARM, "topic": "areas/#"}, version="2")
    assert await ours.triggers.filters() == ["areas/#"]
    done = await ours.triggers.event("areas/7/alarm", {"level": 4, "area": "x"})
    assert [one["version"] for one in done["runs"]] == ["2"]
    await ours.services.deprecate_definition(ours.who, "watch")
    assert await ours.triggers.filters() == []


async def test_an_event_that_cannot_be_written_is_not_over(ours: Alone, monkeypatch: pytest.MonkeyPatch) -> None:
    await keep(ours, ALARM)

    def full(*_: Any) -> str:
        raise Unavailable("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(ours.triggers._runs, "_launch", full)
        with pytest.raises(Unavailable):
            await ours.triggers.event("areas/7/alarm", {"level": 4, "area": "x"}, "e1")
    done = await ours.triggers.event("areas/7/alarm", {"level": 4, "area": "x"}, "e1")
    assert done["runs"][0]["execution_id"]


async def test_old_runs_are_forgotten(ours: Alone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trigger_runs, "KEPT", 3)
    monkeypatch.setattr(trigger_runs, "_TIDY_EVERY", 1)
    await keep(ours, ALARM)
    for number in range(6):
        ours.now += 1
        await ours.triggers.event("areas/7/alarm", None, f"e{number}")
    with ours.database.session() as session:
        assert len(session.exec(select(TriggerRunRow)).all()) == 3
