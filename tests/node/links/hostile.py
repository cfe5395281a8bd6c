"""A leafnode that keeps no rule of its own: it speaks the wire protocol by hand."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from node.links.organisations import Identity
from tallystick.core.keys import SigningKey
from tallystick.tenants import nkey


class RawLeaf:
    """One leafnode connection; `heard` gathers every line that the server sends."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.heard: list[str] = []

    async def say(self, *lines: str) -> None:
        self._writer.write("".join(f"{line}\r\n" for line in lines).encode())
        await self._writer.drain()

    async def publish(self, subject: str, data: str = "{}", *, reply: str = "") -> None:
        await self.say(f"LMSG {subject} {reply} {len(data)}".replace("  ", " "), data)

    async def listen(self, seconds: float = 0.5, *, until: str = "") -> list[str]:
        """Gather what comes for ``seconds``, or until the line ``until`` or the end; return all that was ever heard."""
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(seconds):
                while line := (await self._reader.readline()).decode().rstrip():
                    self.heard.append(line)
                    if line == until:
                        break
                    if line == "PING":
                        await self.say("PONG")
        return self.heard

    async def until_ended(self) -> None:
        """Wait until the server ends the connection."""
        with suppress(OSError):
            while await self._reader.readline():
                await self.say("PONG")


@asynccontextmanager
async def raw_leaf(url: str, *, server: Identity, shown: Identity | None, seed: bytes) -> AsyncIterator[RawLeaf]:
    """Connect to ``url`` showing the certificate of ``shown`` and the key of ``seed``."""
    context = ssl.create_default_context(cafile=str(server.files.ca))
    if shown is not None:
        context.load_cert_chain(shown.files.client_certificate, shown.files.client_key)
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port, ssl=context)
    try:
        greeting = await reader.readuntil(b"\r\n")
        nonce = json.loads(greeting.decode().removeprefix("INFO "))["nonce"]
        signature = base64.urlsafe_b64encode(SigningKey(seed).sign(nonce.encode())).rstrip(b"=").decode()
        leaf = RawLeaf(reader, writer)
        connect = {"nkey": nkey.public_text(seed), "sig": signature, "name": "hostile", "server_id": "HOSTILE"}
        await leaf.say(f"CONNECT {json.dumps({**connect, 'headers': True})}", "PING")
        await leaf.listen(5.0, until="PONG")
        yield leaf
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
