"""A stranger that sends its body without end: it is told so, and its connection is given up."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from node.api.standins.accounts import FakeAccountsForApiTests
from node.api.standins.services import FakeServicesForApiTests
from tallystick.node.api import limits
from tallystick.node.api.app import create_app
from tallystick.node.http.crowd import Crowd
from tallystick.node.http.server import serve
from tallystick.node.http.settings import HttpSettings


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """A node's own server, with its own settings."""
    ending = asyncio.Event()
    crowd = Crowd(HttpSettings())
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    app = create_app(FakeServicesForApiTests(), FakeAccountsForApiTests())
    running = asyncio.create_task(serve(app, listener, crowd, keep_alive_s=75, until=ending.wait))
    yield port
    ending.set()
    await running


@pytest.mark.parametrize("path", ["/api/v1/invitations/answers", "/sign-in", "/api/v1/sessions"])
async def test_a_body_that_does_not_come_is_not_waited_for(
    port: int, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PATIENCE_S", 0.2)
    monkeypatch.setattr(limits, "SLOWEST", 10**9)
    monkeypatch.setattr(limits, "DISCARD_S", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    kind = b"application/json" if path.startswith("/api") else b"application/x-www-form-urlencoded"
    lines = [b"POST " + path.encode() + b" HTTP/1.1", b"host: x", b"content-length: 1000", b"content-type: " + kind]
    writer.write(b"\r\n".join(lines) + b"\r\n\r\n{")
    async with asyncio.timeout(20):
        status = (await reader.readline()).split(b" ")[1]
        await reader.read()  # to the connection's end
    assert status == b"408"
    writer.close()
