"""What real nodes answer to bad requests: each status, each rule from the wrong side, always a problem document."""

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from support.parties import BUYER, CARRIER, DEFINITION, SUPPLIER
from support.trio import API, Trio, until
from tallystick.node import settings as node_settings
from tallystick.tenants.keystore import Keystore
from tallystick.tenants.sessions import Sessions

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]
MAX_DOCUMENT = 64 * 1024 * 1024
PASSWORD = "a!b@c$d()e*_,/:;=?@ff[]22 另一个"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Trio]:
    """Three nodes for the whole module: nothing here changes what others see."""
    three = Trio(tmp_path_factory.mktemp("statuses"))
    try:
        await three.start()
        yield three
    finally:
        await three.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def collaboration(stage: Trio) -> str:
    """One that runs; the buyer's first task is open."""
    return await stage.begin(DEFINITION)


def problem(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """The answer's problem document (RFC 9457), which must be of this status and code."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code), body
    assert body["type"].startswith("urn:tallystick:problem:")
    assert body["title"]
    return body


async def test_401_without_a_good_token(stage: Trio) -> None:
    member = stage.members[BUYER]
    settings = node_settings.load(member.data)
    secret = Keystore.open(settings.keystore_path, member.passphrase).session_secret
    good = member.http.headers["authorization"].removeprefix("Bearer ")
    yesterday = Sessions(BUYER, secret, clock=lambda: time.time() - 86_400).issue("admin", 0)[0]
    other_org = stage.members[SUPPLIER].http.headers["authorization"].removeprefix("Bearer ")
    async with httpx2.AsyncClient(base_url=member.url + API, trust_env=False) as http:
        for token, code in {
            "": "unauthenticated",
            "nonsense": "bad_token",
            good[:-2]: "bad_token",
            good.rpartition(".")[0] + ".": "bad_token",
            other_org: "bad_token",
            yesterday: "expired_token",
        }.items():
            headers = {"authorization": f"Bearer {token}"} if token else {}
            answer = await http.get("/tasks", headers=headers)
            problem(answer, 401, code)
            assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_401_wrong_password_and_429_after_many(stage: Trio) -> None:
    async with httpx2.AsyncClient(base_url=stage.members[CARRIER].url + API, trust_env=False) as http:
        answers = [await http.post("/sessions", json={"username": "guess", "password": f"{n}"}) for n in range(8)]
    problem(answers[0], 401, "sign_in_failed")
    problem(answers[-1], 429, "too_many_attempts")
    assert int(answers[-1].headers["retry-after"]) > 0


async def test_403_every_permission_from_the_wrong_side(stage: Trio, collaboration: str) -> None:
    member = stage.members[BUYER]
    body = {"username": "审计", "password": PASSWORD, "display_name": "审计 员", "roles": ["auditor"]}
    answer = await member.http.post("/users", json=body)
    assert answer.status_code == 201, answer.text
    task = (await member.get("/tasks"))["items"][0]["task_id"]
    async with httpx2.AsyncClient(base_url=member.url + API, trust_env=False) as http:
        session = (await http.post("/sessions", json={"username": "审计", "password": PASSWORD})).json()
        http.headers["authorization"] = f"Bearer {session['access_token']}"
        assert (await http.get(f"/executions/{collaboration}")).status_code == 200
        denied = {
            "/users": body,
            "/users/admin/links": {},
            "/collaborations": {"definition": DEFINITION},
            f"/collaborations/{collaboration}/start": {},
            f"/collaborations/{collaboration}/terminate": {"reason": "x"},
            f"/collaborations/{collaboration}/consent": {"decision": "accepted"},
            **{f"/tasks/{task}/{verb}": {} for verb in ("claim", "release", "approve", "reject")},
            f"/tasks/{task}/complete": {"data": {}},
            f"/tasks/{task}/fail": {"code": "x"},
            f"/tasks/{task}/cancel": {"reason": "x"},
            "/notifications/1/acknowledge": {},
        }
        for path, content in denied.items():
            problem(await http.post(path, json=content), 403, "forbidden")
        problem(await http.post("/documents?name=x", content=b"x"), 403, "forbidden")
        problem(await http.put(f"/partners/{SUPPLIER}", json={"card": "x"}), 403, "forbidden")
        problem(await http.get("/users"), 403, "forbidden")
    assert (await member.get("/tasks"))["items"][0]["status"] == "open"


async def test_404_what_is_anothers_or_nowhere(stage: Trio, collaboration: str) -> None:
    task = (await stage.members[BUYER].get("/tasks"))["items"][0]["task_id"]
    carrier = stage.members[CARRIER].http
    nowhere = "0" * 64
    for path in (f"/tasks/{task}", f"/executions/{nowhere}", f"/collaborations/{nowhere}", "/documents/x", "/nothing"):
        problem(await carrier.get(path), 404, "not_found")
    for path in (f"/tasks/{task}/claim", f"/tasks/{task}/approve", f"/executions/{nowhere}/verify"):
        problem(await carrier.post(path, json={}), 404, "not_found")
    problem(await carrier.post("/users/nobody/links", json={}), 404, "not_found")
    assert (await carrier.get(f"/executions/{collaboration}")).status_code == 200  # a participant, so its own


async def test_405_another_method(stage: Trio) -> None:
    problem(await stage.members[BUYER].http.delete("/tasks"), 405, "method_not_allowed")


MALFORMED = {
    "not JSON": (b"{", 400, "malformed_json"),
    "not a number": (b'{"definition":{"a":NaN}}', 400, "malformed_json"),
    "no UTF-8": (b'{"definition":"\xff"}', 400, "malformed_json"),
    "a member twice": (b'{"definition":{},"definition":{}}', 422, "duplicate_member"),
    "10,000 levels": (b'{"definition":' + b"[" * 10_000 + b"]" * 10_000 + b"}", 422, "too_deep"),
    "a float": (b'{"definition":{"a":1.5}}', 422, "float_refused"),
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_400_what_is_not_json_and_422_what_is_not_ours(stage: Trio, name: str) -> None:
    content, status, code = MALFORMED[name]
    headers = {"content-type": "application/json"}
    answer = await stage.members[BUYER].http.post("/collaborations", content=content, headers=headers)
    problem(answer, status, code)


UNFIT: dict[str, tuple[str, Any, str]] = {
    "an unknown field": ("/collaborations", {"definition": {}, "defnition": {}}, "/defnition"),
    "a field of another type": ("/collaborations", {"definition": []}, "/definition"),
    "a missing field": ("/collaborations", {}, "/definition"),
    "a decision that is none": ("/collaborations/{}/consent", {"decision": "maybe"}, "/decision"),
    "an unknown role": (
        "/users",
        {"username": "x", "password": PASSWORD, "display_name": "x", "roles": ["king"]},
        "/roles",
    ),
    "a short password": (
        "/users",
        {"username": "x", "password": "short", "display_name": "x", "roles": ["auditor"]},
        "/password",
    ),
    "a misspelt definition": ("/collaborations", {"definition": {**DEFINITION, "tasks": 7}}, "/definition/tasks"),
    "an empty reason": ("/collaborations/{}/terminate", {"reason": ""}, "/reason"),
}


@pytest.mark.parametrize("name", UNFIT)
async def test_422_names_the_field(stage: Trio, collaboration: str, name: str) -> None:
    path, body, pointer = UNFIT[name]
    answer = await stage.members[BUYER].http.post(path.format(collaboration), json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["pointer"].startswith(pointer), answer.json()
    assert all(one["pointer"].startswith("/definition/") for one in answer.json().get("errors", []))


async def test_422_an_answer_that_does_not_fit_its_form(stage: Trio, collaboration: str) -> None:
    buyer = stage.members[BUYER]
    task = (await buyer.get("/tasks"))["items"][0]["task_id"]
    await buyer.post(f"/tasks/{task}/claim")
    for data in ({"amount": 1.5}, {"amount": 2**53}, {"a": {"$file": {"document_id": "nowhere"}}}):
        answer = await buyer.http.post(f"/tasks/{task}/complete", json={"data": data})
        assert answer.status_code in {400, 404, 422}, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
    await buyer.post(f"/tasks/{task}/release")


async def test_409_says_which_state(stage: Trio, collaboration: str) -> None:
    buyer = stage.members[BUYER].http
    path = f"/collaborations/{collaboration}"
    body = problem(await buyer.post(f"{path}/consent", json={"decision": "accepted"}), 409, "wrong_state")
    assert body["state"]
    carrier = stage.members[CARRIER].http
    assert problem(await carrier.post(f"{path}/start", json={}), 409, "wrong_state")["state"] == "running"
    body = problem(await carrier.post(f"{path}/terminate", json={"reason": "x"}), 409, "may_not_terminate")
    assert body["state"] == "running"
    again = await buyer.post(f"{path}/start", json={})
    assert (again.status_code, again.json()["status"]) == (200, "in_progress")  # starting twice is harmless


async def test_413_bodies_and_documents(stage: Trio) -> None:
    buyer = stage.members[BUYER].http
    text = json.dumps({"definition": {"id": "x" * 2_000_000}})
    assert problem(await buyer.post("/collaborations", content=text), 413, "too_large")["limit"] > 0
    body = problem(await buyer.post("/documents?name=big", content=bytes(MAX_DOCUMENT + 1)), 413, "too_large")
    assert body["limit"] == MAX_DOCUMENT


async def test_a_refusal_keeps_the_connection_for_the_next_request(stage: Trio) -> None:
    """The refusal is out before the body has come; the body is read all the same, and the connection lives on."""
    host, _, port = stage.members[BUYER].url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = (
        f"POST {API}/collaborations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n"
    )
    for _ in range(3):
        writer.write(head.encode())
        answer = await asyncio.wait_for(reader.readuntil(b"}"), 10)
        assert answer.startswith(b"HTTP/1.1 401")
        writer.write(b"{}")
    writer.close()
    await writer.wait_closed()


async def test_a_repeated_proposal_happens_once_though_the_node_is_killed(stage: Trio) -> None:
    """However the node dies between the request and its answer, the same request brings the one collaboration."""
    buyer = stage.members[BUYER]
    body = {"definition": {**DEFINITION, "name": "once 一次"}}
    keys = [f"key {n} a!b@c$d()e*_,/:;=?@ff[]22" for n in range(4)]
    first: dict[str, Any] = {}
    for n, key in enumerate(keys):
        asking = asyncio.create_task(buyer.http.post("/collaborations", json=body, headers={"idempotency-key": key}))
        await asyncio.sleep(0.02 * n) if n < len(keys) - 1 else await asyncio.wait([asking])
        await buyer.kill()
        with contextlib.suppress(httpx2.HTTPError):
            first[key] = (await asking).content
        await buyer.start()
    for key in keys:
        again = [await buyer.http.post("/collaborations", json=body, headers={"idempotency-key": key}) for _ in "12"]
        assert {one.status_code for one in again} == {201}
        assert {one.content for one in again} == {first.get(key, again[0].content)}
    assert keys[-1] in first
    named = [one["name"] for one in (await buyer.get("/collaborations"))["items"]]
    assert named.count("once 一次") == len(keys)
    other = {"definition": DEFINITION}
    answer = await buyer.http.post("/collaborations", json=other, headers={"idempotency-key": keys[0]})
    problem(answer, 422, "idempotency_key_reused")


async def test_415_another_media_type(stage: Trio) -> None:
    answer = await stage.members[BUYER].http.post(
        "/collaborations", content=b"a=1", headers={"content-type": "text/plain"}
    )
    problem(answer, 415, "unsupported_media_type")


async def test_the_largest_document_goes_in_and_comes_out(stage: Trio) -> None:
    buyer = stage.members[BUYER].http
    content = os.urandom(1024) * (MAX_DOCUMENT // 1024)
    stored = await buyer.post("/documents?name=64%20MiB.bin", content=content, timeout=60)
    assert stored.status_code == 201, stored.text
    back = await buyer.get(f"/documents/{stored.json()['document_id']}/content", timeout=60)
    assert back.content == content


async def test_the_readers_language(stage: Trio) -> None:
    buyer = stage.members[BUYER].http
    titles = [
        (await buyer.get("/nothing", headers={"accept-language": one})).json()["title"] for one in ("en", "zh-CN")
    ]
    assert titles[0].isascii()
    assert not titles[1].isascii()


async def test_one_organisations_token_opens_no_other(stage: Trio, collaboration: str) -> None:
    supplier = stage.members[SUPPLIER]

    async def there() -> bool | None:
        return (await supplier.http.get(f"/executions/{collaboration}")).status_code == 200 or None

    await until(there)
    token = stage.members[BUYER].http.headers["authorization"]
    answer = await supplier.http.get(f"/executions/{collaboration}", headers={"authorization": token})
    problem(answer, 401, "bad_token")
