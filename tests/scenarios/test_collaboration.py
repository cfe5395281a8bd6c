"""One collaboration over three real nodes: to its end along both branches, and through the death of any server."""

import asyncio
import os
import signal
from functools import partial
from typing import Any

import pytest

from support.parties import BUYER, CARRIER, DEFINITION, NAMES, SUPPLIER
from support.trio import Trio, each_effect_once, until, work

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def trio(shared_trio: Trio) -> Trio:
    """Every test here has a collaboration of its own over the same three."""
    return shared_trio


async def nothing_waits(trio: Trio, collaboration: str) -> bool | None:
    """Nobody waits for anything there any more; the last acknowledgements come a moment after the end."""
    seen = [await one.get(f"/executions/{collaboration}") for one in trio.members.values()]
    return not any(one["waiting"] for one in seen) or None


def agree(seen: dict[str, dict[str, Any]]) -> None:
    """All hold the same record, attested by all."""
    assert len({(one["size"], one["root"], one["status"], one["outcome"]) for one in seen.values()}) == 1
    for one in seen.values():
        assert {each["org_id"] for each in one["attested_by"] if each["size"] == one["size"]} == set(NAMES)


@pytest.mark.parametrize(("approve", "outcome"), [(True, "completed"), (False, "rejected")])
async def test_to_the_end_along_both_branches(trio: Trio, approve: bool, outcome: str) -> None:
    collaboration = await trio.begin(DEFINITION)
    seen = await trio.play(collaboration, approve=approve)
    agree(seen)
    assert seen[BUYER]["outcome"] == outcome
    await until(partial(nothing_waits, trio, collaboration))
    kinds = {org: await notices(trio, org, collaboration) for org in NAMES}
    assert {"created", "started", "completed"} <= kinds[CARRIER]
    assert {"data_received", "activity_completed"} <= kinds[SUPPLIER]
    assert "activity_completed" not in kinds[CARRIER]
    verified = await trio.members[SUPPLIER].post(f"/executions/{collaboration}/verify")
    assert verified["is_valid"] is False  # there is no chain here, so not every check can pass
    assert {check["status"] for check in verified["checks"] if check["number"] <= 8} == {"PASS"}
    assert "FAIL" not in {check["status"] for check in verified["checks"]}


async def notices(trio: Trio, org: str, collaboration: str) -> set[str]:
    """What kinds of notification an organisation had about a collaboration."""
    items = (await trio.members[org].get("/notifications?limit=200"))["items"]
    return {one["notification_type"] for one in items if one["collaboration_id"] == collaboration}


async def test_only_those_named_can_open_the_data(trio: Trio) -> None:
    collaboration = await trio.begin(DEFINITION)
    await trio.play(collaboration)
    opened = {org: (await one.get(f"/executions/{collaboration}/data"))["items"] for org, one in trio.members.items()}
    assert any(item["task"] == "order.1" for item in opened[SUPPLIER])
    assert not any(item["task"] == "order.1" for item in opened[CARRIER])
    file = next(item["value"]["$file"] for item in opened[SUPPLIER] if item["task"] == "order.1")
    content = await trio.members[SUPPLIER].http.get(f"/documents/{file['sha256']}/content")
    assert content.content.startswith(b"<Order>")
    assert len(content.content) == file["size"]
    denied = await trio.members[CARRIER].http.get(f"/documents/{file['sha256']}/content")
    assert denied.status_code == 404


@pytest.mark.parametrize("org", [BUYER, SUPPLIER, CARRIER])
async def test_a_node_killed_in_the_middle(trio: Trio, org: str) -> None:
    collaboration = await trio.begin(DEFINITION)
    await work(trio.members[BUYER])
    await trio.members[org].kill()
    await asyncio.sleep(0.5)
    await trio.members[org].start()
    agree(await trio.play(collaboration))
    await each_effect_once(trio, collaboration)


@pytest.mark.parametrize("org", [BUYER, SUPPLIER, CARRIER])
async def test_a_nats_server_killed_in_the_middle(trio: Trio, org: str) -> None:
    collaboration = await trio.begin(DEFINITION)
    trio.members[org].kill_nats()
    agree(await trio.play(collaboration))
    await each_effect_once(trio, collaboration)


async def test_a_silent_partner_is_waited_for_by_name(trio: Trio) -> None:
    collaboration = await trio.begin(DEFINITION)
    await trio.members[SUPPLIER].stop()
    await work(trio.members[BUYER])

    async def look() -> bool | None:
        items = (await trio.members[BUYER].get(f"/executions/{collaboration}/waiting"))["items"]
        named = {item["for_whom"] for item in items if item["what"].startswith("delivery")}
        return SUPPLIER in named or None

    await until(look)
    await trio.members[SUPPLIER].start()
    agree(await trio.play(collaboration))


async def test_wrong_states_and_strangers(trio: Trio) -> None:
    collaboration = await trio.begin(DEFINITION)
    buyer, carrier = trio.members[BUYER].http, trio.members[CARRIER].http
    path = f"/collaborations/{collaboration}"
    assert (await buyer.post(f"{path}/start", json={"input": {}})).status_code == 200
    assert (await buyer.post(f"{path}/consent", json={"decision": "accepted"})).status_code == 409
    assert (await carrier.post(f"{path}/start", json={"input": {}})).status_code == 409
    assert (await carrier.post(f"{path}/terminate", json={"reason": "why"})).status_code == 409
    assert (await carrier.get(f"/collaborations/{'0' * 64}")).status_code == 404
    tasks = (await trio.members[BUYER].get("/tasks"))["items"]
    task = next(one["task_id"] for one in tasks if one["execution_id"] == collaboration)
    assert (await carrier.post(f"/tasks/{task}/claim")).status_code == 404
    assert (await buyer.post(f"/tasks/{task}/approve", json={})).status_code == 409
    terminated = await buyer.post(f"{path}/terminate", json={"reason": "no longer needed"})
    assert terminated.json()["status"] == "terminated"
    await trio.status(trio.members[CARRIER], path, "terminated")


async def test_terminated_nodes_end_their_nats_server(trio: Trio) -> None:
    member = trio.members[BUYER]
    pid = member.nats_pid()
    await member.stop()
    assert member.process is not None
    assert member.process.returncode == 0, f"{signal.SIGTERM} is a regular end"
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
