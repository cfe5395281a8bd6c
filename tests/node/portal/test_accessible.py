"""The partners' pages without a mouse and without eyes: in Chromium, in both languages and both colour schemes.

A person reaches every control with Tab in the order of the page and sees where the focus is; axe-core finds no control
without a name, no text with too little contrast, no table, heading or language out of order. What was refused stands
with its field, and the focus is there.
"""

import json
from collections.abc import Iterator

import pytest

from node.portal.browser import BINARY, Browser
from node.portal.serving import served
from node.portal.still_app import WRONG
from node.portal.walking import FOCUS, REACHABLE, rules, tab, walk

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(BINARY is None, reason="needs Chromium (apt-get install chromium)"),
]

PAGES = [
    "/partners", "/partners/waiting", "/partners/supplier", "/partners/apart", "/partners/left", "/keys",
    "/keys/k1/compromise", "/waiting", "/collaborations", "/collaborations/new", "/collaborations/c1",
    "/collaborations/ready", "/collaborations/in_progress", "/collaborations/completed", "/collaborations/c1/changes",
]  # fmt: skip

# page, the form to send, what is typed, the field that is wrong
REFUSED = [
    ("/partners", "/partners/invitations", {"hours": "9999999"}, "hours"),
    ("/partners", "/partners/accept", {"text": "a.b"}, "accept-text"),
    ("/partners", "/partners/answers", {"text": ""}, "answer-text"),
    ("/partners/waiting", "/partners/waiting/confirm", {"fingerprint": WRONG}, "fingerprint"),
    ("/partners/supplier", "/partners/supplier/remove", {}, "force"),
    ("/keys", "/keys", {"overlap": "9999999"}, "overlap"),
    ("/collaborations/new", "/collaborations", {"definition": "{"}, "definition"),
    ("/collaborations/new", "/collaborations", {"definition": "{}", "input": "["}, "input"),
    ("/collaborations/ready", "/collaborations/ready/start", {"input": "{"}, "start-input"),
    ("/collaborations/c1", "/collaborations/c1/terminate", {"reason": " "}, "reason"),
    ("/collaborations/c1", "/executions/e1/signals", {"signal": "go", "data": "no"}, "signal-data"),
    ("/collaborations/c1/changes", "/collaborations/c1/changes", {"skew_ms": "soon"}, "skew_ms"),
]
LOOKS = pytest.mark.parametrize(("language", "scheme"), [("en", "light"), ("zh-CN", "dark")])


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The pages, over stand-ins."""
    with served("node.portal.still_app:app") as url:
        yield url


@pytest.fixture(scope="module")
def one_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One for all."""
    with Browser(tmp_path_factory.mktemp("profile")) as made:
        yield made


@pytest.fixture
def browser(one_browser: Browser, server: str) -> Browser:
    """Signed in as the administrator: who sees every control there is."""
    name = f"tally_{server.rpartition(':')[2]}"
    one_browser.call("Network.setCookie", name=name, value="token-admin", url=server)
    return one_browser


def look(browser: Browser, server: str, language: str, scheme: str) -> None:
    """Read in a language, by day or by night."""
    browser.call("Network.setCookie", name="language", value=language, url=server)
    browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])


def send(browser: Browser, action: str, typed: dict[str, str]) -> None:
    """Send a form with what the browser itself would have caught; the page that answers is there afterwards."""
    form = f"document.querySelector({json.dumps(f'form[action={json.dumps(action)}]')})"
    fill = "".join(f"{form}.elements[{json.dumps(name)}].value = {json.dumps(value)};" for name, value in typed.items())
    browser.run(f"window.left = false; {fill} 1")
    browser.run(f"{form}.noValidate = true; {form}.requestSubmit(); 1")
    browser.until("window.left === undefined && document.readyState === 'complete'")


@LOOKS
@pytest.mark.parametrize("path", PAGES)
def test_a_page(browser: Browser, server: str, path: str, language: str, scheme: str) -> None:
    look(browser, server, language, scheme)
    browser.open(server + path)
    assert browser.run("document.documentElement.lang") == language
    assert browser.run("document.querySelector('h1').innerText.trim()")
    walked = walk(browser)
    assert walked.faults == []
    assert walked.stops > 10
    assert rules(browser) == [], "with everything open"


@LOOKS
def test_an_invitation_just_made(browser: Browser, server: str, language: str, scheme: str) -> None:
    look(browser, server, language, scheme)
    browser.open(f"{server}/partners")
    send(browser, "/partners/invitations", {"hours": "5"})
    assert browser.run("document.querySelector('#made-text').value") == "a.b.c"
    assert (walk(browser).faults, rules(browser)) == ([], [])


@pytest.mark.parametrize("number", range(len(REFUSED)), ids=[f"{one[1]}-{one[3]}" for one in REFUSED])
def test_what_is_refused(browser: Browser, server: str, number: int) -> None:
    path, action, typed, wrong = REFUSED[number]
    language, scheme = [("en", "dark"), ("zh-CN", "light")][number % 2]
    look(browser, server, language, scheme)
    browser.open(server + path)
    send(browser, action, typed)
    assert browser.run("document.activeElement.id") == wrong
    described = "document.activeElement.getAttribute('aria-describedby').split(' ')"
    said = browser.run(f"{described}.map(one => document.getElementById(one).innerText).join(' ')")
    assert {"en": "not accepted", "zh-CN": "未被接受"}[language] in said
    assert browser.run("document.activeElement.getAttribute('aria-invalid')") == "true"
    assert browser.run("document.title").startswith({"en": "Error:", "zh-CN": "错误："}[language])
    for name, value in typed.items():
        assert browser.run(f"document.activeElement.form.elements[{json.dumps(name)}].value").strip() == value.strip()
    assert rules(browser) == []


def test_titles_say_where_one_is(browser: Browser, server: str) -> None:
    titles = set()
    same = {"/partners/waiting", "/partners/apart", "/partners/left"}  # one organisation's page in several states
    same |= {"/collaborations/ready", "/collaborations/in_progress", "/collaborations/completed"}
    different = [path for path in PAGES if path not in same]
    for path in different:
        browser.open(server + path)
        titles.add(browser.run("document.title"))
    assert len(titles) == len(different)


def test_the_first_stop_leads_past_the_menu(browser: Browser, server: str) -> None:
    browser.open(f"{server}/partners")
    tab(browser)
    assert browser.run("document.activeElement.getAttribute('href')") == "#main"
    assert browser.run(REACHABLE + FOCUS)["inside"]
    browser.run("document.activeElement.click(); 1")
    tab(browser)
    assert browser.run("document.querySelector('main').contains(document.activeElement)")


SPOILT = {
    "button-name": "document.querySelector('main button').textContent = ''",
    "label": "document.querySelector('label[for=hours]').remove()",
    "color-contrast": "document.querySelector('h1').style.color = '#999'",
    "heading-order": "document.querySelector('h2').outerHTML = '<h4>x</h4>'",
    "does not show": "document.querySelector('#hours').style.outline = 'none'",
    "hard to see": "document.querySelector('#hours').style.outlineColor = '#eee'",
    "cut off": "document.querySelector('#hours').parentElement.style.overflow = 'hidden'",
    "not reached": "document.querySelector('#note').addEventListener('focus', event => event.target.blur())",
    "order of the page": "document.querySelector('#note').tabIndex = 3",
}


@pytest.mark.parametrize("fault", SPOILT)
def test_what_is_spoilt_is_found(browser: Browser, server: str, fault: str) -> None:
    """The walk and the rules above can fail."""
    look(browser, server, "en", "light")
    browser.open(f"{server}/partners")
    browser.run("document.querySelectorAll('details').forEach(one => { one.open = true; }); 1")
    browser.run(f"{SPOILT[fault]}; 1")
    found = [*rules(browser), *walk(browser).faults]
    assert [one for one in found if fault in one], found
