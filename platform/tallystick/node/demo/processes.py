"""Servers that the demo starts, and only those: logs in files, readiness read from the log, ended by process id.

Each server leads its own session, so that Ctrl-C in a terminal reaches the driver alone and the driver ends the
servers in order. What a server started itself (a node its nats-server) shares its process group and goes with it.
"""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tallystick.core.errors import Unavailable

POLL = 0.02
READY_IN = 30.0
STOP_IN = 10.0
LAST_WORDS = 2000  # bytes of a failed server's log that its error shows
T = TypeVar("T")


def born(pid: int) -> str | None:
    """When process `pid` began, in whatever form the system tells it; None when there is no such process.

    A process id is used again some day; with the time of birth beside it, `down` never ends a stranger.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]
    except OSError:
        pass
    if Path("/proc/self").exists():
        return None
    command = ["ps", "-o", "lstart=", "-p", str(pid)]
    shown = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
    return shown.stdout.strip() or None


@dataclass(frozen=True, kw_only=True)
class Running:
    """A server by its process id and time of birth: enough to find it again from another process."""

    name: str
    pid: int
    since: str

    @property
    def alive(self) -> bool:
        return born(self.pid) == self.since

    async def stop(self) -> None:
        """Ask it to end, wait, and take its whole process group if it does not."""
        if self.alive:
            self._signal(signal.SIGTERM)
            await self._gone(STOP_IN)
        self.kill_group()
        await self._gone(STOP_IN)

    async def kill(self) -> None:
        """End it as `kill -9` does, without a word to it or to its children."""
        if self.alive:
            self._signal(signal.SIGKILL)
            await self._gone(STOP_IN)

    def kill_group(self) -> None:
        """End what the server left behind; its group bears its process id and holds nothing that we did not start."""
        if born(self.pid) not in {None, self.since}:
            return  # the id names a stranger by now
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    async def _gone(self, within: float) -> None:
        deadline = time.monotonic() + within
        while self.alive and time.monotonic() < deadline:
            _reap(self.pid)
            await asyncio.sleep(POLL)
        _reap(self.pid)


def _reap(pid: int) -> None:
    """Collect our own dead child; another process's server has another parent, which is no error."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


@dataclass(frozen=True, kw_only=True)
class Spawned:
    """A server that was just started; its words of this run begin at byte `begin` of `log`."""

    running: Running
    log: Path
    begin: int

    def said(self) -> str:
        """What it has written since it was started."""
        with self.log.open("rb") as file:
            file.seek(self.begin)
            return file.read().decode(errors="replace")

    async def ready(self, look: Callable[[], Awaitable[T | None]]) -> T:
        """What `look` finds once the server is ready; a server that ends or dawdles is stopped and reported."""
        deadline = time.monotonic() + READY_IN
        try:
            while time.monotonic() < deadline:
                alive = self.running.alive  # asked before looking, so that a last line is not missed
                found = await look()
                if found is not None:
                    return found
                if not alive:
                    words = self.said()[-LAST_WORDS:]
                    raise Unavailable(f"{self.running.name} ended before it was ready:\n{words}", code="not_started")
                await asyncio.sleep(POLL)
        except BaseException:
            await self.running.stop()
            raise
        await self.running.stop()
        raise Unavailable(f"{self.running.name} was not ready in {READY_IN:.0f} s; see {self.log}", code="not_started")

    async def ready_line(self, pattern: str) -> re.Match[str]:
        """The first line of its log that matches `pattern`."""
        line = re.compile(pattern, re.MULTILINE)

        async def look() -> re.Match[str] | None:
            return line.search(self.said())

        return await self.ready(look)


def spawn(name: str, command: Sequence[str | Path], *, log: Path, env: Mapping[str, str] | None = None) -> Spawned:
    """Start a server, its output in `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        begin = output.tell()
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, env=env
        )
    child.returncode = 0  # ended through `Running`, perhaps by another process: Popen is not to warn about it
    return Spawned(running=Running(name=name, pid=child.pid, since=born(child.pid) or ""), log=log, begin=begin)
