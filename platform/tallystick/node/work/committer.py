"""Group commit: many jobs' writes in one durable transaction.

A job is a function of a :class:`Unit`. Jobs run in the order in which they came, and those that came while a commit
was under way go together into the next one. What a job returns, or raises, reaches its caller only after the commit,
so that nothing leaves this node that a power cut could take back. One job that fails disturbs none of the others.

When something collides — another replica of this node wrote first, or two answers to one question — the group is rolled
back and its jobs run again one by one, each looking before it writes.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import exc
from sqlmodel import Session

from tallystick.core.errors import TallystickError, Unavailable
from tallystick.node.record.cache import Cache
from tallystick.node.record.unit import Conflict, Group, Note, Unit
from tallystick.tenants.database import COLLIDED, Database, DatabaseUnavailable

logger = logging.getLogger(__name__)
T = TypeVar("T")
Job = Callable[[Unit], Any]
MAX_JOBS = 256  # of one transaction: some tens of milliseconds of work
MAX_WAITING = 10_000  # jobs; whoever comes later is told to come again
TRIES = 5  # of one job that keeps colliding
LINGER_S = (
    0.2  # that a tenant's thread waits for more jobs: waking it costs a third of what a new turn of the pool does
)
# One thread for each tenant that is writing now, none for idle ones; a tenant whose disk hangs holds up only itself.
_THREADS = ThreadPoolExecutor(max_workers=256, thread_name_prefix="committer")


class Overloaded(Unavailable):
    """More is waiting to be written than this node takes on."""

    default_code = "overloaded"


class _Waiting:
    """A job, and who waits for it."""

    __slots__ = ("error", "future", "job", "result")

    def __init__(self, job: Job, future: asyncio.Future[Any]) -> None:
        self.job = job
        self.future = future
        self.result: Any = None
        self.error: BaseException | None = None

    def settle(self) -> None:
        if self.future.done():
            return  # its caller has gone
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


class Committer:
    """A tenant's one writer.

    ``finish`` runs last in every transaction; ``listen`` hears, in the event loop, what each commit has changed.
    """

    def __init__(self, database: Database, finish: Callable[[Unit], None] = lambda unit: None) -> None:
        self._database = database
        self._finish = finish
        self._listeners: list[Callable[[list[Note]], None]] = []
        self._queue: deque[_Waiting] = deque()
        self._lock = threading.Lock()
        self._draining = False
        self._lingers = False  # a thread waits for `_more`
        self._more = threading.Lock()  # held, but for the moment between a signal and who waits for it
        self._more.acquire()
        self._cache = Cache()

    def listen(self, listener: Callable[[list[Note]], None]) -> None:
        """Call ``listener`` with the notes of every commit; it must not wait."""
        self._listeners.append(listener)

    async def run(self, job: Callable[[Unit], T]) -> T:
        """What ``job`` returns, once it is durable; what it raises, once nothing is left of it."""
        return await self.submit(job)

    def submit(self, job: Callable[[Unit], T]) -> asyncio.Future[T]:
        """Queue ``job`` behind those that came before; the future is settled after the commit."""
        loop = asyncio.get_running_loop()
        waiting = _Waiting(job, loop.create_future())
        with self._lock:
            if len(self._queue) >= MAX_WAITING:
                raise Overloaded("too much is waiting to be written")
            self._queue.append(waiting)
            if not self._draining:
                self._draining = True
                if self._lingers:
                    self._more.release()
                else:
                    self._lingers = True
                    _THREADS.submit(self._work)
        return waiting.future

    async def look(self, query: Callable[[Session], T]) -> T:
        """What ``query`` finds, beside what is being written."""

        def work() -> T:
            with self._database.looking() as session:
                return query(session)

        return await asyncio.to_thread(work)

    async def idle(self) -> None:
        """Return when everything that was queued is settled."""
        await self.run(lambda unit: None)  # jobs keep their order

    def _work(self) -> None:
        """Drain the queue, again whenever it fills within a moment."""
        while True:
            self._drain()
            if self._more.acquire(timeout=LINGER_S):
                continue
            self._database.stop_writing()
            with self._lock:
                if not self._draining:
                    self._lingers = False
                    return
            self._more.acquire()  # somebody came in the last moment

    def _drain(self) -> None:
        """Commit group after group until nothing waits."""
        while True:
            with self._lock:
                batch = [self._queue.popleft() for _ in range(min(len(self._queue), MAX_JOBS))]
                if not batch:
                    self._draining = False
                    return
            notes = self._commit(batch)
            loop = batch[-1].future.get_loop()
            try:
                loop.call_soon_threadsafe(self._settle, batch, notes)
            except RuntimeError:
                logger.debug("the loop has ended before its jobs")

    def _settle(self, batch: list[_Waiting], notes: list[Note]) -> None:
        for waiting in batch:
            waiting.settle()
        if notes:
            for listener in self._listeners:
                listener(notes)

    def _commit(self, batch: list[_Waiting]) -> list[Note]:
        """Run the jobs in one transaction; what they note. Whatever goes wrong ends up in their futures."""
        try:
            return self._transact(batch, careful=False)
        except (Conflict, exc.IntegrityError):
            return [note for waiting in batch for note in self._alone(waiting)]
        except Exception as error:
            if _collided(error):
                return [note for waiting in batch for note in self._alone(waiting)]
            if isinstance(error, TallystickError) or len(batch) == 1:
                _fail(batch, error)
                return []
            return [note for waiting in batch for note in self._alone(waiting)]

    def _alone(self, waiting: _Waiting) -> list[Note]:
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

    def _transact(self, batch: list[_Waiting], *, careful: bool) -> list[Note]:
        touched: set[str] = set()
        try:
            with self._database.writing() as connection:
                group = Group(connection, self._cache, careful=careful)
                touched = group.touched
                for waiting in batch:
                    _run(group, waiting)
                last = Unit(group)
                self._finish(last)
                last.keep()
                group.flush()
        except BaseException:
            for name in touched:  # a replica may have written, and whether a commit reached the disk may be unknown
                self._cache.drop(name)
            raise
        for loaded in group.changes.executions.values():
            self._cache.put(loaded)
        return group.notes

    def __repr__(self) -> str:
        return f"Committer({self._database!r})"


def _run(group: Group, waiting: _Waiting) -> None:
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


def _fail(batch: list[_Waiting], error: Exception) -> None:
    for waiting in batch:
        waiting.error = error
