"""Every page, in both languages: complete, escaped, labelled, and free of anything inline."""

import re
from html.parser import HTMLParser

import pytest
from starlette.testclient import TestClient

from node.api.standins.services import FakeServicesForApiTests
from tallystick.core import canonical
from tallystick.node.portal import rendering
from tallystick.node.portal.app import PAGES

SHOWN = [
    "/sign-in", "/inbox", "/inbox?status=completed", "/tasks/t1", "/tasks/claimed", "/tasks/approval", "/tasks/free",
    "/collaborations", "/collaborations?status=created", "/collaborations/new", "/collaborations/c1",
    "/collaborations/ready", "/collaborations/c1/changes", "/waiting",
    "/collaborations/completed", "/executions", "/executions/e1", "/executions/e1?after=3",
    "/documents", "/notifications", "/verify", "/chain", "/tasks/missing",
    "/definitions", "/definitions/d1", "/tasks/grouped", "/inbox?whose=everybodys&order=due",
    "/task-queues", "/task-queues/tasks?queue=press",
    "/definitions", "/definitions/d1", "/partners", "/partners/supplier", "/partners/waiting", "/partners/apart",
    "/partners/left", "/keys", "/keys/k1/compromise", "/keys/k1/compromise?since=2026-11-25T08:00&org=supplier",
]  # fmt: skip
ADMINISTRATORS = ["/access-tokens", "/users"]
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


class Page(HTMLParser):
    """What a test wants to know of a page; checks that elements nest."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember it."""
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close it."""
        assert self.open.pop() == tag, f"</{tag}> at {self.getpos()}"

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Every element of that name."""
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.mark.parametrize("language", ["en", "zh-CN"])
@pytest.mark.parametrize("path", [*SHOWN, *ADMINISTRATORS])
def test_page(browser: TestClient, path: str, language: str) -> None:
    browser.cookies.set("language", language)
    if path in ADMINISTRATORS:
        assert browser.get(path).status_code == 403
        browser.cookies.set("tally_default", "token-admin")
    response = browser.get(path)
    assert response.status_code == (404 if "missing" in path else 200)
    page = Page(response.text)
    assert page.all("html")[0]["lang"] == response.headers["content-language"] == language
    assert len(page.all("h1")) == 1
    assert "<script>alert" not in response.text
    nothing_inline(page)
    everything_labelled(page)
    ids_are_unique(page)


def nothing_inline(page: Page) -> None:
    """The content security policy would block it."""
    for tag, attributes in page.elements:
        assert "style" not in attributes, tag
        assert not [name for name in attributes if name.startswith(("on", "hx-on"))], tag
        for name in ("src", "href", "action", "formaction", "hx-get", "hx-post", "hx-sse:connect"):
            value = attributes.get(name)
            assert value is None or value.startswith(("/", "#", "?")), (tag, name, value)
            assert not (value or "").startswith("//")
    assert all(script.get("src") for script in page.all("script"))


def everything_labelled(page: Page) -> None:
    """Each input that a person sees has a label; radio buttons stand inside theirs."""
    labelled = {one.get("for") for one in page.all("label")}
    for tag in ("input", "textarea", "select"):
        for control in page.all(tag):
            if control.get("type") not in ("hidden", "radio"):
                assert control.get("id") in labelled, control


def ids_are_unique(page: Page) -> None:
    """Labels and fragments point at one element."""
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids)), ids


def test_every_page_of_the_table_is_shown() -> None:
    patterns = [re.compile("^" + re.sub(r"\{\w+\}", "[^/]+", path) + "$") for path, _, _ in PAGES]
    elsewhere = {
        "/", "/events", "/executions/{execution_id}/evidence", "/documents/{document_id}/content",
        "/partners/{org_id}/answer", "/partners/invitations/{invitation_id}/file",
    }  # fmt: skip
    for (path, _, _), pattern in zip(PAGES, patterns, strict=True):
        shown = [one.partition("?")[0] for one in (*SHOWN, *ADMINISTRATORS)]
        assert path in elsewhere or any(pattern.match(one) for one in shown), path


def test_waiting_things_say_for_what_and_since_when(browser: TestClient) -> None:
    page = browser.get("/executions/e1").text
    assert "An anchor" in page
    assert "for the chain" in page
    assert "24 Nov 2026, 02:00:00 UTC" in page
    browser.cookies.set("language", "zh-CN")
    assert "2026年11月24日 02:00:00 UTC" in browser.get("/inbox").text


def test_timeline_shows_who_signed_and_what_is_void(browser: TestClient) -> None:
    page = browser.get("/executions/e1").text
    assert "华夏汽车 &lt;Buyer&gt; &amp; Co" in page
    assert "0123456789abcdef" in page
    assert "void: late" in page


def test_auditors_see_no_forms_that_would_be_refused(browser: TestClient) -> None:
    browser.cookies.set("tally_default", "token-auditor")
    for path in ("/inbox", "/tasks/claimed", "/collaborations/c1", "/collaborations/c1/changes", "/notifications"):
        actions = {one.get("action") for one in Page(browser.get(path).text).all("form")}
        assert actions <= {"/language", "/sign-out"}, path
    assert browser.get("/collaborations/new").status_code == 403


def test_whoever_may_nothing_sees_nothing(browser: TestClient, services: FakeServicesForApiTests) -> None:
    browser.cookies.set("tally_default", "token-nobody")
    for path, _, needs in PAGES:
        if needs:
            assert browser.get(path.replace("{", "").replace("}", "")).status_code == 403, path
    assert services.calls == []


def test_live_parts_name_what_they_refresh(browser: TestClient) -> None:
    live_pages = ("/inbox", "/executions/e1", "/collaborations/c1", "/notifications", "/chain")
    for path in (*live_pages, "/task-queues", "/task-queues/tasks?queue=press"):
        page = Page(browser.get(path).text)
        ids = {attributes.get("id") for _, attributes in page.elements}
        live = [attributes for _, attributes in page.elements if "hx-trigger" in attributes]
        assert live
        assert all(str(one["hx-target"]).removeprefix("#") in ids for one in live), path


@pytest.mark.parametrize("path", ["/waiting?cursor=next+page", "/executions/e1?after=3", "/chain?cursor=a%26b"])
def test_live_parts_and_the_language_switch_stay_on_the_page_that_is_shown(browser: TestClient, path: str) -> None:
    page = Page(browser.get(path).text)
    assert path in {attributes.get("hx-get") for _, attributes in page.elements}
    assert path in {one.get("value") for one in page.all("input") if one.get("name") == "next"}
    assert browser.post("/language", data={"language": "zh-CN", "next": path}).headers["location"] == path


def test_events_say_only_that_something_changed(browser: TestClient) -> None:
    text = browser.get("/events?execution=e1").text
    assert text.count("event: refresh\ndata: {}") == 2  # the execution's own change and the anchor
    assert browser.get("/events?topic=task").text.count("event: refresh") == 1
    assert "event:" not in browser.get("/events?topic=notification").text


def test_evidence_and_documents_are_saved_not_shown(browser: TestClient) -> None:
    for path in ("/executions/e1/evidence", "/documents/d1/content"):
        assert browser.get(path).headers["content-disposition"].startswith("attachment")
    assert canonical.parse_canonical(browser.get("/executions/e1/evidence").content)


def test_the_chain_page_says_what_is_in_the_way(browser: TestClient) -> None:
    page = browser.get("/chain").text
    assert "The chain does not answer" in page
    assert "no answer &lt;b&gt;" in page
    assert "contradicts the others" in page
    assert "they contradict &lt;i&gt;each" in page
    assert rendering.ether("99999581527919308581") == "99.999582"


@pytest.mark.parametrize("path", ["/chain", "/executions/e1"])
def test_what_is_sent_to_the_chain_shows_its_state_its_past_and_its_cost(browser: TestClient, path: str) -> None:
    page = browser.get(path).text
    assert "lost by the chain, sent again" in page
    assert ("anchor:0:&lt;1&gt;" in page) == (path == "/chain")
    assert "mined ·" in page
    assert "0.001764 ETH" in page
    browser.post("/language", data={"language": "zh-CN", "next": path})
    assert "区块重组后丢失" in browser.get(path).text


def test_a_definition_says_what_its_triggers_did(browser: TestClient) -> None:
    page = browser.get("/definitions/d1").text
    assert 'href="/executions/e1"' in page
    assert "nothing was started: <code>bad_payload</code> no &lt;JSON&gt;" in page
    assert "<option>2</option>" in page
    assert "<option>1</option>" not in page
