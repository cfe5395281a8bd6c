"""Pages of administrators: users and their groups, access tokens; and the task queues. Each from the wrong side."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from node.api.standins.accounts import FakeAccountsForApiTests
from node.api.standins.services import FakeServicesForApiTests
from tallystick.node.api.app import create_app

Post = Callable[..., Any]
PASSWORD = "a!b@c$d()e*_,/:;=?@ff[]22 密码"


@pytest.fixture
def accounts(stranger: TestClient) -> FakeAccountsForApiTests:
    """The users behind the pages."""
    made = FakeAccountsForApiTests()
    stranger.app = create_app(FakeServicesForApiTests(), made)
    return made


@pytest.fixture
def admin(stranger: TestClient) -> Post:
    """Send a form as an administrator's page would."""
    stranger.cookies.set("tally_default", "token-admin")
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', stranger.get("/users").text)
    assert found

    def send(path: str, **data: Any) -> Any:
        return stranger.post(path, data={"csrf": found.group(1), **data})

    return send


def test_a_token_is_shown_once(admin: Post, stranger: TestClient) -> None:
    answer = admin("/access-tokens", name="press 冲压", queues="press\r\n\r\n paint ", days="30")
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    assert '<pre id="token">tally_press 冲压</pre>' in answer.text
    again = stranger.get("/access-tokens").text
    assert "tally_press" not in again
    assert "token:k1" in again


@pytest.mark.parametrize(
    ("data", "pointer"),
    [({"days": "soon"}, "/days"), ({"queues": "x" * 201}, "/queues"), ({"queues": "x\n" * 101}, "/queues")],
)
def test_what_is_no_token_comes_back(admin: Post, data: dict[str, str], pointer: str) -> None:
    answer = admin("/access-tokens", **{"name": "a", "days": "3", **data})
    assert answer.status_code == 422
    assert f"<code>{pointer}</code>" in answer.text
    assert 'id="token"' not in answer.text


def test_a_token_is_revoked(admin: Post) -> None:
    assert admin("/access-tokens/k1/remove").headers["location"] == "/access-tokens"
    assert admin("/access-tokens/k2/remove").status_code == 404


def test_groups_are_set_line_by_line(admin: Post, stranger: TestClient) -> None:
    answer = admin("/users/operator/groups", groups="goods-in\r\n 质检 \r\n\r\n")
    assert (answer.status_code, answer.headers["location"]) == (303, "/users")
    page = stranger.get("/users").text
    assert "goods-in, 质检" in page
    assert "goods-in\n质检</textarea>" in page
    assert admin("/users/stranger/groups", groups="x").status_code == 404


def test_a_user_is_added_and_what_is_wrong_comes_back_without_the_password(admin: Post, stranger: TestClient) -> None:
    facts = {"username": "李 <Li>", "display_name": "", "roles": ["operator", "auditor"], "groups": "paint"}
    assert admin("/users", password=PASSWORD, language="zh-CN", **facts).headers["location"] == "/users"
    page = stranger.get("/users").text
    assert "李 &lt;Li&gt;" in page
    assert "paint" in page
    short = admin("/users", password="short", **facts)
    assert short.status_code == 422
    assert "<code>/password</code>" in short.text
    assert 'value="李 &lt;Li&gt;"' in short.text
    assert "short" not in short.text.replace("short_", "")
    assert admin("/users", password=PASSWORD, **{**facts, "username": "odd"}).status_code == 422


@pytest.mark.parametrize("who", ["operator", "auditor", "worker", "nobody"])
def test_only_administrators_get_there(stranger: TestClient, admin: Post, who: str) -> None:
    stranger.cookies.set("tally_default", f"token-{who}")
    for path in ("/users", "/access-tokens"):
        assert stranger.get(path).status_code == 403
    if who == "operator":  # the others have no page that would give them a form's token
        found = re.search(r'name="csrf" value="([0-9a-f]{64})"', stranger.get("/verify").text)
        assert found
        forms = ("/users", "/users/operator/groups", "/access-tokens", "/access-tokens/k1/remove")
        for path in forms:
            answer = stranger.post(path, data={"csrf": found.group(1), "name": "a", "groups": "x", "days": "3"})
            assert answer.status_code == 403, path
    nav = stranger.get("/inbox").text
    assert 'href="/users"' not in nav
    assert 'href="/access-tokens"' not in nav


def test_a_clock_in_doubt_is_told_to_all_and_accepted_by_administrators(admin: Post, stranger: TestClient) -> None:
    for who, offered in (("operator", False), ("admin", True)):
        stranger.cookies.set("tally_default", f"token-{who}")
        page = stranger.get("/inbox").text
        assert "clock is behind what was signed before" in page
        assert ('action="/clock"' in page) == offered
    assert admin("/clock").status_code == 303
    assert "clock is behind" not in stranger.get("/inbox").text


def test_forms_without_the_pages_token_change_nothing(stranger: TestClient, admin: Post) -> None:
    for path in ("/users", "/users/operator/groups", "/access-tokens", "/access-tokens/k1/remove"):
        assert stranger.post(path, data={"name": "a", "groups": "x"}).status_code == 403


def test_queues_say_what_is_open_and_who_holds_what(browser: TestClient, services: FakeServicesForApiTests) -> None:
    overview = browser.get("/task-queues").text
    assert 'href="/task-queues/tasks?queue=press"' in overview
    name = "检验 a/b?c&d=e"
    page = browser.get("/task-queues/tasks", params={"queue": name}).text
    assert services.calls[-1] == ("queue_tasks", (name,))
    assert "line &lt;3&gt;" in page
    assert "token:k1" in page
    assert "press &lt;x&gt;" in page
    assert browser.get("/task-queues/tasks").status_code == 422
    browser.cookies.set("tally_default", "token-auditor")
    assert browser.get("/task-queues").status_code == 403
    browser.cookies.set("tally_default", "token-worker")
    assert browser.get("/task-queues/tasks?queue=press").status_code == 403


def test_a_task_of_another_group_offers_no_claim(browser: TestClient) -> None:
    page = browser.get("/tasks/grouped").text
    assert set(re.findall('action="/tasks/grouped/([a-z]+)"', page)) == {"release"}, "whoever left may give it back"
    assert "goods-in &lt;收货&gt;" in page
    assert "Only members of the candidate groups" in page
    assert "overdue" in browser.get("/inbox").text


def test_the_inbox_asks_for_ones_own_tasks_first(browser: TestClient, services: FakeServicesForApiTests) -> None:
    browser.get("/inbox")
    browser.get("/inbox?status=completed")
    browser.get("/inbox?whose=everybodys&order=due")
    asked = [arguments[0] for name, arguments in services.calls if name == "tasks"]
    assert [(one["mine"], one["order"]) for one in asked] == [(True, "since"), (False, "since"), (False, "due")]
    for bad in ("/inbox?whose=hers", "/inbox?order=name", "/inbox?status=odd"):
        assert browser.get(bad).status_code == 422
