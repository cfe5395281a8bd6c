"""Schemas and forms as nodes apply them: at proposal, start, answer and receipt."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from support.hosted import Hosted, hosting
from support.parties import BUYER, SUPPLIER
from support.trio import until
from tallystick.core.definition.faults import DefinitionErrors
from tallystick.node.api.problems import document
from tallystick.node.schemas import SchemaMismatch
from tallystick.node.services import tasks
from tallystick.node.work.activities import ActivityCall

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]
PAIR: list[dict[str, Any]] = [
    {"org_id": BUYER, "role": "buyer", "can_terminate": True},
    {"org_id": SUPPLIER, "role": "supplier"},
]
WHOLE = {"type": "object", "required": ["lines"], "properties": {"lines": {"type": "integer", "minimum": 1}}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[list[Hosted]]:
    """Two nodes that know each other."""
    async with hosting(tmp_path_factory.mktemp("schemas"), BUYER, SUPPLIER) as hosted:
        yield hosted


def definition(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "fits", "name": "Fits 合适", "participants": PAIR[:1], "steps": list(steps), **more}


def activity(**facts: Any) -> dict[str, Any]:
    """A step of the buyer's whose result has to be of the schema; three attempts are allowed."""
    job = {"activity_type": "count", "result_schema": WHOLE, "retry_policy": {"max_attempts": 3}, **facts}
    return {"id": "count", "name": "Count", "step_type": "activity", "assigned_org": BUYER, "activity": job}


async def test_every_schema_and_time_zone_is_looked_at_before_it_is_proposed(pair: list[Hosted]) -> None:
    buyer = pair[0]
    timer = {"cron": "0 8 * * mon", "time_zone": "Europe/Berlim"}
    steps = [{"id": "monday", "name": "Monday", "step_type": "timer", "timer": timer}]
    with pytest.raises(DefinitionErrors) as caught:
        await buyer.node.services.propose(buyer.admin, definition(*steps))
    [fault] = caught.value.errors
    assert fault.pointer == "/definition/steps/0/timer/time_zone"
    assert "Europe/Berlin" in fault.suggestion


async def test_a_start_is_told_everything_that_its_input_lacks(pair: list[Hosted]) -> None:
    buyer = pair[0]
    schema = {**WHOLE, "additionalProperties": False}
    with pytest.raises(SchemaMismatch) as caught:
        await buyer.begin(definition(activity(), input_schema=schema), {"lines": 0, "colour": "red"})
    told = document(caught.value, "en")
    assert (told["status"], told["code"]) == (422, "schema_mismatch")
    assert {one["pointer"] for one in told["errors"]} == {"/input", "/input/lines"}


async def test_people_are_told_everything_that_does_not_fit_the_form(pair: list[Hosted]) -> None:
    buyer = pair[0]
    bounds = {"least": 1, "most": 9}
    form = [
        {"id": "lines", "property_type": "integer", "validation": bounds},
        {"id": "colour", "validation": {"options": ["red", "blue"]}},
        {"id": "note", "required": True, "validation": {"max_length": 3}},
    ]
    user = {"id": "ask", "name": "Ask", "step_type": "user_task", "assigned_org": BUYER}
    execution = await buyer.begin(definition({**user, "user_task": {"form_properties": form}}))
    with pytest.raises(SchemaMismatch) as caught:
        await buyer.complete("ask", {"lines": 10, "colour": "green", "odd": 1})
    assert {(one.pointer, one.code) for one in caught.value.errors} == {
        ("/data/lines", "bad_value"),
        ("/data/colour", "bad_value"),
        ("/data/odd", "unknown_property"),
        ("/data/note", "missing_property"),
    }
    await buyer.complete("ask", {"lines": 9, "colour": "red", "note": "好"})
    await buyer.ends(execution)


async def test_a_function_whose_result_does_not_fit_has_failed_for_good(pair: list[Hosted]) -> None:
    buyer = pair[0]

    async def count(_call: ActivityCall) -> dict[str, Any]:
        return {"lines": 0}

    buyer.activities.register("count", count)
    execution = await buyer.begin(definition(activity()))
    await buyer.ends(execution, "failed")
    [failed] = await buyer.events(execution, "failed", "retry_scheduled")
    assert (failed["type"], failed["code"]) == ("failed", "schema_mismatch")


async def test_a_worker_whose_result_does_not_fit_has_failed_for_good(pair: list[Hosted]) -> None:
    buyer = pair[0]
    services = buyer.node.services
    execution = await buyer.begin(definition(activity(task_queue="counters")))
    worker = buyer.worker("counters")
    [task] = await buyer.claim(worker, "counters")
    wrong = {"lines": "0"}
    for _ in range(2):  # saying it again is harmless
        answer = await services.complete_claimed(worker, task["task_id"], task["claim_token"], wrong)
        assert answer["status"] == "failed"
    await buyer.ends(execution, "failed")
    [failed] = await buyer.events(execution, "failed", "retry_scheduled")
    assert (failed["type"], failed["code"]) == ("failed", "schema_mismatch")


async def test_a_recipient_does_not_confirm_what_does_not_fit(
    pair: list[Hosted], monkeypatch: pytest.MonkeyPatch
) -> None:
    buyer, supplier = pair
    exchange = {
        "id": "send",
        "name": "Send",
        "step_type": "activity",
        "assigned_org": BUYER,
        "activity": {"activity_type": "data_exchange", "input": {"target_orgs": [SUPPLIER], "data_schema": WHOLE}},
    }
    execution = await buyer.begin(definition(exchange, participants=PAIR), {}, supplier)
    with monkeypatch.context() as patched:
        patched.setattr(tasks, "check_form", lambda step, values: None)  # a sender that does not look
        await buyer.complete("send", {"lines": 0, "note": "x"})

    async def refused() -> bool | None:
        return any(one.startswith("schema_mismatch: ") for one in await supplier.waiting(execution)) or None

    await until(refused)
    assert not await supplier.events(execution, "received")
    notes = (await supplier.node.services.notifications(supplier.admin))["items"]
    assert len([one for one in notes if one["notification_type"] == "data_mismatch"]) == 1
    await buyer.node.services.terminate(buyer.admin, execution, "wrong data")
    await supplier.ends(execution, "terminated")
