"""Node processes born of one that has the libraries in memory: importing them is most of what a node's start costs.

``born("node", "--data", folder, …)`` gives a process that runs the command line's `main` as `tally` does. It is a child
of the nursery (one a test process, which ends with it), shares nothing with its siblings, and dies of the signals that
a test sends it. Of our own modules only those without a state of their own are there before it is born; what
processes must not have in common, such as where a counter begins, each makes for itself.

Run as ``python -m support.nursery FD``: ``FD`` is a socket on which the test process asks for births.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from typing import IO

LIBRARIES = (
    *("argon2", "asyncio", "babel.dates", "cryptography.x509", "gmqtt", "http_message_signatures", "httpcore2"),
    *("httpx2", "hypercorn.asyncio", "jinja2", "jsonschema_rs", "jwt", "nacl.bindings", "nats", "rfc8785", "sqlmodel"),
    *("sqlalchemy.dialects.sqlite", "sqlalchemy.dialects.postgresql", "starlette.applications", "web3", "eth_account"),
)
WITHOUT_STATE = ("tallystick.core", "tallystick.tenants.models", "tallystick.ledger.audit")
LARGEST = 200_000  # bytes of a request: the environment is most of it


class Child:
    """A node's process; as one of asyncio, as far as tests go."""

    def __init__(self, pid: int, line: socket.socket) -> None:
        self.pid = pid
        self._line = line
        self._code: int | None = None

    @property
    def returncode(self) -> int | None:
        """How it ended, a signal as a negative number; None while it runs."""
        if self._code is None:
            with contextlib.suppress(BlockingIOError):
                self._told(self._line.recv(100))
        return self._code

    async def wait(self) -> int:
        """Wait for its end."""
        if self.returncode is None:
            self._told(await asyncio.get_running_loop().sock_recv(self._line, 100))
        assert self._code is not None
        return self._code

    def terminate(self) -> None:
        """Ask it to end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def _told(self, message: bytes) -> None:
        if not message:
            raise AssertionError("the nursery is gone")
        self._code = int(message)
        self._line.close()


async def born(*words: str, env: Mapping[str, str], output: IO[bytes]) -> Child:
    """Start `tally` with these words; what it says goes to ``output``."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    here.setblocking(False)
    with there:
        request = json.dumps({"words": words, "env": dict(env)}).encode()
        assert len(request) <= LARGEST
        socket.send_fds(_nursery(), [request], [there.fileno(), output.fileno()])
    pid = await asyncio.get_running_loop().sock_recv(here, 100)
    if not pid:
        raise AssertionError("the nursery is gone")
    return Child(int(pid), here)


@cache
def _nursery() -> socket.socket:
    """The socket of this process's nursery; it ends when that closes, with all that it bore."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with there:
        number = there.fileno()
        command = [sys.executable, "-m", __name__, str(number)]
        path = os.pathsep.join(sys.path)
        process = subprocess.Popen(command, pass_fds=[number], env={**os.environ, "PYTHONPATH": path})
    atexit.register(_end, here, process)
    return here


def _end(line: socket.socket, process: subprocess.Popen[bytes]) -> None:
    line.close()
    process.wait()


class _Nursery:
    """Bears children, and tells of each who asked for it when it has ended."""

    def __init__(self, asked: socket.socket) -> None:
        self._asked = asked
        self._lines: dict[int, socket.socket] = {}

    def run(self) -> list[str] | None:
        """The words of a child, in the child; None in the nursery, when nobody can ask for more."""
        ended, waker = socket.socketpair()
        waker.setblocking(False)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal; the test process has got it as well
        with selectors.DefaultSelector() as selector:
            selector.register(self._asked, selectors.EVENT_READ)
            selector.register(ended, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is ended:
                        ended.recv(1000)
                        self._reap()
                        continue
                    request, descriptors, *_ = socket.recv_fds(self._asked, LARGEST, 2)
                    if not request:
                        self._end_all()
                        return None
                    words = self._bear(json.loads(request), *descriptors)
                    if words is not None:
                        ended.close()
                        waker.close()
                        return words

    def _bear(self, request: dict[str, object], line: int, output: int) -> list[str] | None:
        told = socket.socket(fileno=line)
        pid = os.fork()
        if pid:
            os.close(output)
            self._lines[pid] = told
            told.send(str(pid).encode())
            return None
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        for held in (self._asked, told, *self._lines.values()):
            held.close()
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        environment = request["env"]
        assert isinstance(environment, dict)
        os.environ.clear()
        os.environ.update(environment)
        words = request["words"]
        assert isinstance(words, list)
        return words

    def _reap(self) -> None:
        for pid, status in _ended():
            with self._lines.pop(pid) as told, contextlib.suppress(OSError):  # nobody may be listening any more
                told.send(str(os.waitstatus_to_exitcode(status)).encode())

    def _end_all(self) -> None:
        for pid in self._lines:
            os.kill(pid, signal.SIGKILL)


def _ended() -> Iterator[tuple[int, int]]:
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            yield found


def _load() -> None:
    for name in LIBRARIES:
        importlib.import_module(name)
    for name in WITHOUT_STATE:
        package = importlib.import_module(name)
        for one in pkgutil.walk_packages(package.__path__, f"{name}."):
            importlib.import_module(one.name)
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    _load()
    _words = _Nursery(socket.socket(fileno=int(sys.argv[1]))).run()
    if _words is not None:
        from tallystick.node.cli.main import main

        sys.argv = ["tally", *_words]
        sys.exit(main(_words))
