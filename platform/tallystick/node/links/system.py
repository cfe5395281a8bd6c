"""The node's user in the system account: which leafnodes are up, and telling the server to reload."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Collection

import msgspec
import nats.errors
from nats.aio.client import Client

from tallystick.core.errors import Unavailable
from tallystick.node.links.connection import connected
from tallystick.node.links.settings import WATCH_S
from tallystick.node.links.tasks import end_tasks

_LOG = logging.getLogger(__name__)

_ANSWER_S = 5.0


class _ServerId(msgspec.Struct):
    id: str


class _Leaf(msgspec.Struct):
    id: int
    account: str


class _Leafz(msgspec.Struct):
    leafs: list[_Leaf] | None = None


class _Problem(msgspec.Struct):
    description: str = ""


class _Answer(msgspec.Struct):
    server: _ServerId
    data: _Leafz | None = None
    error: _Problem | None = None

    @property
    def leafs(self) -> list[_Leaf]:
        return (self.data and self.data.leafs) or []


class System:
    """Watches the leafnodes of this server; ``came`` is told the account of each that has connected."""

    def __init__(self, url: str, seed: str, came: Callable[[str], None]) -> None:
        self._url = url
        self._seed = seed
        self._came = came
        self._client: Client | None = None
        self._task: asyncio.Task[None] | None = None
        self._started = _now_ms()
        self._ids: dict[str, set[tuple[str, int]]] = {}  # of the server's life and the connections
        self._up: dict[str, int] = {}  # since when, in milliseconds since 1970
        self._down: dict[str, int] = {}

    def start(self) -> None:
        """Begin watching; returns at once."""
        self._task = asyncio.create_task(self._run(), name="nats-server watch")

    async def stop(self) -> None:
        """Stop watching."""
        if self._task is not None:
            await end_tasks(self._task)
            self._task = None

    def leaf(self, account: str) -> tuple[bool, int]:
        """Return whether ``account`` has a leafnode now, and since when that is so."""
        if account in self._up:
            return True, self._up[account]
        return False, self._down.get(account, self._started)

    def seen_at(self, account: str) -> int | None:
        """Return when ``account`` last had a leafnode, as far as this life of the node has seen one."""
        return _now_ms() if account in self._up else self._down.get(account)

    async def reload(self) -> None:
        """Have the server take up its configuration file; raise `Unavailable` if it refuses or does not answer."""
        server = (await self._leafz()).server.id
        await self._ask(f"$SYS.REQ.SERVER.{server}.RELOAD")

    async def kick(self, accounts: Collection[str]) -> None:
        """Close the leafnodes of ``accounts``.

        A reload alone keeps those out that may no longer come in, and leaves those in that are (nats-server 2.15.1).
        """
        answer = await self._leafz()
        for leaf in answer.leafs:
            if leaf.account in accounts:
                request = msgspec.json.encode({"cid": leaf.id})
                await self._ask(f"$SYS.REQ.SERVER.{answer.server.id}.KICK", request)

    async def _leafz(self) -> _Answer:
        return await self._ask("$SYS.REQ.SERVER.PING.LEAFZ")

    async def _ask(self, subject: str, request: bytes = b"") -> _Answer:
        if self._client is None or not self._client.is_connected:
            raise Unavailable("nats-server is not up", code="nats_server")
        try:
            reply = await self._client.request(subject, request, timeout=_ANSWER_S)
            answer = msgspec.json.decode(reply.data, type=_Answer)
        except (nats.errors.Error, OSError, TimeoutError, msgspec.MsgspecError) as error:
            raise Unavailable("nats-server does not answer", code="nats_server") from error
        if answer.error is not None:
            raise Unavailable(f"nats-server refused: {answer.error.description}", code="nats_server")
        return answer

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(nats.errors.Error, OSError, TimeoutError):
                async with connected(self._url, self._seed, name="system") as self._client:
                    await self._look_for_ever(self._client)
            await asyncio.sleep(WATCH_S)

    async def _look_for_ever(self, client: Client) -> None:
        while not client.is_closed:
            try:
                answer = await self._leafz()
                present: dict[str, set[tuple[str, int]]] = {}
                for leaf in answer.leafs:
                    present.setdefault(leaf.account, set()).add((answer.server.id, leaf.id))
                self._note(present)
            except Unavailable:
                self._note({})
            await asyncio.sleep(WATCH_S)

    def _note(self, present: dict[str, set[tuple[str, int]]]) -> None:
        now = _now_ms()
        for account in self._up.keys() - present.keys():
            del self._up[account]
            self._down[account] = now
        for account in present.keys() - self._up.keys():
            self._up[account] = now
            self._down.pop(account, None)
        # One that went and came back between two looks has another id; a server that did counts from one again. Beside
        # the one that stands there may be another for a moment, which is refused: our older key, or our newer one.
        fresh = [account for account, ids in present.items() if not ids & self._ids.get(account, set())]
        self._ids = present
        for account in fresh:
            self._came(account)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
