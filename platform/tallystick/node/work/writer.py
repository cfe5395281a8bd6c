"""The node's side of a process that writes a tenant's rows: :mod:`tallystick.node.work.rowwriter`.

It is worth its memory (25 MB) under load only, and helps only with a core of its own: a tenant borrows one of a few
when many of its jobs come together, and gives it back soon after.
"""

import contextlib
import logging
import os
import secrets
import select
import socket
import subprocess
import sys
import threading
from typing import Self

from tallystick.node.record.group import Group
from tallystick.node.work.rowwriter import Write, read_frame, write_frame
from tallystick.tenants.database import PRAGMAS

logger = logging.getLogger(__name__)
MOST = 4  # processes of one node, however many cores there are
_END_S = 10.0  # for what a process that is told to end may still have to write


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_ROOM = threading.BoundedSemaphore(max(1, min(_cores() - 1, MOST)))
USEFUL = _cores() > 1


class WriterLost(Exception):
    """The process has ended, or says what it cannot say."""


class Writer:
    """One process, for one tenant's file; for one thread at a time, but for :meth:`nudge`."""

    def __init__(self, path: str) -> None:
        self._channel, theirs = socket.socketpair()
        self._stream = self._channel.makefile("rb")
        self._nudged, self._nudge = os.pipe()
        words = [sys.executable, "-P", "-m", "tallystick.node.work.rowwriter"]
        try:
            self._process = subprocess.Popen(words, stdin=theirs.fileno(), stdout=subprocess.DEVNULL)
        except OSError:
            self._close()
            raise
        finally:
            theirs.close()
        self._poll = select.poll()
        for one in (self._channel.fileno(), self._nudged):
            self._poll.register(one, select.POLLIN)
        self._texts: dict[str, int] = {}
        self._kids: set[str] = set()
        self._mark = secrets.randbits(30)
        self.ready = False
        with contextlib.suppress(OSError):  # it has ended, as its answer will tell
            write_frame(self._channel, (path, PRAGMAS))

    @classmethod
    def borrowed(cls, path: str) -> Self | None:
        """One for that file; None when there is no room, or the system starts no process now."""
        if not _ROOM.acquire(blocking=False):
            return None
        try:
            return cls(path)
        except OSError as error:
            logger.warning("no process to write rows: %s", error)
            _ROOM.release()
            return None

    @property
    def pid(self) -> int:
        """The process's id."""
        return int(self._process.pid)

    def has_begun(self) -> bool:
        """Whether it is ready to write; WriterLost when it will not be."""
        if not self.ready and self._poll.poll(0):
            self.ready = self.answer() is None
        return self.ready

    def send(self, group: Group) -> int:
        """Have what ``group`` wants written written; the mark that the file bears once it is."""
        self._mark = (self._mark + 1) & 0x7FFF_FFFF
        texts: list[tuple[int, str]] = []
        writes: list[Write] = []
        for sql, rows, expected in group.writes(group.changes):
            number = self._texts.get(sql.text)
            if number is None:
                number = self._texts[sql.text] = len(self._texts)
                texts.append((number, sql.text))
            writes.append((number, list(map(sql.parameters, rows)), sql.token, expected))
        seeds = [(kid, key.seed) for kid, key in group.keys.items() if kid not in self._kids]
        self._kids.update(group.keys)
        with contextlib.suppress(OSError):  # whoever waits for its answer will hear that it has ended
            write_frame(self._channel, (self._mark, texts, seeds, writes))
        return self._mark

    def wait(self) -> bool:
        """Return True when the answer is there, False when somebody has called :meth:`nudge` before."""
        ready = {number for number, _ in self._poll.poll()}
        if self._nudged in ready:
            os.read(self._nudged, 1_000)
        return self._channel.fileno() in ready

    def nudge(self) -> None:
        """Wake whoever waits for the answer."""
        os.write(self._nudge, b"\0")

    def answer(self) -> str | None:
        """Wait for the answer: None when all is durable, else why nothing is. WriterLost when there is none."""
        try:
            answer = read_frame(self._stream)
        except (EOFError, ValueError, TypeError, OSError) as error:
            raise WriterLost("the process that writes rows has ended") from error
        if answer is not None and not isinstance(answer, str):
            raise WriterLost("the process that writes rows says something else than what it did")
        return answer

    def end(self) -> None:
        """End it, after what it is writing, and give its place to others."""
        self._close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        _ROOM.release()

    def _close(self) -> None:
        self._stream.close()
        self._channel.close()
        os.close(self._nudged)
        os.close(self._nudge)
