"""The nats-server of this node, kept running.

The ports are chosen once a life of the node and stay the same over restarts of the server, because partners and the
node's own connections hold them.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from tallystick.core.errors import Unavailable
from tallystick.node.links import ports as port_choice
from tallystick.node.links import process
from tallystick.node.links.config import Files, Ports
from tallystick.node.links.tasks import end_tasks
from tallystick.tenants.files import write_private

_LOG = logging.getLogger(__name__)

_READY_S = 20.0  # a store of some gigabytes is checked at start
_START_ATTEMPTS = 3  # another program may take a port between choice and start
_FIRST_DELAY_S = 0.1
_LONGEST_DELAY_S = 5.0
_STEADY_S = 10.0  # a server that lived this long starts again without delay


class _Info(msgspec.Struct):
    server_name: str


class Server:
    """Supervisor of one nats-server; ``render`` gives the configuration for the ports that it is told."""

    def __init__(self, *, files: Files, leaf_host: str, wanted: Ports, binary: Path | None = None) -> None:
        self._files = files
        self._leaf_host = leaf_host
        self._wanted = wanted
        self._binary = process.find_binary(binary)
        self._name = ""
        self._ports: Ports | None = None
        self._choosing = threading.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._supervisor: asyncio.Task[None] | None = None

    @property
    def ports(self) -> Ports:
        """Return the ports in use; before the first start those that it will have, if nobody takes them."""
        with self._choosing:  # cards are made in several threads, and must all name the same port
            if self._ports is None:
                self._ports = self._choose()
            return self._ports

    @property
    def pid(self) -> int | None:
        """Return the id of the running process, if there is one."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process else None

    async def start(self, name: str, render: Callable[[Ports], str]) -> None:
        """Start the server called ``name`` and return when it answers; raise `Unavailable` if it does not."""
        self._name = name
        if await asyncio.to_thread(process.end_orphan, self._files):
            _LOG.warning("ended the nats-server that an earlier run left behind")
        for attempt in range(_START_ATTEMPTS):
            with self._choosing:
                self._ports = self._choose()
            await self.configure(render)
            try:
                await self._spawn()
                break
            except Unavailable:
                if attempt + 1 == _START_ATTEMPTS:
                    raise
        self._supervisor = asyncio.create_task(self._supervise(), name="nats-server")

    async def configure(self, render: Callable[[Ports], str]) -> None:
        """Write the configuration; the running server takes it up when told to reload, and at its next start.

        Raises `Invalid`, and leaves the configuration that stands, if the server would not accept it.
        """
        write_private(self._files.candidate, render(self.ports).encode())
        await process.check(self._binary, self._files)
        self._files.candidate.replace(self._files.config)

    async def restart(self) -> None:
        """Stop the server and start it again on the configuration that stands."""
        await self._end_supervisor()
        try:
            await self._spawn()
        finally:
            # Also after a failure: the supervisor tries again.
            self._supervisor = asyncio.create_task(self._supervise(), name="nats-server")

    async def stop(self) -> None:
        """Stop the server; safe to call twice."""
        await self._end_supervisor()

    def _choose(self) -> Ports:
        return port_choice.choose(self._files.ports, leaf_host=self._leaf_host, wanted=self._wanted)

    async def _end_supervisor(self) -> None:
        if self._supervisor is not None:
            await end_tasks(self._supervisor)
            self._supervisor = None
        if self._process is not None:
            await process.end(self._process)
            self._process = None

    async def _spawn(self) -> None:
        self._process = await process.spawn(self._binary, self._files)
        try:
            async with asyncio.timeout(_READY_S):
                while not await self._answers():
                    if self._process.returncode is not None:
                        raise Unavailable(f"nats-server ended at once: {self._last_words()}", code="nats_server")
                    await asyncio.sleep(0.02)
        except TimeoutError as error:
            await process.end(self._process)
            raise Unavailable(f"nats-server is not ready after {_READY_S:.0f} s", code="nats_server") from error
        except asyncio.CancelledError:
            await process.end(self._process)
            raise

    async def _answers(self) -> bool:
        """Say whether our server greets on the client port; leafnodes and streams are up before it does."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.ports.client)
        except OSError:
            return False
        try:
            line = await asyncio.wait_for(reader.readline(), 1.0)
            return msgspec.json.decode(line.removeprefix(b"INFO "), type=_Info).server_name == self._name
        except (OSError, TimeoutError, ValueError):
            return False
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _supervise(self) -> None:
        delay = _FIRST_DELAY_S
        clock = asyncio.get_running_loop().time
        while True:
            started = clock()
            code = await self._process.wait() if self._process else -1
            delay = _FIRST_DELAY_S if clock() - started > _STEADY_S else min(delay * 2, _LONGEST_DELAY_S)
            _LOG.warning("nats-server ended with %s; starting it again in %.1f s", code, delay)
            await asyncio.sleep(delay)
            try:
                await self._spawn()
            except Unavailable as error:
                _LOG.error("%s", error)

    def _last_words(self) -> str:
        text = self._files.log.read_text(errors="replace") if self._files.log.exists() else ""
        return " | ".join(text.splitlines()[-3:])[:500]
