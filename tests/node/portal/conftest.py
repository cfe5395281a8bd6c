"""The portal over the API's stand-ins."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from node.api.standins.accounts import FakeAccountsForApiTests
from node.api.standins.services import FakeServicesForApiTests
from tallystick.node.api.app import create_app

COOKIE = "tally_default"
Post = Callable[..., Any]


@pytest.fixture
def services() -> FakeServicesForApiTests:
    """The facade's stand-in."""
    return FakeServicesForApiTests()


@pytest.fixture
def stranger(services: FakeServicesForApiTests) -> Iterator[TestClient]:
    """A browser that is not signed in; it does not follow redirects, so that tests see them."""
    app = create_app(services, FakeAccountsForApiTests())
    with TestClient(app, raise_server_exceptions=False, follow_redirects=False) as made:
        yield made


@pytest.fixture
def browser(stranger: TestClient) -> TestClient:
    """Signed in as an operator."""
    stranger.cookies.set(COOKIE, "token-operator")
    return stranger


@pytest.fixture
def post(browser: TestClient) -> Post:
    """Send a form as the portal's own pages would: with the token that a page carries."""
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', browser.get("/verify").text)
    assert found

    def send(path: str, data: dict[str, Any] | None = None, **more: Any) -> Any:
        return browser.post(path, data={"csrf": found.group(1), **(data or {})}, **more)

    return send
