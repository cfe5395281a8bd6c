"""Answering tasks: what a form sends, and how a wrong answer comes back."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from node.api.standins.services import FakeServicesForApiTests

GOOD = {"field-note": "好 & <well>", "field-ok": "true"}


def called(services: FakeServicesForApiTests, name: str) -> tuple[Any, ...]:
    """The arguments of the one call of ``name``."""
    (arguments,) = [arguments for method, arguments in services.calls if method == name]
    return arguments


def test_values_are_typed(post: Any, services: FakeServicesForApiTests) -> None:
    more = {"field-count": "12", "field-price": "12.50", "field-on": "2026-11-24", "field-lines": '[{"q":1}]'}
    response = post("/tasks/claimed/complete", {**GOOD, **more})
    assert (response.status_code, response.headers["location"]) == (303, "/inbox")
    assert called(services, "complete") == (
        "claimed",
        {"note": "好 & <well>", "ok": True, "count": 12, "price": "12.50", "on": "2026-11-24", "lines": [{"q": 1}]},
    )


def test_a_file_is_stored_and_named(post: Any, services: FakeServicesForApiTests) -> None:
    files = {"field-advice": ("发货.xml", b"<a/>" * 50_000, "application/xml")}
    assert post("/tasks/claimed/complete", GOOD, files=files).status_code == 303
    assert called(services, "put_document") == ("发货.xml", "application/xml")
    assert called(services, "complete")[1]["advice"] == {"$file": {"document_id": "d1"}}


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"field-note": ""}, "note"),
        ({"field-ok": "perhaps"}, "ok"),
        ({"field-count": "many"}, "count"),
        ({"field-price": "NaN"}, "price"),
        ({"field-lines": "{"}, "lines"),
        ({"field-advice": "not a file"}, "advice"),
    ],
)
def test_a_wrong_answer_comes_back_with_what_was_entered(
    post: Any, services: FakeServicesForApiTests, wrong: dict[str, str], field: str
) -> None:
    response = post("/tasks/claimed/complete", {**GOOD, "field-count": "77", **wrong})
    assert response.status_code == 422
    assert f"<code>/data/{field}</code>" in response.text
    assert "complete" not in [name for name, _ in services.calls]
    if field != "count":
        assert 'value="77"' in response.text


def test_a_task_without_a_form_takes_any_object_and_a_file(post: Any, services: FakeServicesForApiTests) -> None:
    files = {"field-document": ("a.bin", b"x")}
    assert post("/tasks/free/complete", {"field-data": '{"a":1}'}, files=files).status_code == 303
    assert called(services, "complete")[1] == {"a": 1, "document": {"$file": {"document_id": "d1"}}}
    assert post("/tasks/free/complete", {"field-data": "[]"}).status_code == 422


@pytest.mark.parametrize(
    ("path", "data", "call"),
    [
        ("/tasks/t1/claim", {}, ("claim", ("t1",))),
        ("/tasks/t1/release", {}, ("release", ("t1",))),
        ("/tasks/t1/approve", {"comments": " 好 "}, ("approve", ("t1", "好"))),
        ("/tasks/t1/reject", {}, ("reject", ("t1", ""))),
        ("/tasks/t1/fail", {"code": "no_lorry", "message": "m"}, ("fail", ("t1", "no_lorry", "m"))),
        ("/tasks/t1/cancel", {"reason": "r"}, ("cancel", ("t1", "r"))),
        ("/collaborations", {"definition": '{"id":"d"}'}, ("propose", ("d", {"id": "d"}, {}))),
        ("/collaborations/c1/consent", {"decision": "accepted"}, ("consent", ("c1", "accepted", None))),
        (
            "/collaborations/c1/changes",
            {"definition": '{"id":"d"}', "retention_days": "30", "skew_ms": "", "reason": " 快 "},
            ("propose_change", ("c1", "d", {"id": "d"}, {"retention_days": 30}, "快")),
        ),
        ("/collaborations/c1/start", {"input": '{"a":1}'}, ("start", ("c1", {"a": 1}))),
        ("/collaborations/c1/terminate", {"reason": "r"}, ("terminate", ("c1", "r"))),
        ("/executions/e1/verify", {}, ("verify_execution", ("e1",))),
        ("/executions/e1/signals", {"signal": "s", "data": '{"a":1}'}, ("signal_execution", ("e1", "s", {"a": 1}))),
        ("/executions/e1/suspend", {"reason": "r"}, ("suspend_execution", ("e1", "r"))),
        ("/executions/e1/resume", {}, ("resume_execution", ("e1",))),
        ("/executions/e1/cancel", {"reason": "r"}, ("cancel_execution", ("e1", "r"))),
        ("/tasks/t1/retry", {}, ("retry_task", ("t1",))),
        ("/notifications/n1/acknowledge", {}, ("acknowledge", ("n1",))),
    ],
)
def test_forms_reach_the_facade(
    post: Any, services: FakeServicesForApiTests, path: str, data: dict[str, str], call: tuple[str, Any]
) -> None:
    response = post(path, data)
    assert response.status_code == 303, response.text
    assert services.calls == [call]


@pytest.mark.parametrize("definition", ["", "{", "[]", '{"a":1.5}', '{"id":"odd"}'])
def test_a_wrong_definition_comes_back_as_it_was(post: Any, definition: str) -> None:
    response = post("/collaborations", {"definition": definition})
    assert response.status_code == 422
    assert 'role="alert"' in response.text
    assert definition.replace('"', "&#34;") in response.text


@pytest.mark.parametrize(
    "wrong", [{"definition": "{"}, {"definition": "{}", "retention_days": "<many>"}, {"definition": '{"id":"odd"}'}]
)
def test_a_wrong_change_comes_back_as_it_was(post: Any, wrong: dict[str, str]) -> None:
    response = post("/collaborations/c1/changes", wrong)
    assert response.status_code == 422
    assert 'role="alert"' in response.text
    for text in wrong.values():
        assert text.replace("<", "&lt;").replace(">", "&gt;").replace('"', "&#34;") in response.text


@pytest.mark.parametrize(
    "path", ["/tasks/t1/cancel", "/collaborations/c1/terminate", "/collaborations/c1/consent", "/executions/e1/cancel"]
)
def test_reasons_and_decisions_are_asked_for(post: Any, path: str) -> None:
    assert post(path).status_code == 422


def test_wrong_state_is_a_page_that_says_which(post: Any) -> None:
    response = post("/tasks/ended/claim")
    assert response.status_code == 409
    assert "completed" in response.text


def test_a_dropped_evidence_file_gets_its_check_list(post: Any) -> None:
    response = post("/verify", files={"bundle": ("证据.json", b"{}", "application/json")})
    assert response.status_code == 200
    for words in ("The evidence does not hold", "证据.json", "2. Signatures", "entry 1 &lt;bad&gt;", "INDETERMINATE"):
        assert words in response.text


def test_a_wrong_evidence_file_is_refused_in_place(post: Any) -> None:
    assert post("/verify", files={"bundle": ("a.json", b"no")}).status_code == 422
    assert post("/verify").status_code == 422


def test_an_unexpected_error_tells_nothing(browser: TestClient) -> None:
    response = browser.get("/executions/broken")
    assert response.status_code == 500
    assert "secret" not in response.text
    assert "Something went wrong here" in response.text


def test_a_large_form_is_413(post: Any) -> None:
    assert post("/collaborations", {"definition": "x" * 1_100_000}).status_code == 413


def test_a_definition_is_kept_started_and_deprecated(post: Any, services: FakeServicesForApiTests) -> None:
    kept = post("/definitions", {"definition": '{"id": "order"}'})
    assert (kept.status_code, kept.headers["location"]) == (303, "/definitions/d1")
    started = post("/definitions/d1/executions", {"version": "2", "input": '{"a": 1}'})
    assert (started.status_code, started.headers["location"]) == (303, "/collaborations/c1")
    assert called(services, "start_definition") == ("d1", {"a": 1}, "2")
    assert post("/definitions/d1/deprecate", {"version": "2"}).status_code == 303
    assert called(services, "deprecate_definition") == ("d1", "2")
    assert post("/definitions/d1/deprecate").status_code == 422


def test_a_definition_that_is_refused_comes_back(post: Any) -> None:
    for path, field, text, code in (
        ("/definitions", "definition", "{", 422),
        ("/definitions", "definition", '{"id": "odd"}', 422),
        ("/definitions", "definition", '{"id": "ended"}', 409),
        ("/definitions/d1/executions", "input", "[1]", 422),
    ):
        refused = post(path, {field: text})
        assert (refused.status_code, 'id="problem"' in refused.text) == (code, True), text
        assert text.replace('"', "&#34;") in refused.text
