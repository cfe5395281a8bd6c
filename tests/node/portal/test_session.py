"""Signing in and out, and what other sites cannot do."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from node.api.standins.accounts import PASSWORD, FakeAccountsForApiTests
from node.api.standins.services import FakeServicesForApiTests
from tallystick.node.api.app import create_app
from tallystick.node.portal.app import FORMS, PAGES
from tallystick.node.portal.pages.signing_in import local


def test_sign_in_sets_a_cookie_that_scripts_cannot_read(stranger: TestClient) -> None:
    data = {"username": "operator", "password": PASSWORD, "next": "/tasks/t1"}
    response = stranger.post("/sign-in", data=data)
    assert (response.status_code, response.headers["location"]) == (303, "/tasks/t1")
    cookie = response.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Secure" not in cookie
    assert stranger.get("/inbox").status_code == 200


def test_over_https_the_cookie_is_secure_and_bound_to_the_host() -> None:
    app = create_app(FakeServicesForApiTests(), FakeAccountsForApiTests(), https=True)
    browser = TestClient(app, base_url="https://node.example", follow_redirects=False)
    cookie = browser.post("/sign-in", data={"link": "good-link"}).headers["set-cookie"]
    assert cookie.startswith("__Host-tally_")
    assert "Secure" in cookie
    assert "Path=/" in cookie


def test_organisations_on_one_machine_do_not_share_a_cookie() -> None:
    app = create_app(FakeServicesForApiTests(), FakeAccountsForApiTests())
    names = set()
    for port in (8101, 8102):
        browser = TestClient(app, base_url=f"http://127.0.0.1:{port}", follow_redirects=False)
        names.add(browser.post("/sign-in", data={"link": "good-link"}).headers["set-cookie"].partition("=")[0])
    assert names == {"tally_8101", "tally_8102"}


@pytest.mark.parametrize("data", [{"username": "operator", "password": "no"}, {"link": "used"}, {}])
def test_wrong_sign_in_is_401_and_sets_nothing(stranger: TestClient, data: dict[str, str]) -> None:
    response = stranger.post("/sign-in", data=data)
    assert response.status_code == 401
    assert "set-cookie" not in response.headers
    assert "That did not work" in response.text


def test_signing_out_ends_the_session_at_the_node(post: Any, browser: TestClient) -> None:
    assert post("/sign-out").headers["location"] == "/sign-in"
    browser.cookies.set("tally_default", "token-operator")  # a copy of the old cookie
    assert browser.get("/inbox").status_code == 303


@pytest.mark.parametrize("path", [path for path, _, _ in PAGES])
@pytest.mark.parametrize("token", [None, "expired", "other-audience"])
def test_no_page_without_a_session(stranger: TestClient, path: str, token: str | None) -> None:
    if token:
        stranger.cookies.set("tally_default", token)
    response = stranger.get(path)
    assert response.status_code == 303
    assert response.headers["location"].startswith("/sign-in")


def test_a_fragment_without_a_session_sends_the_whole_page_to_sign_in(stranger: TestClient) -> None:
    response = stranger.get("/inbox", headers={"hx-request": "true"})
    assert response.status_code == 401
    assert response.headers["hx-redirect"] == "/sign-in"


@pytest.mark.parametrize("path", [path for path, _, _ in FORMS])
@pytest.mark.parametrize("data", [{}, {"csrf": "0" * 64}, {"csrf": ""}])
def test_no_form_without_its_token(
    browser: TestClient, services: FakeServicesForApiTests, path: str, data: dict[str, str]
) -> None:
    assert browser.post(path, data=data).status_code == 403
    assert services.calls == []


@pytest.mark.parametrize("headers", [{"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}])
def test_no_form_from_another_site(stranger: TestClient, post: Any, headers: dict[str, str]) -> None:
    assert post("/tasks/t1/claim", headers=headers).status_code == 403
    assert stranger.post("/sign-in", data={"link": "good-link"}, headers=headers).status_code == 403
    assert stranger.post("/language", data={"language": "en"}, headers=headers).status_code == 403


@pytest.mark.parametrize("path", [path for path, _, _ in FORMS if path != "/sign-out"])
def test_no_form_without_its_permission(browser: TestClient, services: FakeServicesForApiTests, path: str) -> None:
    browser.cookies.set("tally_default", "token-nobody")
    assert browser.post(path).status_code == 403
    assert services.calls == []


ELSEWHERE = ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:x", "", None, "/\n/x"]


@pytest.mark.parametrize("target", ELSEWHERE)
def test_sign_in_goes_on_only_within_the_portal(target: str | None) -> None:
    assert local(target) == "/"


def test_language_switch_is_remembered(browser: TestClient) -> None:
    response = browser.post("/language", data={"language": "zh-CN", "next": "/chain"})
    assert response.headers["location"] == "/chain"
    assert browser.get("/inbox", headers={"accept-language": "en"}).headers["content-language"] == "zh-CN"


def test_unknown_language_changes_nothing(browser: TestClient) -> None:
    assert "set-cookie" not in browser.post("/language", data={"language": "xx"}).headers
