"""Definitions kept as immutable versions, and executions that start from them, over a real database."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from support.alone import Alone, Somebody, definition
from support.parties import BUYER, SUPPLIER
from tallystick.core.definition.faults import DefinitionErrors
from tallystick.core.errors import Forbidden, Invalid, NotFound, WrongState
from tallystick.node.schemas import SchemaMismatch
from tallystick.node.services.repeats import Asked
from tallystick.tenants.permissions import Permission

API = {"trigger_type": "api"}
SCHEMA = {"type": "object", "properties": {"area": {"type": "string"}}, "required": ["area"]}


@pytest.fixture
async def ours(tmp_path: Path) -> AsyncIterator[Alone]:
    made = Alone(tmp_path)
    yield made
    await made.close()


async def keep(ours: Alone, *triggers: dict[str, Any], **more: Any) -> dict[str, Any]:
    ours.now += 1
    return await ours.services.add_definition(ours.who, definition(*triggers, **more))


async def test_a_version_never_changes(ours: Alone) -> None:
    first = await keep(ours, API)
    assert await keep(ours, API) == first
    with pytest.raises(WrongState) as refused:
        await keep(ours, API, name="Another")
    assert refused.value.code == "version_exists"
    await keep(ours, API, version="2", name="Another")
    found = await ours.services.definition(ours.who, "watch")
    assert [(one["version"], one["definition"]["name"]) for one in found["items"]] == [
        ("2", "Another"),
        ("1", "Watch 监测"),
    ]


async def test_every_fault_is_told_at_once(ours: Alone) -> None:
    bad = definition(API, {"trigger_type": "schedule", "cron": "* * *", "time_zone": "Mars/Olympus"})
    bad["participants"].append({"org_id": "stranger", "role": "x"})
    with pytest.raises(DefinitionErrors) as refused:
        await ours.services.add_definition(ours.who, bad)
    codes = {one.code for one in refused.value.errors}
    assert {"bad_cron", "unknown_time_zone", "unknown_organisation"} <= codes
    assert all(one.pointer.startswith("/definition/") for one in refused.value.errors)


async def test_versions_are_listed_in_pages(ours: Alone) -> None:
    for version in "12345":
        await keep(ours, API, version=version)
    found, cursor = [], None
    while True:
        page = await ours.services.definitions(ours.who, limit=2, cursor=cursor)
        found += [one["version"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == list("54321")
    one = await ours.services.definition(ours.who, "watch", limit=3)
    rest = await ours.services.definition(ours.who, "watch", limit=3, cursor=one["next_cursor"])
    assert [each["version"] for each in (*one["items"], *rest["items"])] == list("54321")
    with pytest.raises(NotFound):
        await ours.services.definition(ours.who, "other")


async def test_permissions(ours: Alone) -> None:
    await keep(ours, API)
    reader: Any = Somebody(Permission.READ)
    for call in (
        ours.services.add_definition(reader, definition(API)),
        ours.services.deprecate_definition(reader, "watch"),
        ours.services.start_definition(reader, "watch", {}),
        ours.services.propose_definition(reader, "watch", {}),
        ours.services.send_event(reader, "a", {}),
    ):
        with pytest.raises(Forbidden):
            await call
    worker: Any = Somebody(Permission.WORK_ON_QUEUES)
    assert (await ours.services.send_event(worker, "a", {}))["runs"] == []
    with pytest.raises(Forbidden):
        await ours.services.definitions(worker)


async def test_the_api_trigger_starts_at_once_where_nobody_else_takes_part(ours: Alone) -> None:
    await keep(ours, API, input_schema=SCHEMA)
    asked = Asked.of("ada", "k1", b"same")
    started = [await ours.services.start_definition(ours.who, "watch", {"area": "炉"}, asked=asked) for _ in range(2)]
    assert started[0] == started[1]
    assert started[0]["workflow_status"] == "running"
    assert await ours.statuses() == ["running"]
    data = await ours.services.data(ours.who, started[0]["execution_id"])
    assert [(one["property"], one["value"]) for one in data["items"]] == [("area", "炉")]


async def test_the_api_trigger_refuses_what_does_not_fit(ours: Alone) -> None:
    with pytest.raises(NotFound):
        await ours.services.start_definition(ours.who, "watch", {})
    await keep(ours, API, input_schema=SCHEMA)
    with pytest.raises(SchemaMismatch) as unfit:
        await ours.services.start_definition(ours.who, "watch", {"area": 1})
    assert unfit.value.pointer == "/input/area"
    with pytest.raises(Invalid):
        await ours.services.start_definition(ours.who, "watch", {"area": "x", "$reason": "y"})
    with pytest.raises(NotFound):
        await ours.services.start_definition(ours.who, "watch", {"area": "x"}, version="2")
    await keep(ours, version="2")
    with pytest.raises(WrongState) as without:
        await ours.services.start_definition(ours.who, "watch", {})
    assert without.value.code == "no_api_trigger"
    assert await ours.statuses() == []


async def test_executions_stay_pinned_to_their_version(ours: Alone) -> None:
    await keep(ours, API)
    old = await ours.services.start_definition(ours.who, "watch", {})
    await keep(ours, API, version="2", name="Newer")
    new = await ours.services.start_definition(ours.who, "watch", {})
    pinned = await ours.services.start_definition(ours.who, "watch", {}, version="1")
    assert [one["name"] for one in (old, new, pinned)] == ["Watch 监测", "Newer", "Watch 监测"]
    left = await ours.services.deprecate_definition(ours.who, "watch", "2")
    assert left["current_version"] == "1"
    assert (await ours.services.start_definition(ours.who, "watch", {}))["name"] == "Watch 监测"
    assert (await ours.services.deprecate_definition(ours.who, "watch"))["current_version"] is None
    for version in (None, "1", "2"):
        with pytest.raises(WrongState) as refused:
            await ours.services.start_definition(ours.who, "watch", {}, version=version)
        assert refused.value.state == "deprecated"
    assert await ours.statuses() == ["running"] * 4
    agreement = await ours.services.agreement(ours.who, new["execution_id"])
    assert agreement["agreement"]["definition"]["version"] == "2"


async def test_a_proposal_may_name_a_definition(ours: Alone) -> None:
    await keep(ours)
    proposed = await ours.services.propose_definition(ours.who, "watch", {"a": 1}, version="1")
    assert (proposed["status"], proposed["definition_id"]) == ("ready", "watch")


async def test_with_partners_it_starts_when_all_have_accepted(ours: Alone) -> None:
    ours.meet()
    members = [{"org_id": BUYER, "role": "plant"}, {"org_id": SUPPLIER, "role": "supplier"}]
    await keep(ours, API, participants=members)
    started = await ours.services.start_definition(ours.who, "watch", {})
    assert (started["status"], started["initiator"]) == ("created", BUYER)
    ours.parts.partners.suspend(SUPPLIER)
    with pytest.raises(DefinitionErrors):
        await ours.services.start_definition(ours.who, "watch", {})
