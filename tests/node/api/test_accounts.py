"""Real users, sessions and database behind the API: which tokens are good, and until when."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from node.api.standins.services import FakeServicesForApiTests
from tallystick.node.accounts import UserAccounts
from tallystick.node.api.app import create_app
from tallystick.tenants.access_tokens import AccessTokens
from tallystick.tenants.database import Database
from tallystick.tenants.files import private_folder
from tallystick.tenants.permissions import Role
from tallystick.tenants.users import Users

PASSWORD = "a!b@c$d()e*_,/:;=?@ff[]22 密码"


class Clock:
    """A clock that tests move; it starts at the real time, by which a cookie's life is counted."""

    def __init__(self) -> None:
        self.now = float(int(time.time()))

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The users' clock."""
    return Clock()


@pytest.fixture
def users(tmp_path: Path, clock: Clock) -> Iterator[Users]:
    """The buyer's users: one operator."""
    folder = tmp_path / "buyer"
    private_folder(folder)
    with Database(folder / "tenant.db") as database:
        database.create_schema()
        made = Users(database, org_id="buyer", session_secret=b"s" * 32, clock=clock)
        made.create("李 Li", password=PASSWORD, roles=(Role.OPERATOR,), language="zh-CN")
        yield made


def accounts(users: Users) -> UserAccounts:
    """With the access tokens of the same database."""
    return UserAccounts(users, AccessTokens(users._database, clock=users._clock))


@pytest.fixture
def client(users: Users) -> Iterator[TestClient]:
    """Nobody is signed in."""
    with TestClient(create_app(FakeServicesForApiTests(), accounts(users)), follow_redirects=False) as made:
        yield made


def status(client: TestClient, token: str) -> int:
    """What the API says to that token."""
    return client.get("/api/v1/me", headers={"authorization": f"Bearer {token}"}).status_code


def sign_in(client: TestClient, password: str = PASSWORD) -> str:
    """A token by password."""
    response = client.post("/api/v1/sessions", json={"username": "李 Li", "password": password})
    assert response.status_code == 200, response.text
    token: str = response.json()["access_token"]
    return token


def test_a_token_is_good_until_it_expires(client: TestClient, clock: Clock) -> None:
    token = sign_in(client)
    assert status(client, token) == 200
    clock.now += 24 * 3600
    response = client.get("/api/v1/me", headers={"authorization": f"Bearer {token}"})
    assert (response.status_code, response.json()["code"]) == (401, "expired_token")


def test_another_organisations_token_is_refused(client: TestClient, users: Users, clock: Clock) -> None:
    token = sign_in(client)
    users_of_other = Users(users._database, org_id="supplier", session_secret=b"s" * 32, clock=clock)
    other = TestClient(create_app(FakeServicesForApiTests(), accounts(users_of_other)))
    assert status(other, token) == 401


@pytest.mark.parametrize("mangle", [lambda t: t[:-2], lambda t: t + "x", lambda t: "x" * 9000, lambda t: "a.b.c"])
def test_a_changed_token_is_refused(client: TestClient, mangle: object) -> None:
    assert callable(mangle)
    assert status(client, mangle(sign_in(client))) == 401


def test_a_link_signs_in_once(client: TestClient, users: Users) -> None:
    link = users.make_link(users.by_username("李 Li"))
    assert client.post("/sign-in", data={"link": link}).status_code == 303
    assert client.post("/sign-in", data={"link": link}).status_code == 401


def test_guessing_is_slowed_down(client: TestClient) -> None:
    body = {"username": "李 Li", "password": "wrong"}
    answers = [client.post("/api/v1/sessions", json=body).status_code for _ in range(8)]
    assert answers[0] == 401
    assert answers[-1] == 429


def test_users_are_shown_without_secrets(client: TestClient, users: Users) -> None:
    users.create("admin", password=PASSWORD, roles=(Role.ADMINISTRATOR,))
    token, _ = users.issue_token(users.by_username("admin"))
    headers = {"authorization": f"Bearer {token}"}
    body = {"username": "新", "password": PASSWORD, "display_name": "新人", "roles": ["auditor"], "language": "zh-CN"}
    assert client.post("/api/v1/users", json=body, headers=headers).status_code == 201
    assert client.post("/api/v1/users", json=body, headers=headers).status_code == 409
    listed = client.get("/api/v1/users", headers=headers)
    assert {one["username"] for one in listed.json()["items"]} == {"admin", "李 Li", "新"}
    assert "argon2" not in listed.text


def test_the_portal_speaks_the_users_language(client: TestClient, users: Users) -> None:
    client.post("/sign-in", data={"link": users.make_link(users.by_username("李 Li"))})
    assert client.get("/inbox", headers={"accept-language": "en"}).headers["content-language"] == "zh-CN"


def test_signing_out_ends_the_session(client: TestClient, users: Users) -> None:
    client.post("/sign-in", data={"link": users.make_link(users.by_username("李 Li"))})
    token = client.cookies["tally_default"]
    page = client.get("/inbox").text
    csrf = page.split('name="csrf" value="')[1][:64]
    assert client.post("/sign-out", data={"csrf": csrf}).status_code == 303
    assert status(client, token) == 401


def test_a_workers_token_opens_its_queue_and_no_page(client: TestClient, users: Users, clock: Clock) -> None:
    users.create("admin", password=PASSWORD, roles=(Role.ADMINISTRATOR,))
    admin, _ = users.issue_token(users.by_username("admin"))
    body = {"name": "压装机", "queues": ["press"], "days": 1}
    headers = {"authorization": f"Bearer {admin}"}
    made = client.post("/api/v1/access-tokens", json=body, headers=headers).json()
    assert (made["created_by"], made["queues"]) == ("admin", ["press"])
    worker = {"authorization": f"Bearer {made['access_token']}"}
    assert client.get("/api/v1/me", headers=worker).json()["roles"] == ["worker"]
    assert client.get("/api/v1/task-queues", headers=worker).status_code == 200
    for path in ("tasks", "executions", "users", "access-tokens", "documents"):
        assert client.get(f"/api/v1/{path}", headers=worker).status_code == 403
    clock.now += 86_400
    assert client.get("/api/v1/me", headers=worker).status_code == 401
    made = client.post("/api/v1/access-tokens", json=body, headers=headers)
    assert made.status_code == 401  # the administrator's session is over too
