"""Start real servers, wait for their readiness line, and end them with the test whatever happens.

Every server runs on port 0 and says in its log which port it got. Only processes started here are ever signalled.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 30.0
STOP_SECONDS = 10.0


class NotReady(Exception):
    """A server ended, or said nothing of use, before it was ready; `log` holds what it did say."""

    def __init__(self, name: str, log: str) -> None:
        super().__init__(f"{name} did not become ready; it said:\n{log}")
        self.name = name
        self.log = log


class Server:
    """One running process whose output is read as it comes, so that a full pipe never stops it."""

    def __init__(self, name: str, process: subprocess.Popen[str]) -> None:
        self.name = name
        self.process = process
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, name=f"{name}-log", daemon=True)
        self._reader.start()

    @property
    def log(self) -> str:
        """Everything that the server has written so far."""
        with self._changed:
            return "".join(self._lines)

    def wait_for(self, pattern: str, seconds: float = READY_SECONDS) -> re.Match[str]:
        """Wait for the first line that matches `pattern`; raise `NotReady` when the server ends or stays silent."""
        compiled = re.compile(pattern)
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._find(compiled) is not None, timeout=seconds)
            found = self._find(compiled)
        if found is None:
            raise NotReady(self.name, self.log)
        return found

    def kill(self) -> None:
        """End the process as a crash does, with SIGKILL."""
        self.process.kill()
        self._finish()

    def stop(self) -> None:
        """End the process in good order: SIGTERM, and SIGKILL for one that does not heed it."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self._finish()

    def _finish(self) -> None:
        self.process.wait()
        self._reader.join(STOP_SECONDS)

    def _find(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        return next((found for line in self._lines if (found := pattern.search(line))), None)

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self._add(line)
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _add(self, line: str) -> None:
        with self._changed:
            self._lines.append(line)
            self._changed.notify_all()


class Processes:
    """Starts servers and ends them all, newest first, when the block is left."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Return this starter."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End everything that was started."""
        self._stack.close()

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Server:
        """Start `command` with standard error folded into its log; it ends with this block."""
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=None if env is None else dict(env),
            cwd=cwd,
        )
        server = Server(name, process)
        self._stack.callback(server.stop)
        return server


@dataclass(frozen=True)
class Anvil:
    """A local chain: its server, its port, and where its JSON-RPC answers."""

    server: Server
    port: int

    @property
    def url(self) -> str:
        """The JSON-RPC address."""
        return f"http://127.0.0.1:{self.port}"


def tool(name: str) -> Path:
    """Return a program that set-up installed; raise `FileNotFoundError` saying how to get it."""
    for folder in (ROOT / "node_modules" / ".bin", ROOT / ".venv" / "bin"):
        if (folder / name).exists():
            return folder / name
    found = shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} is not installed: run `make setup`")
    return Path(found)


def start_anvil(processes: Processes, *options: str, port: int = 0) -> Anvil:
    """Start anvil and wait until it listens; `port` 0 lets the system choose."""
    command: list[str | Path] = [tool("anvil"), "--host", "127.0.0.1", "--port", str(port), *options]
    server = processes.start("anvil", command)
    found = server.wait_for(r"Listening on 127\.0\.0\.1:(\d+)")
    return Anvil(server, int(found[1]))
