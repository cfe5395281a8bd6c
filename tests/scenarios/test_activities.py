"""The built-in activities as steps of real executions, on a real node."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from node.activities.calls import HttpServer, http, serving
from support.parties import BUYER
from support.trio import Member, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[HttpServer]:
    """What the organisation's settings allow at the loopback address; tests say what it answers."""
    async with serving(http()) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def maker(tmp_path_factory: pytest.TempPathFactory, server: HttpServer) -> AsyncIterator[Member]:
    """One organisation's node."""
    folder = tmp_path_factory.mktemp("activities")
    folder.chmod(0o700)
    member = Member(BUYER, folder)
    try:
        await member.init()
        _allow(member.data / "settings.json", f"127.0.0.1:{server.port}")
        await member.start()
        yield member
    finally:
        await member.stop()


def _allow(settings: Path, host: str) -> None:
    document = json.loads(settings.read_text())
    document["activities"] = {"http": {"allowed_hosts": [host]}, "limits": {"http_request": 2}}
    settings.write_text(json.dumps(document))


async def run(maker: Member, *steps: tuple[str, dict[str, Any]], **task: Any) -> str:
    """Start an execution of these activities, one after the other; its id."""
    tasks = [
        {
            "id": f"step{number}",
            "name": activity_type,
            "task_type": "activity",
            "assigned_org": BUYER,
            "parameters": {"activity_type": activity_type, "input": given},
            **task,
        }
        for number, (activity_type, given) in enumerate(steps)
    ]
    participants = [{"org_id": BUYER, "role": "maker", "can_terminate": True}]
    definition = {"id": "activities", "name": "Activities 活动", "participants": participants, "tasks": tasks}
    proposed = await maker.post("/collaborations", {"definition": definition})
    await maker.post(f"/collaborations/{proposed['collaboration_id']}/start", {"input": {}})
    return str(proposed["collaboration_id"])


async def ends(maker: Member, execution: str) -> str:
    async def look() -> str | None:
        status = str((await maker.get(f"/executions/{execution}"))["status"])
        return status if status in {"completed", "failed", "terminated"} else None

    return await until(look)


async def values(maker: Member, execution: str) -> dict[str, Any]:
    items = (await maker.get(f"/executions/{execution}/data"))["items"]
    return {f"{item['task']}.{item['property']}": item["value"] for item in items}


async def test_every_kind_in_one_execution(maker: Member, server: HttpServer) -> None:
    server.reply = lambda _: http(b'{"price": 12.50}', headers="content-type: application/json\r\n")
    execution = await run(
        maker,
        ("http_request", {"url": f"{server.url}/price", "method": "POST", "json": {"part": "轴承"}}),
        ("process_data", {"input": {"price": "12.50"}, "output": {"total": 'decimal(input.price) * decimal("4")'}}),
        ("log_data", {"message": "priced 报价", "data": {"token": "secret", "total": "50.00"}}),
        ("save_to_storage", {"name": "orders/17.json", "json": {"total": "50.00"}}),
        ("save_to_storage", {"name": "报价 17.txt", "text": "五十", "to": "documents"}),
    )
    assert await ends(maker, execution) == "completed", maker.log()
    found = await values(maker, execution)
    assert (found["step0.1.status"], found["step0.1.json"]) == (200, {"price": "12.50"})
    assert found["step1.1.total"].startswith("50")
    assert found["step3.1.name"] == "orders/17.json"
    assert json.loads((maker.data / "storage/orders/17.json").read_text()) == {"total": "50.00"}
    document = await maker.http.get(f"/documents/{found['step4.1.document_id']}/content")
    assert document.text == "五十"
    [line] = [json.loads(line) for line in (maker.data / "activity.log").read_text().splitlines()]
    assert (line["message"], line["execution"], line["data"]["token"]) == ("priced 报价", execution, "…")
    assert "报价" not in maker.log()


async def test_a_code_decides_about_another_attempt(maker: Member, server: HttpServer) -> None:
    answers = [http(status="503 Later"), http(status="429 Slow"), http(b"ok")]
    server.requests.clear()
    server.reply = lambda _: answers.pop(0)
    policy = {
        "max_attempts": 5,
        "initial_interval_seconds": 1,
        "non_retryable_errors": ["not_allowed", "invalid_input"],
    }
    given = {"url": server.url}
    assert await ends(maker, await run(maker, ("http_request", given), retry_policy=policy)) == "completed"
    keys = [
        line for request in server.requests for line in request.lower().split(b"\r\n") if b"idempotency-key" in line
    ]
    assert len(set(keys)) == 3  # three attempts, three pieces of work
    for refused in ({"url": "http://127.0.0.1:1/"}, {"url": "http://169.254.169.254/latest/"}, {"url": 7}):
        execution = await run(maker, ("http_request", refused), retry_policy=policy)
        assert await ends(maker, execution) == "failed"
        events = [
            event
            for item in (await maker.get(f"/executions/{execution}/timeline"))["items"]
            for event in item["events"]
        ]
        assert len([event for event in events if event["type"] == "answered"]) == 1


async def test_an_activity_that_a_crash_cut_off_is_called_again_with_its_token(
    maker: Member, server: HttpServer
) -> None:
    server.requests.clear()
    server.reply = lambda _: None  # the call hangs
    execution = await run(maker, ("http_request", {"url": server.url}))
    await until(lambda: _asked(server, 1))
    await maker.kill()
    server.reply = lambda _: http(b"ok")
    await maker.start()
    assert await ends(maker, execution) == "completed", maker.log()
    keys = {
        line for request in server.requests for line in request.split(b"\r\n") if line.startswith(b"idempotency-key")
    }
    assert (len(server.requests), len(keys)) == (2, 1)


async def test_slow_calls_are_bounded_and_hold_up_nothing_else(maker: Member, server: HttpServer) -> None:
    server.requests.clear()
    server.reply = lambda _: None
    slow = [await run(maker, ("http_request", {"url": server.url, "timeout_seconds": 3})) for _ in range(4)]
    await until(lambda: _asked(server, 2))
    assert await ends(maker, await run(maker, ("process_data", {"output": {"x": "1"}}))) == "completed"
    assert len(server.requests) == 2  # limits: two at once
    assert [await ends(maker, one) for one in slow] == ["failed"] * 4
    assert len(server.requests) == 4


async def _asked(server: HttpServer, times: int) -> bool | None:
    await asyncio.sleep(0)
    return len(server.requests) >= times or None
