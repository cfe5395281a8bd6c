"""Where the two industrial workflows run: three real nodes on a chain, a plant's broker, its ERP and its workers."""

import asyncio
import contextlib
import copy
import hashlib
import json
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import msgspec

from node.activities.calls import HttpServer, http, serving
from node.work.plant import Plant
from support.chain import LocalChain
from support.examples import example
from support.parties import BUYER, NAMES, SUPPLIER
from support.processes import Processes
from support.trio import API, PASSWORD, Trio, until
from tallystick.core import canonical
from tallystick.node.worker import Task, Worker

AUTHORITY = "authority"
ORGANISATIONS = {BUYER: NAMES[BUYER], SUPPLIER: NAMES[SUPPLIER], AUTHORITY: "Safety Authority 安监局"}
ERP = "https://erp.huaxia.example"
IN_STOCK = 100  # of every material


def in_seconds(kind: str, field: str) -> dict[str, Any]:
    """The safety monitoring of the examples with a second for each minute of its steps of one kind, said in its name.

    It listens below topics of its own, so that an alarm starts this variant or the file's, not both.
    """
    source = copy.deepcopy(example("safety_monitoring"))
    source["id"] += f"-{kind}s-in-seconds"
    source["name"] += f" (minutes of {kind}s as seconds)"
    source["triggers"][0]["topic"] = f"{kind}/" + source["triggers"][0]["topic"]
    del source["triggers"][1:]
    for step in source["steps"]:
        if step["step_type"] == kind:
            step[kind][field] //= 60
    return source


class Industry:
    """The organisations, and what their staff and machines do by themselves: consents and the plant floor's work."""

    def __init__(self, trio: Trio, plant: Plant, erp: HttpServer) -> None:
        self.trio = trio
        self.buyer, self.supplier, self.authority = trio.members.values()
        self._plant = plant
        self._erp = erp
        self._staff: dict[str, httpx2.AsyncClient] = {}
        self.batches: dict[str, list[int]] = {}  # what the line reports of an execution, time after time
        self.verified: list[tuple[str, str]] = []

    def definitions(self) -> list[dict[str, Any]]:
        """What the plant keeps: the files', the variants, and production with the ERP that is there."""
        production = example("production_control")
        [check] = [one for one in production["steps"] if one["id"] == "check_materials"]
        check["activity"]["input"]["url"] = check["activity"]["input"]["url"].replace(ERP, self._erp.url)
        return [
            example("safety_monitoring"),
            in_seconds("timer", "duration_seconds"),
            in_seconds("wait", "timeout_seconds"),
            production,
        ]

    async def event(self, definition: str, topic: str, payload: dict[str, Any]) -> str:
        """Publish it at the plant's broker until the node has heard it; the execution that it started, once."""
        payload = {"event_id": f"{definition} {time.monotonic_ns()}", **payload}
        occasion = hashlib.sha256(canonical.encode([topic, payload["event_id"]])).hexdigest()[:32]

        async def heard() -> str | None:
            await self._plant.send(payload, topic=topic)
            runs = (await self.buyer.get(f"/definitions/{definition}"))["recent_runs"]
            found = [one for one in runs if one["occasion"] == f"event/{occasion}"]
            assert not found or found[0]["code"] is None, found
            return str(found[0]["execution_id"]) if found else None

        return await until(heard)

    async def due(self, definition: str) -> str:
        """The execution that the definition's schedule has started."""

        async def look() -> str | None:
            runs = (await self.buyer.get(f"/definitions/{definition}"))["recent_runs"]
            found = [one for one in runs if one["occasion"].startswith("due/")]
            return str(found[0]["execution_id"]) if found else None

        return await until(look)

    async def answer(self, execution: str, step: str, data: dict[str, Any]) -> None:
        """The plant's staff find the step's task in their inbox and answer it; an administrator may not."""

        async def look() -> tuple[httpx2.AsyncClient, dict[str, Any]] | None:
            for group, http in self._staff.items():
                items = (await http.get(f"/tasks?mine=true&order=due&group={group}&limit=200")).json()["items"]
                for one in items:
                    if (one["execution_id"], one["step"]) == (execution, step):
                        return http, one
            return None

        http, task = await until(look)
        path = f"/tasks/{task['task_id']}"
        for attempt in (f"{path}/claim", f"{path}/complete"):
            refused = await self.buyer.http.post(attempt, json={"data": data} if attempt.endswith("complete") else {})
            assert (refused.status_code, refused.json()["code"]) == (403, "not_in_group")
        for verb, body in (("claim", {}), ("complete", {"data": data})):
            taken = await http.post(f"{path}/{verb}", json=body)
            assert taken.status_code == 200, taken.text

    async def hire(self) -> None:
        """Users of the plant in the groups that the definitions name."""
        for group, name in (("safety-operators", "王 safety"), ("goods-in", "李 goods")):
            user = {"username": name, "password": PASSWORD, "display_name": name, "roles": ["operator"]}
            made = await self.buyer.post("/users", user)
            assert made["groups"] == []
            answer = await self.buyer.http.put(f"/users/{quote(name)}/groups", json={"groups": [group]})
            assert answer.json()["groups"] == [group], answer.text
            self._staff[group] = httpx2.AsyncClient(base_url=self.buyer.url + API, timeout=20, trust_env=False)
            session = await self._staff[group].post("/sessions", json={"username": name, "password": PASSWORD})
            self._staff[group].headers["authorization"] = f"Bearer {session.json()['access_token']}"
            refused = await self._staff[group].put(f"/users/{quote(name)}/groups", json={"groups": ["x"]})
            assert refused.status_code == 403, "nobody joins a group without an administrator"

    async def part(self) -> None:
        """Close what the staff held open."""
        for one in self._staff.values():
            await one.aclose()

    async def acknowledge(self, execution: str) -> None:
        """The authority hears of the emergency and acknowledges it."""

        async def told() -> bool | None:
            items = (await self.authority.get("/notifications?limit=200"))["items"]
            of = [one["notification_type"] for one in items if one["collaboration_id"] == execution]
            return "safety_emergency" in of or None

        await until(told)
        await self.authority.post(f"/executions/{execution}/signals", {"name": "authority_acknowledged"})

    async def path(self, execution: str) -> list[str]:
        """Wait for the end, the same at all participants; the steps in the order in which they were done."""

        async def look() -> list[dict[str, Any]] | None:
            answers = [await one.http.get(f"/executions/{execution}") for one in self.trio.members.values()]
            seen = [one.json() for one in answers if one.status_code == 200]
            return seen if all(one["status"] not in {"created", "ready", "running"} for one in seen) else None

        seen = await until(look)
        assert {(one["status"], one["outcome"]) for one in seen} == {("completed", "completed")}, seen
        assert len({(one["root"], one["size"]) for one in seen}) == 1
        assert not any(one["dispute"] for one in seen)
        items = (await self.authority.http.get(f"/executions/{execution}/timeline")).json().get("items")
        items = items or (await self.supplier.get(f"/executions/{execution}/timeline"))["items"]
        return [event["step"] for item in items for event in item["events"] if event["type"] == "step_completed"]

    async def proved(self, execution: str) -> None:
        """Every check of the buyer's bundle passes, start and completion anchored by all participants among them."""

        async def verified() -> bool | None:
            found = await self.buyer.post(f"/executions/{execution}/verify")
            statuses = {check["status"] for check in found["checks"]}
            assert "FAIL" not in statuses, [one for one in found["checks"] if one["status"] == "FAIL"]
            return (found["is_valid"] and statuses == {"PASS"}) or None

        await until(verified)

    async def consent(self) -> None:
        """Partners accept what is proposed to them, until cancelled."""
        while True:
            for one in (self.supplier, self.authority):
                for proposed in (await one.get("/collaborations?status=created&limit=50"))["items"]:
                    path = f"/collaborations/{proposed['collaboration_id']}"
                    await one.http.post(f"{path}/consent", json={"decision": "accepted"})
            await asyncio.sleep(0.1)

    async def work(self, token: str) -> None:
        """The plant floor's worker, until cancelled."""
        async with Worker(self.buyer.url, token, "plant-floor", worker_id="line 3", concurrency=4) as worker:
            await worker.run(self._at_the_line)

    async def _at_the_line(self, task: Task) -> dict[str, Any]:
        """A comprehensive verification finds a fault at first; the line makes 500 pieces unless told otherwise."""
        if task.activity_type == "verify_configuration":
            first = not any(one == task.execution_id for one, _ in self.verified)
            found = "failed" if first and task.input["level"] == "comprehensive" else "passed"
            self.verified.append((task.execution_id, found))
            return {"verification": found}
        assert task.activity_type == "monitor_production"
        made = self.batches.get(task.execution_id, [500])
        return {"produced": made.pop(0) if len(made) > 1 else made[0]}


def _stock(request: bytes) -> bytes:
    """The ERP: whether there is enough of every material."""
    asked = json.loads(request.partition(b"\r\n\r\n")[2])["requirements"]
    enough = all(one["quantity"] <= IN_STOCK for one in asked)
    said = json.dumps({"availability": "sufficient" if enough else "insufficient"})
    return http(said.encode(), headers="content-type: application/json\r\n")


def _settle(folder: Path, activities: dict[str, Any]) -> None:
    path = folder / "settings.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "activities": activities}))


@asynccontextmanager
async def industry(folder: Path) -> AsyncIterator[Industry]:
    """Everything started; each schedule has had a due time while the plant's node was down."""
    async with serving(_stock) as erp, _chain(folder) as chain:
        with Processes() as processes:
            trio = Trio(folder, chain, ORGANISATIONS)
            plants: list[Plant] = []

            def prepare() -> None:
                for org, allowed in ((BUYER, [f"127.0.0.1:{erp.port}"]), (SUPPLIER, [])):
                    data = trio.members[org].data
                    plants.append(Plant(data, processes))
                    mqtt = msgspec.to_builtins(plants[-1].settings)
                    _settle(data, {"mqtt": mqtt, "http": {"allowed_hosts": allowed}})

            try:
                await trio.start(prepare)
                made = Industry(trio, plants[0], erp)
                async with _staffed(made):
                    yield made
            finally:
                await trio.stop()


@asynccontextmanager
async def _staffed(made: Industry) -> AsyncIterator[None]:
    for one in made.definitions():
        await made.buyer.post("/definitions", {"definition": one})
    token = (await made.buyer.post("/access-tokens", {"name": "line", "queues": ["plant-floor"]}))["access_token"]
    await made.buyer.stop()
    _miss(made.buyer.data / "tenant.db")
    await made.buyer.start()
    await made.hire()
    doing = [asyncio.create_task(made.consent()), asyncio.create_task(made.work(token))]
    try:
        yield
    finally:
        for task in doing:
            task.cancel()
        ended = await asyncio.gather(*doing, return_exceptions=True)
        await made.part()
        assert all(isinstance(one, asyncio.CancelledError) for one in ended), ended


def _miss(database: Path) -> None:
    """Let the schedules' next due times be two hours ago, as after a night without power."""
    with contextlib.closing(sqlite3.connect(database)) as held:
        ago = time.time_ns() // 1_000_000 - 2 * 3_600_000
        changed = held.execute("UPDATE trigger_schedule SET next_due = ?", (ago // 3_600_000 * 3_600_000,))
        assert changed.rowcount == 2, "one schedule of each workflow"
        held.commit()


@asynccontextmanager
async def _chain(folder: Path) -> AsyncIterator[LocalChain]:
    chain = LocalChain(folder)
    await chain.start()
    try:
        yield chain
    finally:
        await chain.stop()
