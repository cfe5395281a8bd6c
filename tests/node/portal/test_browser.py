"""The portal in Chromium, under its own content security policy: what only a browser can show."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.portal.browser import BINARY, Browser
from node.portal.serving import served

pytestmark = pytest.mark.skipif(BINARY is None, reason="needs Chromium (apt-get install chromium)")


@pytest.fixture
def server() -> Iterator[str]:
    """Where something always changes."""
    with served("node.portal.live_app:app") as url:
        yield url


@pytest.fixture
def browser(server: str, tmp_path: Path) -> Iterator[Browser]:
    """Signed in by a one-time link, whose secret stands in the fragment."""
    with Browser(tmp_path / "profile") as made:
        made.open(f"{server}/sign-in#link=good-link")
        made.until("location.pathname === '/inbox' && document.readyState === 'complete'")
        yield made


def test_the_links_secret_leaves_the_address(browser: Browser) -> None:
    entries = browser.call("Page.getNavigationHistory")["entries"]
    assert not any("good-link" in one["url"] for one in entries)


def test_the_inbox_refreshes_itself(browser: Browser) -> None:
    browser.run("window.refreshed = 0; document.addEventListener('htmx:after:swap', () => window.refreshed++); 1")
    browser.until("window.refreshed >= 2")
    assert browser.run("document.querySelectorAll('#inbox .task').length") == 2
    assert browser.errors == []


def test_a_dropped_file_gets_its_check_list(browser: Browser, server: str) -> None:
    browser.open(f"{server}/verify")
    browser.run(
        """(() => {
          const data = new DataTransfer();
          data.items.add(new File(['{}'], 'evidence.json'));
          const drop = new DragEvent('drop', {dataTransfer: data, cancelable: true});
          document.querySelector('[data-drop]').dispatchEvent(drop);
        })()"""
    )
    browser.until("document.querySelectorAll('#result .check').length === 3")
    assert browser.errors == []


def test_nothing_is_wider_than_the_window(browser: Browser, server: str) -> None:
    for width in (360, 1280):
        browser.call("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False)
        for path in ("/inbox", "/tasks/claimed", "/executions/e1", "/collaborations/new", "/chain"):
            browser.open(server + path)
            assert browser.run("document.documentElement.scrollWidth") <= width, path
    assert browser.errors == []


def test_the_first_tab_stop_skips_to_the_content(browser: Browser) -> None:
    for kind in ("keyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
    assert browser.run("document.activeElement.getAttribute('href')") == "#main"
