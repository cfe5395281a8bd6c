"""The table of operations: every row from the wrong side, and what it asks of the facade."""

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from node.api.standins.accounts import FakeAccountsForApiTests
from node.api.standins.services import FakeServicesForApiTests
from tallystick.core import canonical, jws
from tallystick.core.keys import SigningKey
from tallystick.node.api import openapi
from tallystick.node.api.app import create_app
from tallystick.node.api.events import Streams
from tallystick.node.api.operation import Operation
from tallystick.node.api.table import operations

API = "/api/v1"
TABLE = operations(Streams(None))
READING = [one for one in TABLE if one.method == "GET" and one.path != "/events"]
PAGES = (
    "/healthz",
    "/readyz",
    "/openapi.json",
    "/docs",
    f"{API}/me",
    f"{API}/nothing",
    "/sign-in",
    "/static/portal.css",
)
PROTECTED = [one for one in TABLE if not one.public]


def url(operation: Operation) -> str:
    """The operation's address with ids filled in."""
    return API + operation.path.replace("{", "x-").replace("}", "")


def name(operation: Operation) -> str:
    """For test ids."""
    return f"{operation.method} {operation.path}"


@pytest.mark.parametrize("operation", PROTECTED, ids=name)
@pytest.mark.parametrize("token", [None, "expired", "other-audience", "forged"])
def test_no_operation_without_a_good_token(client: TestClient, operation: Operation, token: str | None) -> None:
    headers = {"authorization": f"Bearer {token}" if token else "Basic eDp5"}
    response = client.request(operation.method, url(operation), headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("operation", [one for one in PROTECTED if one.permission], ids=name)
def test_no_operation_without_its_permission(
    client: TestClient, services: FakeServicesForApiTests, operation: Operation
) -> None:
    response = client.request(operation.method, url(operation), headers={"authorization": "Bearer token-nobody"})
    assert response.status_code == 403
    assert services.calls == []


def test_only_signing_in_the_card_and_invitations_are_public() -> None:
    """Whoever has an invitation's link may read it, and an answer proves itself."""
    assert {name(one) for one in TABLE if one.public} == {
        "POST /sessions",
        "POST /sessions/link",
        "GET /organisation/card",
        "GET /invitations/{invitation_id}",
        "POST /invitations/answers",
    }


def test_auditors_only_read_and_verify() -> None:
    changing = {permission for one in TABLE if one.method != "GET" and not one.public for permission in one.permissions}
    assert changing == {
        "create_collaboration", "give_consent", "work_on_tasks", "work_on_queues", "verify", "administer"
    }  # fmt: skip


def test_workers_reach_their_tasks_and_nothing_else() -> None:
    """What a token that leaked from the plant opens."""
    reached = {name(one) for one in PROTECTED if not one.permissions or "work_on_queues" in one.permissions}
    assert reached == {
        "GET /me",
        "POST /events",
        "GET /task-queues",
        "POST /task-queues/{queue}/claim",
        "POST /tasks/{task_id}/heartbeat",
        "POST /tasks/{task_id}/complete",
        "POST /tasks/{task_id}/fail",
    }


@pytest.mark.parametrize(
    "operation", [one for one in PROTECTED if one.permissions and "work_on_queues" not in one.permissions], ids=name
)
def test_a_worker_is_refused_everywhere_else(
    client: TestClient, services: FakeServicesForApiTests, operation: Operation
) -> None:
    response = client.request(operation.method, url(operation), headers={"authorization": "Bearer token-worker"})
    assert response.status_code == 403
    assert services.calls == []


@pytest.mark.parametrize(
    ("path", "body", "call"),
    [
        ("/collaborations/c1/consent", {"decision": "rejected", "reason": "贵"}, ("consent", ("c1", "rejected", "贵"))),
        ("/collaborations/c1/start", {"input": {"a": 1}}, ("start", ("c1", {"a": 1}))),
        ("/collaborations/c1/start", None, ("start", ("c1", {}))),
        ("/collaborations/c1/terminate", {"reason": "fire"}, ("terminate", ("c1", "fire"))),
        ("/tasks/t1/claim", None, ("claim", ("t1",))),
        ("/tasks/t1/release", {}, ("release", ("t1",))),
        ("/tasks/t1/complete", {"data": {"note": "好"}}, ("complete", ("t1", {"note": "好"}))),
        ("/tasks/t1/fail", {"code": "broken_lorry", "message": "m"}, ("fail", ("t1", "broken_lorry", "m"))),
        ("/tasks/t1/complete", {"data": {"a": 1}, "claim_token": "c"}, ("complete_claimed", ("t1", "c", {"a": 1}))),
        ("/tasks/t1/fail", {"code": "x", "claim_token": "c"}, ("fail_claimed", ("t1", "c", "x", ""))),
        ("/tasks/t1/heartbeat", {"claim_token": "c"}, ("heartbeat", ("t1", "c"))),
        ("/task-queues/press/claim", {"worker_id": "w"}, ("claim_tasks", ("press", "w", 1, 20, 60))),
        ("/tasks/t1/cancel", {"reason": "r"}, ("cancel", ("t1", "r"))),
        ("/tasks/t1/approve", {"comments": "c"}, ("approve", ("t1", "c"))),
        ("/tasks/t1/reject", None, ("reject", ("t1", ""))),
        ("/tasks/t1/retry", None, ("retry_task", ("t1",))),
        ("/executions/e1/signals", {"name": "go", "data": {"a": 1}}, ("signal_execution", ("e1", "go", {"a": 1}))),
        ("/executions/e1/suspend", {"reason": "fire"}, ("suspend_execution", ("e1", "fire"))),
        ("/executions/e1/resume", None, ("resume_execution", ("e1",))),
        ("/executions/e1/cancel", {"reason": "fire"}, ("cancel_execution", ("e1", "fire"))),
        ("/executions/e1/verify", None, ("verify_execution", ("e1",))),
        ("/definitions/d1/deprecate", None, ("deprecate_definition", ("d1", None))),
        ("/definitions/d1/deprecate", {"version": "2"}, ("deprecate_definition", ("d1", "2"))),
        ("/events", {"topic": "a/b", "payload": [1], "id": "x"}, ("send_event", ("a/b", [1], "x"))),
        ("/notifications/n1/acknowledge", None, ("acknowledge", ("n1",))),
    ],
)  # fmt: skip
def test_changes_reach_the_facade(
    client: TestClient, services: FakeServicesForApiTests, path: str, body: Any, call: tuple[str, Any]
) -> None:
    response = client.post(API + path, json=body) if body is not None else client.post(API + path)
    assert response.status_code == 200, response.text
    assert services.calls == [call]


@pytest.mark.parametrize(
    ("path", "body", "call"),
    [
        ("/invitations", {"hours": 5, "note": "轴承"}, ("invite", (5, "轴承"))),
        ("/invitations/accept", {"invitation": "a.b.c"}, ("accept_invitation", ("a.b.c",))),
        ("/invitations/answers", {"answer": "a.b.c"}, ("answer_invitation", ("a.b.c",))),
        ("/partners/p1/confirm", {"fingerprint": "1" * 30}, ("confirm_partner", ("p1", "1" * 30))),
        ("/partners/p1/suspend", None, ("suspend_partner", ("p1",))),
        ("/partners/p1/resume", None, ("resume_partner", ("p1",))),
        ("/partners/p1/remove", {"force": True}, ("remove_partner", ("p1", True))),
    ],
)
def test_changes_of_partners_are_an_administrators(
    client: TestClient, services: FakeServicesForApiTests, path: str, body: Any, call: tuple[str, Any]
) -> None:
    if path != "/invitations/answers":
        assert client.post(API + path, json=body or {}).status_code == 403
        assert services.calls == []
    response = client.post(API + path, json=body or {}, headers={"authorization": "Bearer token-admin"})
    assert response.status_code == (201 if path == "/invitations" else 200), response.text
    assert services.calls == [call]


def test_the_card_and_the_did_document_are_cacheable_by_anybody(client: TestClient) -> None:
    for path, media_type in (
        (f"{API}/organisation/card", "json"),
        ("/.well-known/did.json", "application/did+ld+json"),
    ):
        first = client.get(path, headers={"authorization": ""})
        assert first.status_code == 200
        assert media_type in first.headers["content-type"]
        assert first.headers["cache-control"] == "public, max-age=300"
        assert first.headers["access-control-allow-origin"] == "*"
        for known in (first.headers["etag"], f'"x", W/{first.headers["etag"]}', "*"):
            again = client.get(path, headers={"if-none-match": known})
            assert (again.status_code, again.content) == (304, b"")
        assert client.get(path, headers={"if-none-match": '"other"'}).status_code == 200


@pytest.mark.parametrize("operation", READING, ids=name)
def test_everything_readable_reads(client: TestClient, operation: Operation) -> None:
    headers = {"authorization": "Bearer token-admin"}
    response = client.get(url(operation), headers=headers)
    assert response.status_code == 200, response.text
    assert client.head(url(operation), headers=headers).status_code == 200


def test_proposal_says_where_it_is(client: TestClient) -> None:
    response = client.post(f"{API}/collaborations", json={"definition": {"id": "order"}})
    assert response.status_code == 201
    assert response.headers["location"] == f"{API}/collaborations/{response.json()['collaboration_id']}"


def test_definitions_are_kept_and_started(client: TestClient, services: FakeServicesForApiTests) -> None:
    kept = client.post(f"{API}/definitions", json={"definition": {"id": "order"}})
    assert (kept.status_code, kept.headers["location"]) == (201, f"{API}/definitions/d1")
    body = {"input": {"a": 1}, "version": "2"}
    started = client.post(f"{API}/definitions/d1/executions", json=body, headers={"idempotency-key": "k1"})
    assert (started.status_code, started.headers["location"]) == (201, f"{API}/collaborations/c1")
    assert (services.calls[-1], services.asked[-1].key) == (("start_definition", ("d1", {"a": 1}, "2")), "k1")


def test_a_proposal_names_a_definition_in_one_way(client: TestClient, services: FakeServicesForApiTests) -> None:
    stored = client.post(f"{API}/collaborations", json={"definition_id": "d1", "input": {"a": 1}})
    assert (stored.status_code, services.calls) == (201, [("propose_definition", ("d1", {"a": 1}, None))])
    for body in ({}, {"definition": {}, "definition_id": "d1"}, {"definition": {}, "version": "1"}):
        assert client.post(f"{API}/collaborations", json=body).status_code == 422, body
    assert len(services.calls) == 1


def test_a_proposals_key_and_content_reach_the_facade(client: TestClient, services: FakeServicesForApiTests) -> None:
    def asked(definition: str, **headers: str) -> Any:
        body = {"definition": {"id": definition}}
        assert client.post(f"{API}/collaborations", json=body, headers=headers).status_code == 201
        return services.asked[-1]

    first, again = (asked("order", **{"idempotency-key": "k1"}) for _ in range(2))
    assert (first, first.user_id, first.key) == (again, "operator", "k1")
    assert asked("other", **{"idempotency-key": "k1"}).fingerprint != first.fingerprint
    admin = asked("order", **{"idempotency-key": "k1", "authorization": "Bearer token-admin"})
    assert (admin.user_id, admin.fingerprint) == ("admin", first.fingerprint)
    assert asked("order") is None


def test_a_key_that_is_none_is_refused(client: TestClient, services: FakeServicesForApiTests) -> None:
    for key in ("", "x" * 256):
        answer = client.post(f"{API}/collaborations", json={"definition": {}}, headers={"idempotency-key": key})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert services.calls == []


def test_evidence_comes_in_the_bytes_that_the_verifier_takes(client: TestClient) -> None:
    answer = client.get(f"{API}/executions/e1/evidence")
    assert canonical.parse_canonical(answer.content) == answer.json()


def test_document_streams_in_and_out(client: TestClient, services: FakeServicesForApiTests) -> None:
    headers = {"content-type": "Application/XML; charset=utf-8"}
    stored = client.post(f"{API}/documents?name=订单.xml", content=b"<a></a>", headers=headers)
    assert stored.status_code == 201, stored.text
    assert services.stored == b"<a></a>"
    assert services.calls == [("put_document", ("订单.xml", "application/xml"))]
    response = client.get(f"{API}/documents/d1/content")
    assert response.content == b"<a></a>"
    assert response.headers["content-disposition"].startswith("attachment;")
    assert "%E8%AE%A2%E5%8D%95" in response.headers["content-disposition"]
    assert "sandbox" in response.headers["content-security-policy"]


@pytest.mark.parametrize("bad", ["", "a/b", "a\\b", "a\x01", "x" * 256])
def test_document_names_are_bounded(client: TestClient, bad: str) -> None:
    assert client.post(f"{API}/documents", params={"name": bad}, content=b"x").status_code == 422


def test_sign_in_by_password_and_link(client: TestClient) -> None:
    password = "a!b@c$d()e*_,/:;=?@ff[]22 密码"
    session = client.post(f"{API}/sessions", json={"username": "auditor", "password": password})
    assert set(session.json()) == {"access_token", "token_type", "expires_at"}
    assert client.post(f"{API}/sessions/link", json={"link": "good-link"}).status_code == 200
    assert client.post(f"{API}/sessions/link", json={"link": "used"}).status_code == 401
    assert client.post(f"{API}/sessions", json={"username": "auditor", "password": "x"}).status_code == 401


def test_the_api_reads_no_cookie(client: TestClient) -> None:
    client.cookies.set("tally_default", "token-operator")
    assert client.get(f"{API}/me", headers={"authorization": ""}).status_code == 401


def test_administrators_add_users(client: TestClient) -> None:
    body = {"username": "新", "password": "long enough", "display_name": "New", "roles": ["auditor"]}
    headers = {"authorization": "Bearer token-admin"}
    assert client.post(f"{API}/users", json=body, headers=headers).json()["pointer"] == "/password"
    added = client.post(f"{API}/users", json={**body, "password": "long enough 22"}, headers=headers)
    assert added.status_code == 201
    assert "password" not in added.text


def test_administrators_make_one_time_links(client: TestClient) -> None:
    headers = {"authorization": "Bearer token-admin"}
    made = client.post(f"{API}/users/operator/links", headers=headers)
    assert (made.status_code, made.json()) == (201, {"link": "link-operator"})
    assert client.post(f"{API}/users/ghost/links", headers=headers).status_code == 404


def test_administrators_make_and_end_access_tokens(client: TestClient) -> None:
    headers = {"authorization": "Bearer token-admin"}
    made = client.post(f"{API}/access-tokens", json={"name": "press", "queues": ["press"]}, headers=headers)
    assert (made.status_code, made.json()["access_token"]) == (201, "tally_press")
    assert client.post(f"{API}/access-tokens", json={"name": "x", "queues": []}, headers=headers).status_code == 422
    assert "access_token" not in client.get(f"{API}/access-tokens", headers=headers).text
    assert client.delete(f"{API}/access-tokens/k1", headers=headers).status_code == 204
    assert client.delete(f"{API}/access-tokens/k2", headers=headers).status_code == 404


def test_partner_card_must_be_the_partners(client: TestClient) -> None:
    headers = {"authorization": "Bearer token-admin"}
    assert client.put(f"{API}/partners/a", json={"id": "b"}, headers=headers).status_code == 422
    assert client.put(f"{API}/partners/a", json={"id": "a"}, headers=headers).status_code == 200
    token = jws.sign(SigningKey.generate(), "tally-card+jwt", {"id": "b"})
    assert client.put(f"{API}/partners/a", json={"card": token}, headers=headers).status_code == 422
    assert client.put(f"{API}/partners/b", json={"card": token}, headers=headers).status_code == 200


def test_live_changes_stream(client: TestClient) -> None:
    response = client.get(f"{API}/events")
    assert response.headers["content-type"].startswith("text/event-stream")
    assert 'event: task\ndata: {"topic":"task","id":"t1"}\n\n' in response.text


def test_every_response_carries_the_security_headers(client: TestClient) -> None:
    for path in PAGES:
        headers = client.get(path).headers
        assert "script-src 'self'" in headers["content-security-policy"], path
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "strict-transport-security" not in headers
    secure = TestClient(create_app(FakeServicesForApiTests(), FakeAccountsForApiTests(), https=True))
    assert "strict-transport-security" in secure.get("/healthz").headers


def test_readiness_says_when_the_database_is_gone(
    client: TestClient, services: FakeServicesForApiTests, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.get("/readyz").json() == {"status": "ready"}

    async def gone() -> dict[str, Any]:
        services._called("organisation", "down")
        return {}

    monkeypatch.setattr(services, "organisation", gone)
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200


def test_description_names_every_operation_once(client: TestClient) -> None:
    description = client.get("/openapi.json").json()
    assert description == json.loads(json.dumps(openapi.describe(TABLE, version=description["info"]["version"])))
    found = [one["operationId"] for path in description["paths"].values() for one in path.values()]
    assert len(found) == len(set(found)) == len(TABLE)
    assert description["openapi"].startswith("3.1")


def test_description_has_no_dangling_reference(client: TestClient) -> None:
    text = client.get("/openapi.json").text
    description = json.loads(text)
    for reference in {part.split('"')[0] for part in text.split('"$ref":"')[1:]}:
        found: Any = description
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]


def test_docs_need_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/docs").text
    assert "http://" not in page
    assert "https://" not in page
    assert "<script" not in page
    assert all(f"{API}{one.path}" in page for one in TABLE)
