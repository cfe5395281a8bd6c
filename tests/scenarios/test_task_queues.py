"""Task queues of a real node: workers over HTTP, leases, crashes, and every rule from the wrong side."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
import pytest_asyncio

from support.parties import BUYER
from support.trio import API, Member, until
from tallystick.core.errors import TallystickError
from tallystick.node.worker import Refused, Task, TaskFailed, Worker

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]
QUEUE = "检验 inspection a!b@c$d()e*_,:;=@ff[]22"
OTHER = "paint"


def definition(queue: str = QUEUE, **task: Any) -> dict[str, Any]:
    """One step for a worker; ``task`` goes to it, ``parameters`` of the input among it."""
    more = task.pop("input", {})
    return {
        "id": "inspection",
        "name": "Inspection 检验",
        "participants": [{"org_id": BUYER, "role": "maker", "can_terminate": True}],
        "tasks": [
            {
                "id": "inspect",
                "name": "Inspect",
                "task_type": "activity",
                "assigned_org": BUYER,
                "parameters": {"activity_type": "inspect", "input": {"task_queue": queue, "part": "轴承", **more}},
                **task,
            }
        ],
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def maker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Member]:
    """One organisation's node."""
    folder = tmp_path_factory.mktemp("queues")
    folder.chmod(0o700)
    member = Member(BUYER, folder)
    try:
        await member.init()
        await member.start()
        yield member
    finally:
        await member.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tokens(maker: Member) -> dict[str, str]:
    """Access tokens: for the queue, for another one."""
    made = {}
    for name, queues in (("inspection", [QUEUE]), ("painter", [OTHER])):
        answer = await maker.post("/access-tokens", {"name": name, "queues": queues})
        made[name] = answer["access_token"]
    return made


async def begin(maker: Member, **task: Any) -> str:
    """Start one execution; its path."""
    proposed = await maker.post("/collaborations", {"definition": definition(**task)})
    path = f"/collaborations/{proposed['collaboration_id']}"
    await maker.post(f"{path}/start", {"input": {}})
    return path


@asynccontextmanager
async def working(maker: Member, token: str, queue: str = QUEUE, **more: Any) -> AsyncIterator[Worker]:
    async with Worker(maker.url, token, queue, worker_id="station 3", **more) as worker:
        yield worker


async def ends(maker: Member, path: str) -> str:
    async def look() -> str | None:
        status = str((await maker.get(path))["status"])
        return status if status in {"completed", "failed", "terminated"} else None

    return await until(look)


async def refused(call: Awaitable[Any], status: int, code: str, state: str | None = None) -> None:
    with pytest.raises(Refused) as caught:
        await call
    assert (caught.value.status, caught.value.code, caught.value.state) == (status, code, state)


async def data(maker: Member, path: str) -> dict[str, Any]:
    items = (await maker.get(path.replace("collaborations", "executions") + "/data"))["items"]
    return {item["property"]: item["value"] for item in items}


async def test_a_worker_that_waits_gets_the_task_and_its_answer_ends_the_step(
    maker: Member, tokens: dict[str, str]
) -> None:
    async with working(maker, tokens["inspection"]) as worker:
        waiting = asyncio.ensure_future(worker.claim(5, wait_seconds=30))
        await asyncio.sleep(0.5)
        assert not waiting.done()
        path = await begin(maker, priority="high")
        begun = time.monotonic()
        [task] = await waiting
        assert time.monotonic() - begun < 25  # woken, before its 30 seconds were over
        assert (task.input["part"], task.activity_type, task.priority, task.delivery) == ("轴承", "inspect", "high", 1)
        assert task.idempotency_token == task.task_id
        [queue] = (await maker.get("/task-queues"))["items"]
        assert queue == {"queue": QUEUE, "depth": 0, "oldest_since": None, "in_flight": 1}
        held = await maker.get(f"/task-queues/{quote(QUEUE, safe='')}/tasks")
        [one] = held["claimed"]
        assert (one["task_id"], one["worker_id"], one["state"], held["items"]) == (
            task.task_id,
            "station 3",
            "claimed",
            [],
        )
        assert one["since"] <= one["claimed_at"] < one["lease_expires_at"]
        assert "claim" not in {name.partition("_")[0] for name in one} - {"claimed"}
        seen = await worker._http.get(f"/task-queues/{quote(QUEUE, safe='')}/tasks")
        assert seen.status_code == 403, "a worker's token lists no tasks"
        assert (await maker.get("/tasks"))["items"] == []  # nothing for staff to do
        waits = (await maker.get(path.replace("collaborations", "executions") + "/waiting"))["items"]
        assert (f"worker of {QUEUE}", "claimed; given out 1 times") in [(one["what"], one["tried"]) for one in waits]
        await worker.heartbeat(task)
        await worker.complete(task, {"in_order": True, "备注": "看过"})
        await worker.complete(task, {"in_order": True})  # the answer to the first had been lost: harmless
        await refused(worker.fail(task, "late"), 409, "stale_claim", "completed")
        await refused(worker.heartbeat(task), 409, "stale_claim", "completed")
    assert await ends(maker, path) == "completed"
    assert await data(maker, path) == {"in_order": True, "备注": "看过"}


async def test_a_lease_that_runs_out_puts_the_task_back(maker: Member, tokens: dict[str, str]) -> None:
    path = await begin(maker)
    async with working(maker, tokens["inspection"], lease_seconds=5) as worker:
        begun = time.monotonic()
        [first] = await worker.claim(1)
        [second] = await worker.claim(1, wait_seconds=30)
        assert 4 < time.monotonic() - begun < 30
        assert (second.task_id, second.idempotency_token) == (first.task_id, first.idempotency_token)
        assert (second.delivery, second.attempt) == (2, 1)
        for late in (worker.complete(first, {}), worker.fail(first, "x"), worker.heartbeat(first)):
            await refused(late, 409, "stale_claim", "claimed")
        await worker.complete(second, {"in_order": False})
    assert await ends(maker, path) == "completed"


async def test_failures_are_the_retry_policys_to_answer(maker: Member, tokens: dict[str, str]) -> None:
    policy = {"max_attempts": 2, "initial_interval_seconds": 1, "non_retryable_errors": ["broken"]}
    path = await begin(maker, retry_policy=policy)
    async with working(maker, tokens["inspection"]) as worker:
        [first] = await worker.claim(1)
        await worker.fail(first, "busy", "仪器忙")
        [second] = await worker.claim(1)
        assert (second.attempt, second.delivery) == (2, 1)
        assert second.idempotency_token != first.idempotency_token  # another attempt is another piece of work
        await worker.fail(second, "broken")
    assert await ends(maker, path) == "failed"


async def test_a_missed_heartbeat_fails_the_attempt_where_the_step_says_so(
    maker: Member, tokens: dict[str, str]
) -> None:
    policy = {"max_attempts": 2, "initial_interval_seconds": 1}
    path = await begin(maker, retry_policy=policy, input={"heartbeat_seconds": 4})
    async with working(maker, tokens["inspection"], lease_seconds=600) as worker:
        [first] = await worker.claim(1)
        assert first.lease_seconds == 4
        [second] = await worker.claim(1)
        assert second.attempt == 2
        with pytest.raises(Refused) as caught:
            await worker.complete(first, {})
        assert (caught.value.code, caught.value.state) == ("stale_claim", "failed")
        for _ in range(5):  # longer than the four seconds, and heard
            await asyncio.sleep(1)
            await worker.heartbeat(second)
        await worker.complete(second, {"in_order": True})
    assert await ends(maker, path) == "completed"
    timeline = (await maker.get(path.replace("collaborations", "executions") + "/timeline"))["items"]
    answered = [event for item in timeline for event in item["events"] if event["type"] == "answered"]
    assert [event["status"] for event in answered] == ["failed", "completed"]


async def test_an_execution_that_ends_takes_its_tasks_along(maker: Member, tokens: dict[str, str]) -> None:
    held, waiting = await begin(maker), await begin(maker)
    async with working(maker, tokens["inspection"]) as worker:
        [task] = await worker.claim(1)
        await maker.post(f"{held}/terminate", {"reason": "r"})
        await maker.post(f"{waiting}/terminate", {"reason": "r"})
        await refused(worker.complete(task, {}), 409, "stale_claim", "cancelled")
        assert await worker.claim(1, wait_seconds=0) == []


async def test_a_step_that_times_out_is_no_workers_any_more(maker: Member, tokens: dict[str, str]) -> None:
    path = await begin(maker, timeout_seconds=1)
    async with working(maker, tokens["inspection"]) as worker:
        [task] = await worker.claim(1)
        assert await ends(maker, path) == "failed"
        await refused(worker.complete(task, {}), 409, "stale_claim", "timed_out")


async def test_every_rule_from_the_wrong_side(maker: Member, tokens: dict[str, str]) -> None:
    path = await begin(maker)
    async with (
        working(maker, tokens["inspection"]) as worker,
        working(maker, tokens["painter"]) as painter,
        working(maker, tokens["painter"], OTHER) as idle,
        working(maker, tokens["inspection"][:-3] + "AAA") as forger,
    ):
        await refused(painter.claim(1, wait_seconds=0), 403, "wrong_queue")
        await refused(forger.claim(1, wait_seconds=0), 401, "bad_token")
        [task] = await worker.claim(1)
        assert await idle.claim(1, wait_seconds=0) == []
        for call in (painter.complete(task, {}), painter.fail(task, "x"), painter.heartbeat(task)):
            await refused(call, 403, "wrong_queue")
        guess = Task(**{**{name: getattr(task, name) for name in task.__struct_fields__}, "claim_token": "guess"})
        await refused(worker.complete(guess, {}), 409, "stale_claim", "claimed")
        other = Task(**{**{name: getattr(task, name) for name in task.__struct_fields__}, "task_id": "t_none"})
        await refused(worker.complete(other, {}), 404, "not_found")
        await _staff_and_workers_keep_apart(maker, tokens["inspection"], task)
        await worker.complete(task, {"in_order": True})
    assert await ends(maker, path) == "completed"


async def _staff_and_workers_keep_apart(maker: Member, token: str, task: Task) -> None:
    """A worker cannot answer what is staff's, staff cannot answer a worker's, auditors neither; a session is needed."""
    human = await maker.post(
        "/collaborations",
        {"definition": {**definition(), "tasks": [{"id": "sign", "name": "Sign", "task_type": "approval",
                                                   "assigned_org": BUYER}]}},
    )  # fmt: skip
    await maker.post(f"/collaborations/{human['collaboration_id']}/start", {"input": {}})
    [staffs] = [one["task_id"] for one in (await maker.get("/tasks"))["items"]]
    body = {"username": "auditor", "password": "审计 a!b@c$d()e", "display_name": "A", "roles": ["auditor"]}
    await maker.post("/users", body)
    async with httpx2.AsyncClient(base_url=maker.url + API, trust_env=False) as http:
        worker = {"authorization": f"Bearer {token}"}
        for path in (f"/tasks/{staffs}/complete", f"/tasks/{staffs}/claim", f"/tasks/{staffs}/approve"):
            assert (await http.post(path, json={}, headers=worker)).status_code == 403
        answer = await http.post(f"/tasks/{staffs}/complete", json={"claim_token": "x"}, headers=worker)
        assert answer.status_code == 404  # no queue holds it
        session = await http.post("/sessions", json={key: body[key] for key in ("username", "password")})
        auditor = {"authorization": f"Bearer {session.json()['access_token']}"}
        claim = {"claim_token": task.claim_token, "data": {}}
        for path, content in ((f"/tasks/{task.task_id}/complete", claim), ("/task-queues/x/claim", {"worker_id": "w"})):
            assert (await http.post(path, json=content, headers=auditor)).status_code == 403
            assert (await http.post(path, json=content)).status_code == 401
        for method, path in (("GET", "/access-tokens"), ("DELETE", "/access-tokens/x")):
            assert (await http.request(method, path, headers=worker)).status_code == 403
    assert (await maker.http.post(f"/tasks/{task.task_id}/complete", json={"data": {}})).status_code == 404
    await maker.post(f"/collaborations/{human['collaboration_id']}/terminate", {"reason": "r"})


async def test_a_token_that_was_removed_opens_nothing(maker: Member) -> None:
    made = await maker.post("/access-tokens", {"name": "lost"})
    async with working(maker, made["access_token"]) as worker:
        assert await worker.claim(1, wait_seconds=0) == []
        assert (await maker.http.delete(f"/access-tokens/{made['id']}")).status_code == 204
        await refused(worker.claim(1, wait_seconds=0), 401, "bad_token")


async def test_a_worker_that_hangs_up_takes_nothing(maker: Member, tokens: dict[str, str]) -> None:
    async with working(maker, tokens["inspection"]) as worker:
        gone = asyncio.ensure_future(worker.claim(1))
        await asyncio.sleep(0.5)
        gone.cancel()
    await asyncio.sleep(0.5)
    path = await begin(maker)
    async with working(maker, tokens["inspection"]) as worker:
        [task] = await worker.claim(1, wait_seconds=5)
        assert task.delivery == 1
        await worker.complete(task, {})
    assert await ends(maker, path) == "completed"


async def test_a_crash_between_claim_and_answer_loses_nothing(maker: Member, tokens: dict[str, str]) -> None:
    """``kill -9``: the claim outlives it, and so does the task whose worker died with the node."""
    kept, lost = await begin(maker), await begin(maker)
    async with working(maker, tokens["inspection"], lease_seconds=20) as worker:
        first, second = await worker.claim(2)
        answering = asyncio.ensure_future(worker._answer(first, lambda: worker.complete(first, {"in_order": True})))
        await maker.kill()
        await maker.start()
        await answering  # sent until the node had taken it
        await worker.complete(first, {"in_order": True})  # whichever of the two was heard, the other is harmless
        again: list[Task] = await until(lambda: _claimed(worker))
        assert [(one.task_id, one.delivery) for one in again] == [(second.task_id, 2)]
        await worker.complete(again[0], {"in_order": True})
        await refused(worker.complete(second, {}), 409, "stale_claim", "completed")
    for path in (kept, lost):
        assert await ends(maker, path) == "completed"
        timeline = (await maker.get(path.replace("collaborations", "executions") + "/timeline"))["items"]
        answered = [event for item in timeline for event in item["events"] if event["type"] == "answered"]
        assert [event["status"] for event in answered] == ["completed"]


async def _claimed(worker: Worker) -> list[Task] | None:
    return await worker.claim(5, wait_seconds=1) or None


async def test_the_client_does_all_of_this(maker: Member, tokens: dict[str, str]) -> None:
    """Slow work is kept by heartbeats, errors become failures, and the node's absence is waited out."""
    seen: list[str] = []

    async def inspect(task: Task) -> dict[str, Any]:
        kind = task.input["kind"]
        seen.append(kind)
        if kind == "slow":
            await asyncio.sleep(8)  # longer than the lease
        if kind == "refuses":
            raise TaskFailed("no such part", code="unknown_part")
        if kind == "breaks":
            raise RuntimeError("a bug")
        return {"kind": kind}

    kinds = ("good", "slow", "refuses", "breaks", "slow")
    paths = [await begin(maker, input={"kind": kind}) for kind in kinds]
    async with working(maker, tokens["inspection"], concurrency=3, lease_seconds=5) as worker:
        running = asyncio.ensure_future(worker.run(inspect))
        assert [await ends(maker, path) for path in paths] == [
            "completed", "completed", "failed", "failed", "completed"
        ]  # fmt: skip
        running.cancel()
    assert sorted(seen) == sorted(kinds)  # each once: no lease ran out


async def test_a_worker_that_the_node_refuses_ends(maker: Member) -> None:
    async with working(maker, "tally_nonsense") as worker:
        with pytest.raises(TallystickError, match="token"):
            await worker.run(_never)


async def _never(task: Task) -> dict[str, Any]:
    raise AssertionError(task)
