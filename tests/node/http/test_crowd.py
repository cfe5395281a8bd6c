"""A port that strangers try to hold, over a real Hypercorn: by number, by silence, by byte and byte, by not reading."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from tallystick.node.api import limits
from tallystick.node.http.attending import AT_ONCE, IN_LINE
from tallystick.node.http.crowd import Crowd
from tallystick.node.http.server import crowd_of, serve
from tallystick.node.http.settings import HttpSettings
from tallystick.node.settings import Settings

HERE, ELSEWHERE = "127.0.0.1", "127.0.0.2"
LARGE = b"x" * 32 * 1024 * 1024  # more than the system buffers for a connection
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Slow:
    """An application that answers when it is let, and says how many it had to answer at once."""

    def __init__(self) -> None:
        self.free = asyncio.Event()
        self.entered = asyncio.Semaphore(0)
        self.now = self.most = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """``/large`` is large, a POST waits, anything else is answered at once."""
        if scope["method"] == "POST":
            self.now += 1
            self.most = max(self.most, self.now)
            self.entered.release()
            await self.free.wait()
            self.now -= 1
        body = LARGE if scope["path"] == "/large" else b"ok"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})


class Port:
    """A served port, and connections to it from several addresses."""

    def __init__(self, number: int, crowd: Crowd, app: Slow, ending: contextlib.AsyncExitStack) -> None:
        self.crowd, self.app, self._number, self._ending = crowd, app, number, ending

    async def connect(self, address: str = HERE) -> Streams:
        """A connection from an address, not yet known to be admitted."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._number, local_addr=(address, 0))
        self._ending.callback(writer.close)
        return reader, writer

    async def refuses(self, address: str = HERE) -> bool:
        """Whether a new connection is closed unasked; its end may come before it is known to be made."""
        try:
            return await closed(await self.connect(address))
        except ConnectionError:
            return True

    async def holds(self, number: int) -> None:
        """Wait until there are so many connections."""
        for _ in range(2000):
            if len(self.crowd) == number:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"{len(self.crowd)} connections, not {number}")

    async def ask(self, streams: Streams, path: str = "/", method: str = "GET") -> int | None:
        """The status of an answer; None where the connection was closed."""
        reader, writer = streams
        writer.write(f"{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n".encode())
        try:
            async with asyncio.timeout(20):
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(one for one in head.lower().split(b"\r\n") if one.startswith(b"content-length"))
                await reader.readexactly(int(length.partition(b":")[2]))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        return int(head.split(b" ")[1])


async def closed(streams: Streams) -> bool:
    """Whether the other side ends the connection; waits for it."""
    try:
        async with asyncio.timeout(20):
            return await streams[0].read() == b""
    except ConnectionError:
        return True


@asynccontextmanager
async def served(**facts: Any) -> AsyncIterator[Port]:
    """A port with these settings."""
    settings = Settings(org_id="o", name="O", domain="o.example", http=HttpSettings(**facts))
    async with contextlib.AsyncExitStack() as ending:
        crowd, app, over = crowd_of(settings), Slow(), asyncio.Event()
        listener = socket.create_server(("127.0.0.1", 0))
        number, rest = listener.getsockname()[1], settings.http.keep_alive_seconds
        running = asyncio.create_task(serve(app, listener, crowd, keep_alive_s=rest, until=over.wait))
        try:
            yield Port(number, crowd, app, ending)
        finally:
            app.free.set()
            over.set()
            await running
    assert not crowd, "whoever has gone is not counted"


async def test_one_address_has_so_many_and_others_are_answered() -> None:
    async with served(connections_per_address=8) as port:
        admitted = [await port.connect() for _ in range(8)]
        assert [await port.ask(one) for one in admitted] == [200] * 8
        assert await port.refuses()
        assert await port.ask(await port.connect(ELSEWHERE)) == 200
        admitted[0][1].close()
        await port.holds(8)
        assert await port.ask(await port.connect()) == 200, "a place that was given free is there for another"


async def test_a_full_port_makes_room_at_the_cost_of_who_holds_most() -> None:
    async with served(connections=16, connections_per_address=64) as port:
        asking, *silent = [await port.connect() for _ in range(16)]
        assert await port.ask(asking) == 200
        await port.holds(16)
        assert await port.ask(await port.connect(ELSEWHERE)) == 200
        assert await closed(silent[0]), "the oldest that has asked for nothing"
        assert await port.ask(asking) == 200
        assert await port.refuses(), "its own are not given up for more of its own"


async def test_who_shares_a_full_port_evenly_takes_nobodys_place() -> None:
    async with served(connections=16) as port:
        held = [await port.connect(f"127.0.0.{number}") for number in range(2, 18)]
        assert [await port.ask(one) for one in held] == [200] * 16
        assert await port.refuses("127.0.0.18")
        assert [await port.ask(one) for one in held] == [200] * 16


async def test_a_proxy_is_bounded_with_all_who_come_through_it() -> None:
    async with served(connections=20, connections_per_address=8, proxies=(HERE,)) as port:
        assert [await port.ask(await port.connect()) for _ in range(20)] == [200] * 20
        assert await port.refuses()
    behind = Settings(org_id="o", name="O", domain="o.example", url="https://o.example", http=HttpSettings())
    crowd = crowd_of(behind)
    assert crowd._vouched_for == {"127.0.0.1", "::1"}
    with pytest.raises(ValueError, match="nowhere"):
        HttpSettings(proxies=("nowhere",))


async def test_who_asks_for_nothing_is_not_kept() -> None:
    async with served(first_request_seconds=1, keep_alive_seconds=60) as port:
        silent, dripping, asking = [await port.connect() for _ in range(3)]
        assert await port.ask(asking) == 200
        dripping[1].write(b"GET / HTTP/1.1\r\nhost: x\r\nx-")
        assert await closed(silent)
        assert await closed(dripping)
        assert await port.ask(asking) == 200


async def test_headers_that_drip_end_with_the_pause_that_is_allowed() -> None:
    async with served(first_request_seconds=60, keep_alive_seconds=1) as port:
        dripping = await port.connect()
        assert await port.ask(dripping) == 200
        ended = asyncio.create_task(closed(dripping))
        dripping[1].write(b"GET / HTTP/1.1\r\n")
        for _ in range(200):
            if ended.done():
                break
            dripping[1].write(b"x-a: b\r\n")
            await asyncio.sleep(0.1)
        assert await ended


async def test_who_does_not_take_an_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PATIENCE_S", 0.2)
    monkeypatch.setattr(limits, "SLOWEST", 10**9)
    async with served() as port:
        _, writer = await port.connect()
        writer.write(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n")
        await port.holds(1)
        await port.holds(0)


@pytest.mark.parametrize("path", ["/sign-in", "/api/v1/sessions", "/api/v1/invitations/answers"])
async def test_only_a_few_strangers_of_an_address_have_work_done(path: str) -> None:
    async with served() as port:
        most = AT_ONCE + IN_LINE
        asking = [asyncio.create_task(port.ask(await port.connect(), path, "POST")) for _ in range(most + 3)]
        done, waiting = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
        while len(done) < 3:
            more, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            done |= more
        assert {one.result() for one in done} == {429}
        assert port.app.most == AT_ONCE
        elsewhere = asyncio.create_task(port.ask(await port.connect(ELSEWHERE), path, "POST"))
        for _ in range(AT_ONCE + 1):
            async with asyncio.timeout(20):
                await port.app.entered.acquire()
        assert await port.ask(await port.connect()) == 200, "what costs nothing waits for nobody"
        port.app.free.set()
        assert await elsewhere == 200
        assert {await one for one in waiting} == {200}
