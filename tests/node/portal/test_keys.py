"""The page of keys and certificates, and the compromise report: what they show, order and refuse."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from node.api.standins.services import FakeServicesForApiTests

Post = Callable[..., Any]


@pytest.fixture
def admin(stranger: TestClient) -> Post:
    """Send a form as an administrator's page would."""
    stranger.cookies.set("tally_default", "token-admin")
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', stranger.get("/keys").text)
    assert found

    def send(path: str, **data: Any) -> Any:
        return stranger.post(path, data={"csrf": found.group(1), **data})

    return send


def test_keys_and_what_ends_soon_are_shown(admin: Post, stranger: TestClient) -> None:
    text = stranger.get("/keys").text
    for state in ("current", "revoked", "destroyed"):
        assert f'class="badge {state}"' in text
    assert text.count('<p class="alert bad" role="status">The certificate') == 1, "one ends soon"
    assert text.count("/revoke") == 2, "a revoked key is not revoked again"


def test_what_waits_for_a_root_key_that_is_away_is_shown(
    admin: Post, stranger: TestClient, services: FakeServicesForApiTests, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "200+ statements" in stranger.get("/keys").text
    assert "not yet in effect" in stranger.get("/keys").text, "a revoked key is still held"
    keys = services.keys

    async def signed(who: Any) -> dict[str, Any]:
        nothing = {"card": False, "statements": 0, "more": False}
        return {**await keys(who), "root": {"kid": "r0", "key": "cd" * 32, "is_away": False}, "waiting": nothing}

    monkeypatch.setattr(services, "keys", signed)
    text = stranger.get("/keys").text
    assert "not yet in effect" not in text
    assert "in this node" in text


def test_what_may_wait_behind_all_that_was_looked_at_is_shown(
    admin: Post, stranger: TestClient, services: FakeServicesForApiTests, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = services.keys

    async def many(who: Any) -> dict[str, Any]:
        return {**await keys(who), "waiting": {"card": False, "statements": 0, "more": True}}

    monkeypatch.setattr(services, "keys", many)
    assert "0+ statements" in stranger.get("/keys").text


def test_a_rotation_and_a_revocation_are_ordered(admin: Post, services: FakeServicesForApiTests) -> None:
    assert admin("/keys", overlap="7").headers["location"] == "/keys"
    assert admin("/keys/k3/revoke", reason="lost", since="2026-11-25T08:00").status_code == 303
    assert services.calls == [("rotate_keys", (7, True)), ("revoke_key", ("k3", "lost", 1_795_593_600_000))]


def test_the_key_of_the_links_is_shown_and_replaced(
    admin: Post, stranger: TestClient, services: FakeServicesForApiTests
) -> None:
    text = stranger.get("/keys").text
    assert "U" + "A" * 55 in text
    assert "until then the links show the older one" in text
    assert "21 partners have not got" in text
    assert "supplier, …" in text
    assert "tally nats config" in text
    assert admin("/keys/link").headers["location"] == "/keys"
    assert services.calls == [("rotate_link", ())]


@pytest.mark.parametrize(
    ("path", "data", "pointer"),
    [
        ("/keys", {"overlap": "many"}, "/overlap"),
        ("/keys", {}, "/overlap"),
        ("/keys/k3/revoke", {"reason": "because"}, "/reason"),
        ("/keys/k3/revoke", {"reason": "lost", "since": "yesterday"}, "/since"),
    ],
)
def test_what_cannot_be_ordered_comes_back(
    admin: Post, services: FakeServicesForApiTests, path: str, data: dict[str, str], pointer: str
) -> None:
    answer = admin(path, **data)
    assert answer.status_code == 422
    assert f"<code>{pointer}</code>" in answer.text
    assert services.calls == []


def test_the_report_says_what_proves_and_goes_on(admin: Post, stranger: TestClient) -> None:
    text = stranger.get("/keys/k1/compromise?since=2026-11-25T08:00&org=supplier").text
    for position in ("proven", "claimed", "after"):
        assert f'class="badge {position}"' in text
    assert "Order &lt;1&gt;" in text
    following = re.search(r'rel="next" href="([^"]+)"', text)
    assert following
    again = stranger.get("/keys/k1/compromise" + following.group(1).replace("&amp;", "&"))
    assert again.status_code == 200
    assert 'rel="next"' not in again.text
    assert stranger.get("/keys/k1/compromise?since=never").status_code == 422


@pytest.mark.parametrize("who", ["operator", "worker", "auditor", "nobody"])
def test_only_administrators_change_keys(
    stranger: TestClient, services: FakeServicesForApiTests, admin: Post, who: str
) -> None:
    stranger.cookies.set("tally_default", f"token-{who}")
    for path in ("/keys", "/keys/link", "/keys/k3/revoke"):
        assert admin(path, overlap="1", reason="lost").status_code == 403
    assert services.calls == []
    assert stranger.get("/keys/k1/compromise").status_code == (200 if who in {"operator", "auditor"} else 403)
