"""Events from a real broker: nats-server with its MQTT side open."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from node.work.plant import Plant
from support.alone import Alone, definition
from support.parties import BUYER
from support.processes import Processes
from support.trio import until
from tallystick.core.errors import Invalid
from tallystick.node.work import broker as brokers
from tallystick.node.work.broker import Broker, read_payload
from tallystick.node.work.triggers import MAX_PAYLOAD

ALARM = {
    "trigger_type": "event",
    "topic": "areas/+/alarm",
    "condition": "event.payload.level > 3",
    "input_mapping": {"heat": "event.payload.heat"},
}


@pytest.fixture
def plant(ours: Alone, processes: Processes) -> Plant:
    return Plant(ours.folder, processes)


@pytest.fixture
async def ours(tmp_path: Path) -> AsyncIterator[Alone]:
    made = Alone(tmp_path)
    yield made
    await made.close()


@asynccontextmanager
async def listening(ours: Alone, plant: Plant) -> AsyncIterator[None]:
    loop = asyncio.create_task(Broker(plant.settings, ours.folder, BUYER, ours.triggers).run())
    try:
        yield
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)


async def seen(ours: Alone, wanted: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
    """The runs, newest first, when there are those that are waited for."""

    async def look() -> list[dict[str, Any]] | None:
        found = (await ours.services.definition(ours.who, "watch"))["recent_runs"]
        return found if wanted(found) else None

    return await until(look)


def count(number: int) -> Callable[[list[dict[str, Any]]], bool]:
    return lambda found: len(found) >= number


async def until_heard(ours: Alone, plant: Plant) -> None:
    """Publish until the subscription stands, under one id."""
    before = len((await ours.services.definition(ours.who, "watch"))["recent_runs"])

    async def heard() -> bool | None:
        await plant.send({"level": 9, "heat": "1", "event_id": f"first {before}"})
        return len((await ours.services.definition(ours.who, "watch"))["recent_runs"]) > before or None

    await until(heard)


async def test_messages_start_executions_and_what_errs_is_noted(ours: Alone, plant: Plant) -> None:
    async with listening(ours, plant):
        await ours.services.add_definition(ours.who, definition(ALARM))
        await until_heard(ours, plant)
        await plant.send({"level": 3, "heat": "2"})
        await plant.send('{"level": 4, "heat": 88.50, "event_id": "e1"}')
        await plant.send({"level": 4, "heat": "other", "event_id": "e1"})
        await plant.send("not JSON 非")
        await plant.send("\ud7ff[" * 100)
        found = await seen(ours, count(4))
    assert sorted(one["code"] or "" for one in found) == ["", "", "bad_payload", "bad_payload"]
    assert await ours.statuses() == ["running"] * 2
    given = [await ours.services.data(ours.who, one["execution_id"]) for one in found if one["execution_id"]]
    assert sorted(one["items"][0]["value"] for one in given) == ["1", "88.50"]


async def test_what_comes_while_the_node_is_away_waits_at_the_broker(ours: Alone, plant: Plant) -> None:
    await ours.services.add_definition(ours.who, definition(ALARM))
    async with listening(ours, plant):
        await until_heard(ours, plant)
    await plant.send({"level": 9, "heat": "later", "event_id": "later"})
    async with listening(ours, plant):
        await seen(ours, count(2))
    assert await ours.statuses() == ["running"] * 2


async def test_a_broker_that_dies_is_found_again(ours: Alone, plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brokers, "FIRST_WAIT_S", 0.1)
    await ours.services.add_definition(ours.who, definition(ALARM))
    async with listening(ours, plant):
        await until_heard(ours, plant)
        await asyncio.to_thread(plant.again)
        await until_heard(ours, plant)


async def test_retained_messages_are_states_and_start_nothing(ours: Alone, plant: Plant) -> None:
    await plant.send({"level": 9, "heat": "old"}, retain=True)
    await ours.services.add_definition(ours.who, definition(ALARM))
    async with listening(ours, plant):
        await until_heard(ours, plant)
    assert await ours.statuses() == ["running"]


def test_payloads_are_read_as_the_record_can_hold_them() -> None:
    assert read_payload(b'{"a": 1.50, "b": 9007199254740993, "c": [true, null, -3]}') == {
        "a": "1.50",
        "b": "9007199254740993",
        "c": [True, None, -3],
    }
    bad = (b"", b"x", b"\xff", b"[" * 17 + b"]" * 17, json.dumps("x" * MAX_PAYLOAD).encode())
    for one in bad:
        with pytest.raises(Invalid):
            read_payload(one)
