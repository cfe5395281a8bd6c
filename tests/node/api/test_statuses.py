"""One test a status: what makes it, and what the problem document says."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from node.api.standins.services import FakeServicesForApiTests
from tallystick.node.api.files import MAX_DOCUMENT
from tallystick.node.api.problems import CATALOGUE, MEDIA_TYPE
from tallystick.node.api.reading import MAX_JSON

API = "/api/v1"


def problem(response: Any, status: int, code: str) -> dict[str, Any]:
    """The problem document of a refusal, checked for its form."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == MEDIA_TYPE
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert body["code"] == code
    assert body["title"]
    assert body["type"].startswith("urn:tallystick:problem:")
    return body


def test_malformed_json_is_400(client: TestClient) -> None:
    response = client.post(f"{API}/sessions", content=b"{", headers={"content-type": "application/json"})
    problem(response, 400, "malformed_json")


def test_no_token_is_401(client: TestClient) -> None:
    response = client.get(f"{API}/me", headers={"authorization": ""})
    problem(response, 401, "unauthenticated")
    assert response.headers["www-authenticate"] == 'Bearer realm="tallystick"'


def test_bad_token_is_401_and_says_so(client: TestClient) -> None:
    response = client.get(f"{API}/me", headers={"authorization": "Bearer expired"})
    problem(response, 401, "bad_token")
    assert 'error="invalid_token"' in response.headers["www-authenticate"]


def test_missing_permission_is_403(client: TestClient) -> None:
    body = problem(client.get(f"{API}/users"), 403, "forbidden")
    assert "administer" in body["detail"]


def test_refusal_by_the_facade_is_403(client: TestClient) -> None:
    problem(client.get(f"{API}/executions/denied"), 403, "forbidden")


def test_unknown_thing_is_404(client: TestClient) -> None:
    problem(client.get(f"{API}/tasks/missing"), 404, "not_found")


def test_unknown_path_is_404(client: TestClient) -> None:
    problem(client.get(f"{API}/nothing"), 404, "not_found")


def test_wrong_method_is_405_and_names_the_right_ones(client: TestClient) -> None:
    response = client.delete(f"{API}/collaborations")
    problem(response, 405, "method_not_allowed")
    assert {"GET", "POST"} <= set(response.headers["allow"].replace(" ", "").split(","))


def test_wrong_state_is_409_saying_which(client: TestClient) -> None:
    body = problem(client.post(f"{API}/tasks/ended/claim"), 409, "wrong_state")
    assert body["state"] == "completed"


def test_not_yet_is_409(client: TestClient) -> None:
    problem(client.post(f"{API}/tasks/early/claim"), 409, "not_yet")


def test_large_json_is_413(client: TestClient) -> None:
    response = client.post(f"{API}/collaborations", json={"definition": {"x": "y" * MAX_JSON}})
    assert problem(response, 413, "too_large")["limit"] == MAX_JSON


def test_large_json_without_a_length_is_413(client: TestClient) -> None:
    chunks = (b" " * 65536 for _ in range(20))
    response = client.post(f"{API}/collaborations", content=chunks, headers={"content-type": "application/json"})
    problem(response, 413, "too_large")


def test_large_document_is_413_and_is_not_stored(client: TestClient, services: FakeServicesForApiTests) -> None:
    block = b"x" * 1024 * 1024
    chunks = (block for _ in range(MAX_DOCUMENT // len(block) + 1))
    problem(client.post(f"{API}/documents?name=a", content=chunks), 413, "too_large")
    assert services.calls == []


def test_other_media_type_is_415(client: TestClient) -> None:
    response = client.post(f"{API}/sessions", content=b"username=a", headers={"content-type": "text/plain"})
    problem(response, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("/sessions", {"username": "a", "password": "b", "pass word/~": 1}, "/pass word~1~0"),
        ("/sessions", {"username": 1, "password": "b"}, "/username"),
        ("/sessions", {"username": "a"}, "/password"),
        ("/collaborations", {"definition": []}, "/definition"),
        ("/collaborations/c1/consent", {"decision": "maybe"}, "/decision"),
        ("/tasks/t1/fail", {"code": "no spaces"}, "/code"),
    ],
)
def test_unknown_or_ill_typed_field_is_422_naming_it(
    client: TestClient, path: str, body: dict[str, Any], pointer: str
) -> None:
    assert problem(client.post(API + path, json=body), 422, "invalid")["pointer"] == pointer


def test_ill_typed_query_is_422(client: TestClient) -> None:
    assert problem(client.get(f"{API}/tasks?limit=many"), 422, "invalid")["pointer"] == "/limit"
    assert problem(client.get(f"{API}/tasks?colour=red"), 422, "invalid")["pointer"] == "/colour"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b'{"definition":{"price":1.5}}', "float_refused"),
        (b'{"definition":{},"definition":{}}', "duplicate_member"),
        (b'{"definition":' + b"[" * 40 + b"]" * 40 + b"}", "too_deep"),
    ],
)
def test_json_that_could_not_be_signed_is_422(client: TestClient, content: bytes, code: str) -> None:
    headers = {"content-type": "application/json"}
    problem(client.post(f"{API}/collaborations", content=content, headers=headers), 422, code)


def test_refusal_by_a_rule_is_422_with_its_own_code(client: TestClient) -> None:
    body = problem(client.post(f"{API}/collaborations", json={"definition": {"id": "odd"}}), 422, "unknown_role")
    assert body["pointer"] == "/definition/participants/0/role"
    assert body["type"] == "urn:tallystick:problem:invalid"


def test_too_many_attempts_is_429(client: TestClient) -> None:
    problem(client.get(f"{API}/me", headers={"authorization": "Bearer throttled"}), 429, "too_many_attempts")


def test_unexpected_error_is_500_and_tells_nothing(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    response = client.get(f"{API}/executions/broken")
    problem(response, 500, "internal")
    assert "secret" not in response.text
    assert "/api/v1/executions/broken failed" in caplog.text


def test_missing_part_is_503_and_worth_a_retry(client: TestClient) -> None:
    response = client.get(f"{API}/executions/down")
    problem(response, 503, "unavailable")
    assert response.headers["retry-after"] == "5"


def test_problems_speak_the_readers_language(client: TestClient) -> None:
    response = client.get(f"{API}/tasks/missing", headers={"accept-language": "zh-Hans, en;q=0.5"})
    assert response.json()["title"] == CATALOGUE["not_found"].zh


def test_catalogue_has_every_title_in_both_languages() -> None:
    assert all(one.en and one.zh and one.en != one.zh for one in CATALOGUE.values())
