"""A tenant's transactions: each runs a group of jobs and makes their rows durable, here or in a process of their own.

Whatever goes wrong ends up with the jobs whose fault it is. When something collides — another replica of this node
wrote first, or two answers to one question — the group is rolled back and its jobs run again one by one, each looking
before it writes.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from sqlalchemy import Connection, exc

from tallystick.core.errors import TallystickError, Unavailable
from tallystick.node.record.cache import Cache
from tallystick.node.record.group import Conflict, Group, Note
from tallystick.node.record.tables import forms
from tallystick.node.record.unit import Unit
from tallystick.node.work.ahead import Ahead
from tallystick.tenants.database import COLLIDED, Database, DatabaseUnavailable

logger = logging.getLogger(__name__)
Job = Callable[[Unit], Any]
TRIES = 5  # of one job that keeps colliding


class _Undone(Exception):
    """What this group ran on top of is not to be."""


class Waiting:
    """A job, and who waits for it."""

    __slots__ = ("error", "future", "job", "result")

    def __init__(self, job: Job, future: asyncio.Future[Any]) -> None:
        self.job = job
        self.future = future
        self.result: Any = None
        self.error: BaseException | None = None

    def settle(self) -> None:
        """Give the caller, if it is still there, what came of the job."""
        if self.future.done():
            return  # its caller has gone
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


Tell = Callable[[list[Waiting], list[Note]], None]


class Transactions:
    """For one thread, which calls ``tell`` with jobs that are done and what they note; ``finish`` ends every group."""

    def __init__(self, database: Database, finish: Callable[[Unit], None], tell: Tell, *, ahead: bool) -> None:
        self._database = database
        self._forms = forms(database.engine.dialect)
        self._finish = finish
        self._tell = tell
        self._cache = Cache()
        self.ahead = Ahead[list[Waiting]](database) if ahead and database.is_sqlite else None

    def run(self, batch: list[Waiting]) -> None:
        """Run the jobs; when this returns, they are done, or under way in a process of their own."""
        if self.ahead is not None and self.ahead.takes(len(batch)):
            self._attempt(batch, self._hand_over)
        else:
            self._attempt(batch, self._transact)

    def confirm(self) -> bool:
        """Wait for the group that is under way, if there is one, and tell; False when its jobs had to run again."""
        if self.ahead is None or not self.ahead.busy:
            return True
        batch, group, durable = self.ahead.result()
        if durable is True:
            self._tell(batch, group.notes)
            return True
        self._forget(group)
        if durable is False:
            self._attempt(batch, self._transact)
        else:
            _fail(batch, durable)
            self._tell(batch, [])
        return False

    def _attempt(self, batch: list[Waiting], transact: Callable[[list[Waiting]], list[Note] | None]) -> None:
        try:
            notes = transact(batch)
        except _Undone:
            self._attempt(batch, self._transact)
            return
        except (Conflict, exc.IntegrityError):
            notes = self._one_by_one(batch)
        except Exception as error:
            if not _collided(error) and (isinstance(error, TallystickError) or len(batch) == 1):
                _fail(batch, error)
                notes = []
            else:
                notes = self._one_by_one(batch)
        if notes is not None:
            self._tell(batch, notes)

    def _one_by_one(self, batch: list[Waiting]) -> list[Note]:
        return [note for waiting in batch for note in self._alone(waiting)]

    def _alone(self, waiting: Waiting) -> list[Note]:
        """Run one job by itself, again while others are faster."""
        for left in reversed(range(TRIES)):
            try:
                return self._transact([waiting], careful=True)
            except (Conflict, exc.IntegrityError) as error:
                if not left:
                    logger.exception("a job collides again and again")
                    _fail([waiting], error if isinstance(error, Exception) else Unavailable("collided"))
            except Exception as error:
                if left and _collided(error):
                    continue
                _fail([waiting], error)
                break
        return []

    def _transact(self, batch: list[Waiting], *, careful: bool = False) -> list[Note]:
        """Run the jobs and make their rows durable; what they note."""
        group: Group | None = None
        try:
            with self._database.writing() as connection:
                group = Group(self._forms, lambda: connection, self._cache, careful=careful)
                self._fill(group, batch)
                if self.ahead is not None and not group.begun:
                    self.ahead.asked_nothing(len(batch))
                group.flush()
        except BaseException:
            if group is not None:
                self._forget(group)
            raise
        self._keep(group)
        return group.notes

    def _hand_over(self, batch: list[Waiting]) -> list[Note] | None:
        """Run the jobs, and have their rows written when those before them are; None if so.

        The group is written here if a job asks the database for anything, which waits for what is under way.
        """

        def connect() -> Connection:
            if not self.confirm():
                raise _Undone
            return stack.enter_context(self._database.writing())

        group = Group(self._forms, connect, self._cache, ahead=True)
        try:
            with ExitStack() as stack:
                self._fill(group, batch)
                if group.begun:
                    group.flush()
                elif not self.confirm() or self.ahead is None or not self.ahead.send(batch, group):
                    raise _Undone
        except BaseException as error:
            self._forget(group)
            if not self.confirm():
                raise _Undone from error
            raise
        self._keep(group)
        return group.notes if group.begun else None

    def _fill(self, group: Group, batch: list[Waiting]) -> None:
        for waiting in batch:
            _run(group, waiting)
        last = Unit(group)
        self._finish(last)
        last.keep()

    def _keep(self, group: Group) -> None:
        for loaded in group.changes.executions.values():
            self._cache.put(loaded)

    def _forget(self, group: Group) -> None:
        """Read again what it looked at: a replica may have written, and nobody may know whether a commit did."""
        for name in (*group.touched, *group.changes.executions):
            self._cache.drop(name)


def _run(group: Group, waiting: Waiting) -> None:
    unit = Unit(group)
    try:
        waiting.result, waiting.error = waiting.job(unit), None
    except (Conflict, exc.DBAPIError):
        raise
    except Exception as error:
        unit.discard()
        waiting.error = error
    else:
        unit.keep()


def _collided(error: Exception) -> bool:
    return isinstance(error, DatabaseUnavailable) and error.reason == COLLIDED


def _fail(batch: list[Waiting], error: Exception) -> None:
    for waiting in batch:
        waiting.error = error
