"""Groups that are written by a process of their own, while the node runs the next group's jobs.

One group at a time is under way. The next one runs on top of it, in memory: executions come from the cache, and a job
that asks the database for anything waits first. When the group under way fails, what ran on top of it is run again.

Whether a group became durable is always known: its transaction leaves a mark in the file, so that this can be told
even of a process that was killed before it answered.
"""

import logging
import time
from typing import Generic, TypeVar

from tallystick.node.record.group import Group
from tallystick.node.work.writer import USEFUL, Writer, WriterLost
from tallystick.tenants.database import Database

T = TypeVar("T")
logger = logging.getLogger(__name__)
FEW = 12  # jobs that are not worth a group while another one is under way
AFTER = 400  # jobs that came in groups of more than a few, before a process is started
KEEP_S = 5.0  # without such groups, after which it is ended
AGAIN_S = 10.0  # after one was lost


class Ahead(Generic[T]):
    """A tenant's use of a :class:`Writer`; for the committer's thread, but for :meth:`nudge`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writer: Writer | None = None
        self._under_way: tuple[T, Group, int] | None = None
        self._jobs = 0
        self.written = 0  # groups
        self._used_at = 0.0
        self._not_before = 0.0

    @property
    def busy(self) -> bool:
        """Whether a group is under way."""
        return self._under_way is not None

    @property
    def holds(self) -> bool:
        """Whether there is a process."""
        return self._writer is not None

    @property
    def pid(self) -> int | None:
        """That process's id."""
        return None if self._writer is None else self._writer.pid

    def takes(self, jobs: int) -> bool:
        """Whether so many jobs should run for the process; it is started and ended here, as load comes and goes."""
        if self.busy:
            return True
        now = time.monotonic()
        if self._writer is None:
            if self._jobs >= AFTER and USEFUL and now >= self._not_before:
                self._not_before = now + AGAIN_S
                self._writer = Writer.borrowed(self._path)
                self._used_at = now
            return False
        if now - self._used_at > KEEP_S:
            self.end()
            return False
        try:
            return jobs >= FEW and self._writer.has_begun()
        except WriterLost as lost:
            self._lose(lost)
            return False

    def asked_nothing(self, jobs: int) -> None:
        """So many jobs of one group, written here, have asked the database for nothing."""
        if jobs >= FEW:
            self._jobs += jobs

    @property
    def _path(self) -> str:
        return str(self._database.engine.url.database)

    def send(self, whose: T, group: Group) -> bool:
        """Have the group written, whose jobs are ``whose``; False when the process was lost meanwhile."""
        if self._writer is None or self._under_way is not None:
            return False
        self._database.lend()
        try:
            self._under_way = whose, group, self._writer.send(group)
        finally:
            if self._under_way is None:
                self._database.regain()
        self._used_at = time.monotonic()
        return True

    def wait(self) -> bool:
        """Return True when the group under way is done, False when somebody has called :meth:`nudge`."""
        return self._writer is None or self._writer.wait()

    def nudge(self) -> None:
        """Wake the committer's thread."""
        if self._writer is not None:
            self._writer.nudge()

    def result(self) -> tuple[T, Group, bool | Exception]:
        """Wait for the group under way: its jobs, the group, whether it is durable, or why nobody can tell.

        One that is not has left nothing behind.
        """
        if self._writer is None or self._under_way is None:
            raise RuntimeError("no group is under way")
        whose, group, mark = self._under_way
        durable: bool | Exception
        try:
            answer = self._writer.answer()
        except WriterLost as lost:
            self._lose(lost)
            durable = self._left(mark)
        else:
            durable = answer is None
            if answer is not None:
                logger.info("a group is run again: %s", answer)
        finally:
            self._under_way = None
            self._database.regain()
        self.written += durable is True
        return whose, group, durable

    def _left(self, mark: int) -> bool | Exception:
        try:
            return self._database.mark() == mark
        except Exception as error:
            return error

    def end(self) -> None:
        """End the process; nothing is under way."""
        self._jobs = 0
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.end()

    def _lose(self, lost: WriterLost) -> None:
        logger.warning("%s; this process writes its rows again", lost)
        self._not_before = time.monotonic() + AGAIN_S
        self.end()
