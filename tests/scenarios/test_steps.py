"""Every kind of step over three real nodes, and steering from the right and the wrong side."""

from typing import Any

import pytest

from support.parties import BUYER, CARRIER, NAMES, SUPPLIER
from support.trio import Trio, until, work

pytestmark = pytest.mark.asyncio(loop_scope="module")

PARTICIPANTS = [
    {"org_id": BUYER, "role": "buyer", "can_terminate": True},
    {"org_id": SUPPLIER, "role": "supplier"},
    {"org_id": CARRIER, "role": "carrier"},
]
ROWS = [{"input_value": [3], "output_values": ["big", 9]}]
TABLE = {"columns": ["size(steps.lines.results)"], "outputs": ["level", "days"], "rows": ROWS, "default": ["small", 1]}


@pytest.fixture
def trio(shared_trio: Trio) -> Trio:
    """Every test here runs executions of its own to their ends, over the same three."""
    return shared_trio


def user(name: str, role: str, **facts: Any) -> dict[str, Any]:
    """A user task."""
    form = [{"id": "note", "property_type": "string", "required": True}]
    return {
        "id": name,
        "name": name,
        "step_type": "user_task",
        "assigned_role": role,
        "user_task": {"form_properties": form},
        **facts,
    }


def everything() -> dict[str, Any]:
    """A for-each whose results a table judges, a pause, two branches of which one suffices, and a wait."""
    body = [user("pick", "supplier")]
    branches = [{"id": "a", "steps": [user("fast", "carrier")]}, {"id": "b", "steps": [slow()]}]
    return {
        "id": "everything",
        "name": "Everything 一切",
        "participants": PARTICIPANTS,
        "steps": [
            user("order", "buyer"),
            {
                "id": "lines",
                "name": "Lines",
                "step_type": "for_each",
                "assigned_role": "buyer",
                "for_each": {"items": '[steps.order.note, "y", "z"]', "max_concurrency": 2, "steps": body},
            },
            {
                "id": "judge",
                "name": "Judge",
                "step_type": "decision",
                "assigned_role": "supplier",
                "decision": {"decision_table": TABLE},
                "next_steps": [{"step": "pause", "outcome": "big"}, {"step": "finalize_rejected"}],
            },
            {"id": "pause", "name": "Pause", "step_type": "timer", "timer": {"duration_seconds": 1}},
            {
                "id": "race",
                "name": "Race",
                "step_type": "parallel",
                "parallel": {"completion_type": "any_branch", "branches": branches},
            },
            {"id": "hold", "name": "Hold", "step_type": "wait", "wait": {"event_name": "go", "from": ["carrier"]}},
        ],
    }


def slow() -> dict[str, Any]:
    """A pause of a day."""
    return {"id": "slow", "name": "Slow", "step_type": "timer", "timer": {"duration_seconds": 86_400}}


async def ended(trio: Trio, collaboration: str, status: str) -> list[dict[str, Any]]:
    """Work until all three see the status; their views of the execution."""

    async def look() -> list[dict[str, Any]] | None:
        for one in trio.members.values():
            await work(one)
        seen = [await one.get(f"/executions/{collaboration}") for one in trio.members.values()]
        return seen if all(one["status"] == status for one in seen) else None

    return await until(look)


async def events(trio: Trio, collaboration: str) -> list[dict[str, Any]]:
    """All that followed, as the carrier has it."""
    items = (await trio.members[CARRIER].get(f"/executions/{collaboration}/timeline"))["items"]
    return [event for item in items for event in item["events"]]


async def waits_for(trio: Trio, collaboration: str, kind: str) -> None:
    """Work until an event of that type has come."""

    async def look() -> bool | None:
        for one in trio.members.values():
            await work(one)
        return any(event["type"] == kind for event in await events(trio, collaboration)) or None

    await until(look)


async def test_every_kind_of_step(trio: Trio) -> None:
    collaboration = await trio.begin(everything())
    await waits_for(trio, collaboration, "waiting")
    path = f"/executions/{collaboration}/signals"
    refused = await trio.members[SUPPLIER].http.post(path, json={"name": "go"})
    assert (refused.status_code, refused.json()["code"]) == (409, "not_a_sender")
    await trio.members[CARRIER].post(path, {"name": "go", "data": {"berth": "7"}})
    seen = await ended(trio, collaboration, "completed")
    assert len({one["root"] for one in seen}) == 1
    found = await events(trio, collaboration)
    assert [one["total"] for one in found if one["type"] == "iterating"] == [3]
    assert [one["tasks"] for one in found if one["type"] == "withdrawn"] == [["race.1#b/slow.1"]]
    data = {(one["task"], one["property"]): one["value"] for one in await opened(trio, collaboration)}
    assert data["judge.1", "days"] == 9
    assert data["signal:go", "berth"] == "7"
    verified = await trio.members[SUPPLIER].post(f"/executions/{collaboration}/verify")
    statuses = {check["number"]: check["status"] for check in verified["checks"]}
    assert "FAIL" not in statuses.values()
    assert statuses[6] == statuses[9] == statuses[11] == "PASS"


async def opened(trio: Trio, collaboration: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await trio.members[SUPPLIER].get(f"/executions/{collaboration}/data"))["items"]
    return found


def trip() -> dict[str, Any]:
    """A step that can be undone, and one that is held when it fails."""
    return {
        "id": "trip",
        "name": "Trip",
        "participants": PARTICIPANTS,
        "steps": [
            user("reserve", "carrier", compensate_with="release"),
            user("pay", "supplier", hold_on_failure=True),
        ],
        "compensations": [user("release", "carrier")],
    }


async def task_of(trio: Trio, org: str, step: str) -> str:
    """The id of an open task of that step."""

    async def look() -> str | None:
        items = (await trio.members[org].get("/tasks"))["items"]
        return next((one["task_id"] for one in items if one["step"] == step and one["status"] == "open"), None)

    return await until(look)


async def test_hold_retry_suspend_resume_and_cancel(trio: Trio) -> None:
    collaboration = await trio.begin(trip())
    execution = f"/executions/{collaboration}"
    buyer, supplier, carrier = (trio.members[org] for org in NAMES)
    reserve = await task_of(trio, CARRIER, "reserve")
    wrong = await carrier.http.post(f"{execution}/suspend", json={"reason": "x"})
    assert (wrong.status_code, wrong.json()["code"]) == (409, "may_not_suspend")
    await buyer.post(f"{execution}/suspend", {"reason": "strike"})
    assert (await buyer.http.post(f"{execution}/suspend", json={"reason": "x"})).json()["code"] == "already_suspended"
    await carrier.post(f"/tasks/{reserve}/complete", {"data": {"note": "lorry 7"}})
    await waits_for(trio, collaboration, "deferred")
    assert (await buyer.http.post(f"{execution}/retry", json={})).status_code == 404
    await buyer.post(f"{execution}/resume")
    pay = await task_of(trio, SUPPLIER, "pay")
    await supplier.post(f"/tasks/{pay}/fail", {"code": "no_money", "message": "tomorrow"})
    await waits_for(trio, collaboration, "held")
    assert (await carrier.get(execution))["status"] == "suspended"
    pending = (await buyer.get(f"/collaborations/{collaboration}"))["pending_activities"]
    assert [(one["status"], one["name"]) for one in pending] == [("held", "pay")]
    assert (await buyer.http.post(f"{execution}/resume", json={})).json()["code"] == "task_held"
    assert (await carrier.http.post(f"/tasks/{pay}/retry", json={})).status_code == 404
    await supplier.post(f"/tasks/{pay}/retry")
    await task_of(trio, SUPPLIER, "pay")
    assert (await carrier.http.post(f"{execution}/cancel", json={"reason": "x"})).json()["code"] == "may_not_cancel"
    await buyer.post(f"{execution}/cancel", {"reason": "no more need"})
    await ended(trio, collaboration, "cancelled")
    assert [one["task"] for one in await events(trio, collaboration) if one["type"] == "compensating"] == ["reserve.1"]
    late = await supplier.http.post(f"/tasks/{pay}/complete", json={"data": {"note": "x"}})
    assert late.status_code == 409


def delivery(completion: str) -> dict[str, Any]:
    """A sub-workflow of the supplier's, beside a task of the buyer's."""
    child = {
        "id": "delivery",
        "name": "Delivery",
        "participants": [{"org_id": SUPPLIER, "role": "supplier"}, {"org_id": CARRIER, "role": "carrier"}],
        "input_schema": {"type": "object", "required": ["article"]},
        "steps": [user("carry", "carrier"), user("count", "supplier")],
    }
    step = {
        "id": "deliver",
        "name": "Deliver",
        "step_type": "sub_workflow",
        "assigned_role": "supplier",
        "sub_workflow": {
            "workflow_id": "delivery",
            "input_mapping": {"article": "steps.order.note"},
            "output_mapping": {"signed": "result.steps.carry.note"},
        },
    }
    branches = [{"id": "a", "steps": [step]}, {"id": "b", "steps": [user("hurry", "buyer")]}]
    fork = {"completion_type": completion, "branches": branches}
    return {
        "id": "whole",
        "name": "Whole",
        "participants": PARTICIPANTS,
        "definitions": [child],
        "steps": [
            user("order", "buyer"),
            {"id": "fork", "name": "Fork", "step_type": "parallel", "parallel": fork},
            user("thank", "buyer"),
        ],
    }


async def child_of(trio: Trio, org: str) -> dict[str, Any]:
    """The newest sub-workflow's execution, as an organisation has it."""

    async def look() -> dict[str, Any] | None:
        items = (await trio.members[org].get("/executions"))["items"]
        return next((one for one in items if one["definition_id"] == "delivery"), None)

    return await until(look)


async def test_a_sub_workflow_runs_by_itself_and_its_head_is_the_result(trio: Trio) -> None:
    collaboration = await trio.begin(delivery("all_branches"))
    await ended(trio, collaboration, "completed")
    child = await child_of(trio, CARRIER)
    assert (child["status"], child["coordinator"]) == ("completed", SUPPLIER)
    items = (await trio.members[BUYER].get(f"/executions/{collaboration}/timeline"))["items"]
    assert any(item["task"] == "fork.1#a/deliver.1" and item["outcome"] == "applied" for item in items)
    data = {(one["task"], one["property"]): one["value"] for one in await opened(trio, collaboration)}
    assert data["fork.1#a/deliver.1", "signed"] == "x"
    assert not any(
        one["definition_id"] == "delivery" for one in (await trio.members[BUYER].get("/executions"))["items"]
    )
    verified = await trio.members[SUPPLIER].post(f"/executions/{collaboration}/verify")
    found = {check["number"]: check["code"] for check in verified["checks"]}
    assert found[11] == "decided_with_children"


async def test_a_sub_workflow_that_lost_is_terminated(trio: Trio) -> None:
    collaboration = await trio.begin(delivery("any_branch"))
    order = await task_of(trio, BUYER, "order")
    await trio.members[BUYER].post(f"/tasks/{order}/complete", {"data": {"note": "x"}})
    await task_of(trio, CARRIER, "carry")
    hurry = await task_of(trio, BUYER, "hurry")
    await trio.members[BUYER].post(f"/tasks/{hurry}/complete", {"data": {"note": "x"}})

    async def look() -> bool | None:
        return (await child_of(trio, CARRIER))["status"] == "terminated" or None

    await until(look)
    await ended(trio, collaboration, "completed")
