"""The API over its stand-ins; :mod:`node.api.standins.refusals` says what their ids mean."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from node.api.standins.accounts import FakeAccountsForApiTests
from node.api.standins.services import FakeServicesForApiTests
from tallystick.node.api.app import create_app


@pytest.fixture
def services() -> FakeServicesForApiTests:
    """The facade's stand-in, which records what it was asked."""
    return FakeServicesForApiTests()


@pytest.fixture
def client(services: FakeServicesForApiTests) -> Iterator[TestClient]:
    """Signed in as an operator; errors come back as responses, as they do to real clients."""
    app = create_app(services, FakeAccountsForApiTests())
    headers = {"authorization": "Bearer token-operator"}
    with TestClient(app, raise_server_exceptions=False, headers=headers) as made:
        yield made
