"""Strangers who hold a real node's port: those who come from elsewhere sign in and work as before."""

import asyncio
import contextlib
import resource
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from support.parties import BUYER
from support.trio import API, PASSWORD, Member

pytestmark = pytest.mark.timeout(120)
STRANGERS = 2000
EACH = 256  # what one address may have, unless the settings say something else
FLOOD = [f"127.1.0.{number}" for number in range(1, 11)]
ELSEWHERE = "127.0.0.2"


@pytest.fixture(autouse=True)
def files() -> None:
    """As many open files as the strangers need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * STRANGERS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            pytest.skip(f"needs {wanted} open files (ulimit -n)")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A place that nobody else looks into."""
    tmp_path.chmod(0o700)
    return tmp_path


@pytest.fixture
async def member(folder: Path) -> AsyncIterator[Member]:
    """A node with nobody to speak to."""
    one = Member(BUYER, folder)
    await one.init()
    await one.start()
    yield one
    await one.stop()


class Stranger:
    """Holds connections and asks for nothing."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.held: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def hold(self, address: str, number: int) -> None:
        """Open so many connections from an address, or as many as are taken."""
        for _ in range(number):
            with contextlib.suppress(ConnectionError):
                self.held.append(await asyncio.open_connection("127.0.0.1", self._port, local_addr=(address, 0)))

    def let_go(self) -> None:
        """Close them all."""
        for _, writer in self.held:
            writer.close()
        self.held.clear()


def client(member: Member, address: str = ELSEWHERE) -> httpx2.AsyncClient:
    """Somebody at an address."""
    transport = httpx2.AsyncHTTPTransport(local_address=address)
    return httpx2.AsyncClient(base_url=member.url + API, timeout=20, transport=transport)


async def sign_in(one: httpx2.AsyncClient, password: str = PASSWORD) -> Any:
    """What the node answers."""
    return await one.post("/sessions", json={"username": "admin", "password": password})


async def works(member: Member) -> bool:
    """Whether somebody from elsewhere signs in and is answered."""
    async with client(member) as one:
        made = await sign_in(one)
        token = made.json().get("access_token")
        answer = await one.get("/partners", headers={"authorization": f"Bearer {token}"})
    return (made.status_code, answer.status_code) == (200, 200)


async def test_strangers_keep_nobody_out(member: Member) -> None:
    stranger = Stranger(int(member.url.rpartition(":")[2]))
    try:
        await _one_address_holds_two_thousand(member, stranger)
        stranger.let_go()
        await _ten_addresses_fill_the_port(member, stranger)
    finally:
        stranger.let_go()
    await _one_address_guesses_passwords(member)


async def _one_address_holds_two_thousand(member: Member, stranger: Stranger) -> None:
    await stranger.hold("127.0.0.3", STRANGERS)
    assert await works(member)
    refused = [asyncio.create_task(_end(reader)) for reader, _ in stranger.held[EACH:]]
    async with asyncio.timeout(60):
        await asyncio.gather(*refused)
    assert await works(member)
    assert (await member.http.get("/partners")).status_code == 200, "who was there before goes on"
    assert b"connections refused" in member.log_bytes()
    assert b"127.0.0.3" in member.log_bytes()


async def _end(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(ConnectionError):
        assert await reader.read() == b""


async def _ten_addresses_fill_the_port(member: Member, stranger: Stranger) -> None:
    for address in FLOOD:
        await stranger.hold(address, STRANGERS // len(FLOOD))
    assert await works(member)


async def _one_address_guesses_passwords(member: Member) -> None:
    async with client(member, "127.0.0.3") as guesser:
        guesses = [
            asyncio.create_task(guesser.post("/sessions", json={"username": f"u{number}", "password": "wrong" * 4}))
            for number in range(60)
        ]
        assert await works(member)
        found = [(await one).status_code for one in guesses]
    assert set(found) <= {401, 429}
