"""Two administrators at two real nodes, each in a browser: they meet, compare, suspend, resume and part."""

import json
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import pytest

from node.portal.browser import BINARY, Browser
from support.parties import BUYER, SUPPLIER
from support.trio import PASSWORD, Member, until

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(BINARY is None, reason="needs Chromium (apt-get install chromium)"),
]


class Desk:
    """An administrator's browser at one organisation's portal."""

    def __init__(self, member: Member, browser: Browser) -> None:
        self.url = member.url
        self.browser = browser

    def sign_in(self) -> None:
        """By name and password."""
        self.browser.open(f"{self.url}/sign-in")
        self.fill("username", "admin")
        self.fill("password", PASSWORD)
        self.press("form [name=password]")
        assert self.browser.run("location.pathname") == "/inbox"

    def open(self, path: str) -> None:
        """Go to a page."""
        self.browser.open(self.url + path)

    def fill(self, name: str, value: str, form: str = "form") -> None:
        """Type into a field of a form."""
        place = f"document.querySelector({json.dumps(f'{form} [name={name}]')})"
        self.browser.run(
            f"{place}.closest('details')?.setAttribute('open', ''); {place}.value = {json.dumps(value)}; 1"
        )

    def press(self, inside: str) -> None:
        """Press the button of the form that this is in, and wait for the page that follows."""
        place = f"document.querySelector({json.dumps(inside)}).closest('form')"
        self.browser.run(f"window.left = false; {place}.closest('details')?.setAttribute('open', ''); 1")
        self.browser.run(f"{place}.querySelector('button:not([type=button])').click(); 1")
        self.browser.until("window.left === undefined && document.readyState === 'complete'")

    def shows(self, text: str) -> bool:
        """Whether the page says so."""
        return bool(self.browser.run(f"document.body.innerText.includes({json.dumps(text)})"))

    def text(self, selector: str) -> str:
        """What an element says."""
        return str(self.browser.run(f"document.querySelector({json.dumps(selector)}).textContent.trim()"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A place that nobody else looks into."""
    tmp_path.chmod(0o700)
    return tmp_path


@pytest.fixture
async def members(folder: Path) -> AsyncIterator[tuple[Member, Member]]:
    """Two nodes that have never met."""
    two = Member(BUYER, folder), Member(SUPPLIER, folder)
    try:
        for one in two:
            await one.init()
            await one.start()
        yield two
    finally:
        for one in two:
            await one.stop()


@pytest.fixture
def desks(members: tuple[Member, Member], tmp_path: Path) -> Iterator[tuple[Desk, Desk]]:
    """One browser each."""
    with Browser(tmp_path / "first") as one, Browser(tmp_path / "second") as other:
        found = Desk(members[0], one), Desk(members[1], other)
        for desk in found:
            desk.sign_in()
        yield found


async def test_invited_compared_linked_suspended_resumed_and_removed(
    members: tuple[Member, Member], desks: tuple[Desk, Desk]
) -> None:
    (buyer, supplier), (inviter, invited) = members, desks
    inviter.open("/partners")
    inviter.fill("note", "轴承 <b>", "form[action='/partners/invitations']")
    inviter.press("form[action='/partners/invitations'] [name=note]")
    invitation = str(inviter.browser.run("document.querySelector('#made-text').value"))

    invited.open("/partners")
    invited.fill("text", invitation, "form[action='/partners/accept']")
    invited.press("form[action='/partners/accept'] [name=text]")
    assert invited.browser.run("location.pathname") == f"/partners/{BUYER}"
    shown = invited.text(".fingerprint code")

    inviter.open(f"/partners/{SUPPLIER}")
    assert inviter.text(".fingerprint code") == shown
    confirm = f"form[action='/partners/{SUPPLIER}/confirm']"
    inviter.fill("fingerprint", "1" * 30, confirm)
    inviter.press(f"{confirm} [name=fingerprint]")
    assert inviter.shows("somebody may stand between you")
    assert (await buyer.get(f"/partners/{SUPPLIER}"))["status"] == "pending"
    inviter.fill("fingerprint", shown, confirm)
    inviter.press(f"{confirm} [name=fingerprint]")
    back = f"form[action='/partners/{BUYER}/confirm']"
    invited.fill("fingerprint", shown, back)
    invited.press(f"{back} [name=fingerprint]")
    for member, other in ((buyer, SUPPLIER), (supplier, BUYER)):
        await until(partial(_linked, member, other))

    inviter.open(f"/partners/{SUPPLIER}")
    inviter.press(f"form[action='/partners/{SUPPLIER}/suspend'] button")
    assert (await buyer.get(f"/partners/{SUPPLIER}"))["status"] == "suspended"
    inviter.press(f"form[action='/partners/{SUPPLIER}/resume'] button")
    await until(partial(_linked, buyer, SUPPLIER))

    inviter.open(f"/partners/{SUPPLIER}")
    inviter.press(f"form[action='/partners/{SUPPLIER}/remove'] button")
    assert inviter.browser.run("location.pathname") == "/partners"
    assert (await buyer.get(f"/partners/{SUPPLIER}"))["status"] == "removed"
    inviter.open(f"/partners/{SUPPLIER}")
    assert not inviter.browser.run("document.querySelector('form[action*=resume], form[action*=suspend]')")
    for desk in desks:  # 422 is what the wrong fingerprint was answered with
        assert [one for one in desk.browser.errors if "422" not in one] == []


async def _linked(member: Member, org: str) -> bool | None:
    found = await member.get(f"/partners/{org}")
    return (found["status"] == "active" and found["connected"] and found["incoming"]) or None
