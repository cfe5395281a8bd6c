"""The partners' pages: what an administrator may do, what others only see, and refusals in the reader's words."""

import re
from typing import Any

import pytest
from starlette.testclient import TestClient

from node.api.standins.services import FakeServicesForApiTests
from node.portal.conftest import COOKIE
from node.portal.test_pages import Page, everything_labelled, ids_are_unique, nothing_inline
from tallystick.core.errors import Invalid, WrongState
from tallystick.node.portal.app import FORMS
from tallystick.tenants.fingerprint import WrongFingerprint

PAGES = ("/partners", "/partners/supplier", "/partners/waiting", "/partners/apart", "/partners/left")
ADMIN_FORMS = [path for path, _, needs in FORMS if path.startswith("/partners")]
SHOWN = "61325 54237 04887 09151 05250 45792"


@pytest.fixture
def admin(stranger: TestClient) -> TestClient:
    """Signed in as the administrator."""
    stranger.cookies.set(COOKIE, "token-admin")
    return stranger


def send(client: TestClient, path: str, data: dict[str, Any] | None = None, **more: Any) -> Any:
    """A form as the portal's own pages send it."""
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', client.get("/verify").text)
    assert found
    return client.post(path, data={"csrf": found.group(1), **(data or {})}, **more)


@pytest.mark.parametrize("language", ["en", "zh-CN"])
@pytest.mark.parametrize("path", PAGES)
def test_an_administrators_page(admin: TestClient, path: str, language: str) -> None:
    admin.cookies.set("language", language)
    response = admin.get(path)
    assert response.status_code == 200
    page = Page(response.text)
    assert len(page.all("h1")) == 1
    nothing_inline(page)
    everything_labelled(page)
    ids_are_unique(page)
    assert ("北欧轴承" if language == "zh-CN" else "Nordic &lt;Bearings&gt;") in response.text


def test_others_see_and_change_nothing(browser: TestClient, services: FakeServicesForApiTests) -> None:
    for path in PAGES:
        page = Page(browser.get(path).text)
        assert not [one for one in page.all("form") if str(one.get("action")).startswith("/partners")], path
    for path in ADMIN_FORMS:
        services.calls.clear()
        assert send(browser, path.replace("{", "").replace("}", "")).status_code == 403, path
        assert services.calls == []
    for path in ("/partners/waiting/answer", "/partners/invitations/i1/file"):
        assert browser.get(path).status_code == 403


def test_an_invitation_is_made_shown_and_downloaded(admin: TestClient, services: FakeServicesForApiTests) -> None:
    response = send(admin, "/partners/invitations", {"hours": "5", "note": "轴承"})
    assert ("invite", (5, "轴承")) in services.calls
    assert "https://buyer.example/api/v1/invitations/i1" in response.text
    nothing_inline(Page(response.text))
    ids_are_unique(Page(response.text))
    file = admin.get("/partners/invitations/i1/file")
    assert (file.text, "attachment" in file.headers["content-disposition"]) == ("a.b.c\n", True)
    assert send(admin, "/partners/invitations", {"hours": "-1"}).status_code == 422
    assert send(admin, "/partners/invitations/i1/withdraw").status_code == 303
    assert services.calls[-1] == ("withdraw_invitation", ("i1",))


def test_an_invitation_is_accepted_as_text_or_file(admin: TestClient, services: FakeServicesForApiTests) -> None:
    assert send(admin, "/partners/accept", {"text": " a.b.c\n"}).headers["location"] == "/partners/waiting"
    assert services.calls[-1] == ("accept_invitation", ("a.b.c",))
    send(admin, "/partners/accept", files={"file": ("invitation.txt", b"d.e.f\n", "text/plain")})
    assert services.calls[-1] == ("accept_invitation", ("d.e.f",))
    assert send(admin, "/partners/accept").status_code == 422
    send(admin, "/partners/answers", {"text": "g.h.i"})
    assert services.calls[-1] == ("answer_invitation", ("g.h.i",))
    assert admin.get("/partners/waiting/answer").text == "a.b.c\n"


def test_the_fingerprint_is_shown_and_confirmed(admin: TestClient, services: FakeServicesForApiTests) -> None:
    assert SHOWN in admin.get("/partners/waiting").text
    assert send(admin, "/partners/waiting/confirm", {"fingerprint": SHOWN}).status_code == 303
    assert services.calls[-1] == ("confirm_partner", ("waiting", SHOWN))


@pytest.mark.parametrize(("language", "said"), [("en", "looks like nordic"), ("zh-CN", "waiting 与 nordic 看起来相似")])
def test_who_looks_like_somebody_else_is_pointed_out(admin: TestClient, language: str, said: str) -> None:
    admin.cookies.set("language", language)
    assert said in admin.get("/partners/waiting").text
    assert said not in admin.get("/partners/supplier").text


@pytest.mark.parametrize(
    ("language", "said"), [("en", "somebody may stand between you"), ("zh-CN", "可能有人冒充其中一方")]
)
def test_a_wrong_fingerprint_is_refused_in_the_readers_words(
    admin: TestClient, services: FakeServicesForApiTests, monkeypatch: pytest.MonkeyPatch, language: str, said: str
) -> None:
    async def refuse(*_: Any) -> None:
        raise WrongFingerprint

    monkeypatch.setattr(services, "confirm_partner", refuse)
    admin.cookies.set("language", language)
    response = send(admin, "/partners/waiting/confirm", {"fingerprint": "1" * 30})
    assert response.status_code == 422
    assert said in response.text
    assert "wrong_fingerprint" in response.text


def test_what_has_no_sentence_of_ours_is_told_as_it_is(
    admin: TestClient, services: FakeServicesForApiTests, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: Any) -> None:
        raise Invalid("something <new>", code="something_new")

    monkeypatch.setattr(services, "accept_invitation", refuse)
    response = send(admin, "/partners/accept", {"text": "x"})
    assert (response.status_code, "something &lt;new&gt;" in response.text) == (422, True)


def test_removing_asks_for_force_and_says_what_breaks(
    admin: TestClient, services: FakeServicesForApiTests, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Open executions with it: 1." in admin.get("/partners/supplier").text
    assert send(admin, "/partners/supplier/remove", {"force": "yes"}).headers["location"] == "/partners"
    assert services.calls[-1] == ("remove_partner", ("supplier", True))

    async def refuse(*_: Any, **__: Any) -> None:
        raise WrongState("1 executions are open", state="open", code="still_tied")

    monkeypatch.setattr(services, "remove_partner", refuse)
    assert send(admin, "/partners/supplier/remove").status_code == 409


def test_the_transport_is_chosen(admin: TestClient, services: FakeServicesForApiTests) -> None:
    path = "/partners/supplier/transport"
    assert send(admin, path, {"transport": "https", "ca_pem": ""}).headers["location"] == "/partners/supplier"
    assert services.calls[-1] == ("set_transport", ("supplier", "https", None))
    services.calls.clear()
    send(admin, path, {"transport": "nats", "ca_pem": " -----BEGIN X-----\n"})
    assert ("set_transport", ("supplier", "nats", "-----BEGIN X-----\n")) in services.calls
    services.calls.clear()
    assert send(admin, path, {"transport": "pigeon"}).status_code == 422
    assert not [one for one in services.calls if one[0] == "set_transport"]


def test_suspending_and_resuming(admin: TestClient, services: FakeServicesForApiTests) -> None:
    for change in ("suspend", "resume"):
        assert send(admin, f"/partners/supplier/{change}").headers["location"] == "/partners/supplier"
        assert services.calls[-1] == (f"{change}_partner", ("supplier",))
