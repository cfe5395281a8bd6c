"""Organisations whose nodes are reached over TLS, each through a proxy of its own, as in production."""

import asyncio
import contextlib
import json
import socket
import ssl
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from support.parties import NAMES
from support.trio import Member, Trio


class Front:
    """Ends TLS for a node with its organisation's certificate; bytes go through as they are."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.taken = 0  # connections so far
        self.dropped = 0  # messages that it has acknowledged in the node's place
        self._drops = False
        self._node = 0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[Any]] = set()

    @property
    def name(self) -> str:
        """Host and port, as settings allow them."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Where partners reach the node."""
        return f"https://{self.name}"

    async def serve(self, member: Member) -> None:
        """Begin; the node has started, so its certificate is there."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(member.data / "tls" / "server.pem", member.data / "tls" / "server.key")
        self._node = int(member.url.rpartition(":")[2])
        self._server = await asyncio.start_server(self._through, sock=self._socket, ssl=context)

    async def stop(self) -> None:
        """End; what is open is cut."""
        if self._server is None:
            self._socket.close()
            return
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _drop(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer as the node would, and keep it from the node."""
        head = await reader.readuntil(b"\r\n\r\n")
        (length,) = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        await reader.readexactly(int(length.partition(b":")[2]))
        body = b'{"outcome":"confirm"}'
        fields = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d" % len(body)
        writer.write(b"HTTP/1.1 200 OK\r\n%s\r\n\r\n%s" % (fields, body))
        await writer.drain()
        self.dropped += 1

    async def drop(self, *, while_: bool) -> None:
        """From now on acknowledge every message and drop it, or do so no longer."""
        self._drops = while_
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        self.taken += 1
        with contextlib.closing(writer), contextlib.suppress(OSError, ssl.SSLError):
            if self._drops:
                await self._drop(reader, writer)
                return
            inner, outer = await asyncio.open_connection("127.0.0.1", self._node)
            with contextlib.closing(outer):
                await asyncio.gather(_pump(reader, outer), _pump(inner, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.close()


class FrontedTrio(Trio):
    """The three behind proxies; those ``without_nats`` have no NATS link at all."""

    def __init__(self, folder: Path, without_nats: Collection[str] = (), **settings: Any) -> None:
        super().__init__(folder)
        self._settings = settings  # that every node gets beside its own
        self.without_nats = frozenset(without_nats)
        self.fronts = {org: Front() for org in NAMES}

    async def start(self, prepare: Callable[[], None] = lambda: None) -> None:
        """Make, run and introduce them, and pin each other's authority; ``prepare`` is called first."""
        prepare()
        await asyncio.gather(*(self._begin(one) for one in self.members.values()))
        cards = {org: await one.get("/organisation/card") for org, one in self.members.items()}
        for org, one in self.members.items():
            for other in set(NAMES) - {org}:
                answer = await one.http.put(f"/partners/{other}", json={"card": cards[other]["card"]})
                assert answer.status_code in {200, 201}, answer.text
                if self.without_nats & {org, other}:
                    await self.switch(org, other, "https")

    async def stop(self) -> None:
        """End everything."""
        await super().stop()
        await asyncio.gather(*(front.stop() for front in self.fronts.values()))

    async def switch(self, org: str, partner: str, transport: str) -> dict[str, Any]:
        """Have ``org`` send to ``partner`` in another way."""
        ca = (self.members[partner].data / "tls" / "ca.pem").read_text()
        answer = await self.members[org].http.put(
            f"/partners/{partner}/transport", json={"transport": transport, "ca_pem": ca}
        )
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        assert found["transport"] == transport
        return found

    async def _begin(self, member: Member) -> None:
        await member.init("--url", self.fronts[member.org].url, *self._more(member.org), *self._database(member.org))
        path = member.data / "settings.json"
        settings = json.loads(path.read_text())
        settings["partner_api"]["allowed_hosts"] = [front.name for front in self.fronts.values()]
        path.write_text(json.dumps(settings | self._settings))
        await member.start()
        await self.fronts[member.org].serve(member)

    def _more(self, org: str) -> tuple[str, ...]:
        return ("--no-nats",) if org in self.without_nats else ()
