"""Safety monitoring and production control, along every branch, over real nodes on a chain.

Alarms and production events come over MQTT, the schedules' due times passed while the node was down, activities are the
built-in ones against a real broker and ERP, the plant floor is a worker over REST, staff answer over REST. The files of
``deploy/examples`` run as they are, except where a branch would take minutes: those run variants made from the same
file, with seconds for minutes, which their names say.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
import pytest_asyncio

from support.examples import example
from support.industry import Industry, industry

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(400)]
Drive = Callable[[Industry], Coroutine[Any, Any, str]]
ASSESS = ["validate_event", "assess_severity", "severity_decision"]
EMERGENCY = ["emergency_response", "activate_safety_systems", "notify_authorities"]
ACKNOWLEDGED = ["wait_for_acknowledgment", "record_incident"]
WATCH = ["monitor_situation", "situation_assessment"]
BEGIN = ["prepare_production", "check_materials", "materials_decision"]
READY = ["configure_machines", "verify_configuration", "configuration_decision"]
GO = ["start_production", "monitor_production", "production_complete_check"]


def alarm(level: int, *situations: str, variant: str = "", acknowledged: bool = False) -> Drive:
    """An alarm at the broker; staff then find these situations, and the authority may acknowledge."""

    async def drive(plant: Industry) -> str:
        area = "-".join(["hall", str(level), *situations])
        payload = {"level": level, "sensor_id": "s7", "area": area}
        definition = f"safety-monitoring-{variant}s-in-seconds" if variant else "safety-monitoring"
        topic = f"{variant}/areas/7/sensors/s7/alarm".removeprefix("/")
        execution = await plant.event(definition, topic, payload)
        for one in situations:
            await plant.answer(execution, "situation_assessment", {"situation": one})
        if acknowledged:
            await plant.acknowledge(execution)
        return execution

    return drive


async def safety_round(plant: Industry) -> str:
    """What cron starts."""
    return await plant.due("safety-monitoring")


SAFETY: dict[str, tuple[Drive, list[str]]] = {
    "high, acknowledged": (alarm(90, acknowledged=True), [*ASSESS, *EMERGENCY, *ACKNOWLEDGED]),
    "high, and nobody acknowledges": (alarm(90, variant="wait"), [*ASSESS, *EMERGENCY, "record_incident"]),
    "medium, worsened": (
        alarm(60, "worsened", variant="timer", acknowledged=True),
        [*ASSESS, "alert_operators", *WATCH, "situation_assessment_route", *EMERGENCY, *ACKNOWLEDGED],
    ),
    "medium, stable, then improved": (
        alarm(60, "stable", "improved", variant="timer"),
        [
            *(*ASSESS, "alert_operators", *WATCH, "situation_assessment_route", "continue_monitoring"),
            *(*WATCH, "situation_assessment_route", "restore_normal", "record_incident"),
        ],
    ),
    "low": (alarm(5), [*ASSESS, "log_event", "record_incident"]),
    "a round of the schedule": (safety_round, [*ASSESS, "log_event", "record_incident"]),
}


def order(name: str, *produced: int, materials: bool = False, **given: Any) -> Drive:
    """A batch that staff begin from the kept definition, with these inputs."""

    async def drive(plant: Industry) -> str:
        values = {"product_type": name, "batch_size": 500, "quality_level": "premium", **given}
        proposed = await plant.buyer.post("/collaborations", {"definition_id": "production-control"})
        execution = str(proposed["execution_id"])
        if produced:
            plant.batches[execution] = list(produced)
        await plant.trio.status(plant.buyer, f"/collaborations/{execution}", "ready")
        await plant.buyer.post(f"/collaborations/{execution}/start", {"input": values})
        if materials:
            await plant.answer(execution, "wait_for_materials", {"received": True})
        return execution

    return drive


async def batch_event(plant: Industry) -> str:
    """A batch that the line asks for over MQTT."""
    payload = {"product_type": "6205", "batch_size": 500, "device_ids": ["press 1"]}
    return await plant.event("production-control", "production/7/events/next", payload)


async def batch_due(plant: Industry) -> str:
    """What cron starts."""
    return await plant.due("production-control")


SHORT = [{"material_id": "steel", "material_name": "钢 steel", "quantity": 7_000, "unit": "kg", "required": True}]
PRODUCTION: dict[str, tuple[Drive, list[str]]] = {
    "materials are there": (batch_event, [*BEGIN, *READY, *GO, "complete_production"]),
    "a batch of the schedule": (batch_due, [*BEGIN, *READY, *GO, "complete_production"]),
    "materials have to come": (
        order("6206", materials=True, material_requirements=SHORT, material_wait_hours=5),
        [*BEGIN, "request_materials", "wait_for_materials", *READY, *GO, "complete_production"],
    ),
    "the first configuration fails": (
        order("6207", verification_level="comprehensive"),
        [*BEGIN, *READY, "reconfigure_machines", *READY[1:], *GO, "complete_production"],
    ),
    "half of the batch, then the rest": (
        order("6208", 250, 500),
        [*BEGIN, *READY, *GO, *GO[1:], "complete_production"],
    ),
}
ALL = {**SAFETY, **PRODUCTION}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plant(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Industry]:
    """Give the organisations."""
    async with industry(tmp_path_factory.mktemp("industry")) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runs(plant: Industry) -> AsyncIterator[dict[str, asyncio.Task[str]]]:
    """Begin every branch at once: most of their time is waiting."""
    begun = {name: asyncio.create_task(drive(plant), name=name) for name, (drive, _) in ALL.items()}
    yield begun
    for one in begun.values():
        one.cancel()
    await asyncio.gather(*begun.values(), return_exceptions=True)


@pytest.mark.parametrize("branch", ALL)
async def test_branch(plant: Industry, runs: dict[str, asyncio.Task[str]], branch: str) -> None:
    execution = await runs[branch]
    steps = await plant.path(execution)
    assert [one for one in steps if not one.endswith("_collaboration")] == ALL[branch][1]
    await plant.proved(execution)


async def test_what_the_branches_left_behind(plant: Industry, runs: dict[str, asyncio.Task[str]]) -> None:
    """Activities did what they say: incidents and batches are stored, events logged, the verifications reported."""
    for branch in ALL:
        await plant.path(await runs[branch])
    storage = plant.buyer.data / "storage"
    incidents = {path.stem: json.loads(path.read_text())["severity"] for path in storage.glob("incidents/*.json")}
    assert incidents == {
        "hall-90": "high",
        "hall-60-worsened": "medium",
        "hall-60-stable-improved": "medium",
        "hall-5": "low",
        "all": "low",
    }
    batches = {path.stem: json.loads(path.read_text()) for path in storage.glob("batches/*.json")}
    assert set(batches) == {"6204-2RS", "6205", "6206", "6207", "6208"}
    assert {one["produced"] for one in batches.values()} == {500}
    logged = [json.loads(line) for line in (plant.buyer.data / "activity.log").read_text().splitlines()]
    of_branches = {await runs[branch] for branch in ("low", "a round of the schedule")}
    assert of_branches <= {one["execution"] for one in logged}, "cron may have begun more rounds meanwhile"
    assert {one["message"] for one in logged} == {"An event of low severity"}
    failed = [execution for execution, found in plant.verified if found == "failed"]
    assert failed == [await runs["the first configuration fails"]]


async def test_every_branch_of_the_files_is_here() -> None:
    """Each step of both files is done by some branch."""
    for name, branches in (("safety_monitoring", SAFETY), ("production_control", PRODUCTION)):
        done = {step for _, steps in branches.values() for step in steps}
        assert {one["id"] for one in example(name)["steps"]} <= done
