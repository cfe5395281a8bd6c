"""What one node asks of another: bounded, not redirected, and only to addresses that a node may have."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tallystick.core.errors import Invalid, Unavailable
from tallystick.node.activities.settings import HttpSettings
from tallystick.node.courier import MAX_ANSWER, Courier, RefusedThere

NEAR, FAR = "http://127.0.0.1:8441", "https://node.example"


@asynccontextmanager
async def server(answer: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A real one on loopback that says ``answer`` to everything; its address, and what it was asked."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head)
        writer.write(answer)
        with contextlib.suppress(ConnectionError):  # when the courier had read enough
            await writer.drain()
        writer.close()

    running = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with running:
        yield f"http://127.0.0.1:{running.sockets[0].getsockname()[1]}", asked


def response(status: str, body: bytes, *headers: bytes) -> bytes:
    lines = [b"HTTP/1.1 " + status.encode(), b"content-length: " + str(len(body)).encode(), *headers]
    return b"\r\n".join([*lines, b"", body])


def courier(own_url: str = NEAR, resolved: list[str] | None = None, *allowed: str) -> Courier:
    async def resolver(host: str, port: int) -> list[str]:
        return resolved or [host]

    return Courier(HttpSettings(allowed_hosts=allowed), Path("/nowhere"), own_url, resolver=resolver)


async def test_an_answer_is_returned() -> None:
    async with server(response("200 OK", b'{"a":1}')) as (url, asked):
        assert await courier().fetch(f"{url}/x") == b'{"a":1}'
        assert await courier().bring(f"{url}/y", {"answer": "轴承"}) == b'{"a":1}'
    assert asked[0].startswith(b"GET /x HTTP/1.1\r\n")
    assert asked[1].startswith(b"POST /y HTTP/1.1\r\n")


async def test_a_refusal_is_passed_on_in_a_few_printable_words() -> None:
    body = b'{"code":"invitation_used","detail":"no\\u0007 more' + b"x" * 1000 + b'"}'
    async with server(response("409 Conflict", body)) as (url, _):
        with pytest.raises(RefusedThere) as refused:
            await courier().bring(url, {})
    assert (refused.value.status, refused.value.code) == (409, "invitation_used")
    assert len(refused.value.detail) < 400
    assert refused.value.detail.isprintable()


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'{"code":7}', b'{"code":"<script>"}'])
async def test_a_refusal_that_is_no_problem_document_has_our_own_code(body: bytes) -> None:
    async with server(response("404 Not Found", body)) as (url, _):
        with pytest.raises(RefusedThere) as refused:
            await courier().fetch(url)
    assert refused.value.code in {"refused_there", "7"}


@pytest.mark.parametrize(
    "answer", [response("500 Oops", b""), response("302 Found", b"", b"location: /y"), b"nonsense"]
)
async def test_anything_else_may_be_better_later(answer: bytes) -> None:
    """Redirects among it: they are not followed."""
    async with server(answer) as (url, asked):
        with pytest.raises(Unavailable):
            await courier().fetch(url)
    assert len(asked) == 1


async def test_nobody_there_may_be_better_later() -> None:
    async with server(b"") as (url, _):
        pass
    with pytest.raises(Unavailable):
        await courier().fetch(url)


async def test_an_answer_is_bounded() -> None:
    async with server(response("200 OK", b"x" * (MAX_ANSWER + 1))) as (url, _):
        with pytest.raises(Invalid) as refused:
            await courier().fetch(url)
    assert refused.value.code == "too_large"


async def test_a_node_on_the_internet_reaches_no_private_address() -> None:
    async with server(response("200 OK", b"{}")) as (url, asked):
        with pytest.raises(Invalid) as refused:
            await courier(FAR).fetch(url)
        assert (refused.value.code, asked) == ("not_allowed", [])
        assert await courier(FAR, None, url.removeprefix("http://")).fetch(url) == b"{}"


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1%eth0", "0.0.0.0", "::", "224.0.0.1", "ff02::1"],  # noqa: S104
)
async def test_no_setting_opens_an_address_that_no_node_has(address: str) -> None:
    for one in (courier(NEAR, [address]), courier(FAR, [address], "metadata.example:80")):
        with pytest.raises(Invalid) as refused:
            await one.fetch("http://metadata.example/latest")
        assert refused.value.code == "not_allowed"


@pytest.mark.parametrize("url", ["ftp://a.example", "http://u:p@a.example", "http://", "x", "http://a.example/ b"])
async def test_an_address_that_could_be_read_in_two_ways_is_refused(url: str) -> None:
    with pytest.raises(Invalid):
        await courier().fetch(url)
