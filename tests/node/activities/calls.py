"""Calls and servers that the activities' tests share."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec


class FakeCall(msgspec.Struct, kw_only=True):
    """One attempt."""

    input: dict[str, Any]
    token: str = "t_0123456789abcdef"
    execution: str = "ab" * 32
    task: str = "step.1"
    attempt: int = 1


Reply = Callable[[bytes], bytes | None]


class HttpServer:
    """A server that keeps what it was sent, byte for byte, and answers what the test says."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.requests: list[bytes] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next((int(one[15:]) for one in head.lower().split(b"\r\n") if one[:15] == b"content-length:"), 0)
            self.requests.append(head + await reader.readexactly(length))
            answer = self.reply(self.requests[-1])
            if answer is None:
                await asyncio.sleep(30)
            else:
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(reply: Reply | bytes, **more: Any) -> AsyncIterator[HttpServer]:
    """A server on a free port of the loopback address."""
    server = HttpServer((lambda _: reply) if isinstance(reply, bytes) else reply)
    started = await asyncio.start_server(server.serve, "127.0.0.1", 0, **more)
    server.port = started.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        started.close()


def http(body: bytes = b"", *, status: str = "200 OK", headers: str = "") -> bytes:
    """An HTTP/1.1 answer."""
    return f"HTTP/1.1 {status}\r\n{headers}content-length: {len(body)}\r\n\r\n".encode() + body
