"""Group commit: many jobs' writes in one durable transaction.

A job is a function of a :class:`Unit`. Jobs run in the order in which they came, and those that came while a commit
was under way go together into the next one. What a job returns, or raises, reaches its caller only after the commit,
so that nothing leaves this node that a power cut could take back. One job that fails disturbs none of the others.

Under load a SQLite tenant's rows are written, and signed, by a process of their own: :mod:`tallystick.node.work.ahead`.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlmodel import Session

from tallystick.core.errors import Unavailable
from tallystick.node.record.group import Note
from tallystick.node.record.unit import Unit
from tallystick.node.work.ahead import FEW, KEEP_S
from tallystick.node.work.transactions import Transactions, Waiting
from tallystick.tenants.database import Database

logger = logging.getLogger(__name__)
T = TypeVar("T")
MAX_JOBS = 256  # of one transaction: some tens of milliseconds of work
MAX_WAITING = 10_000  # jobs; whoever comes later is told to come again
LINGER_S = (
    0.2  # that a tenant's thread waits for more jobs: waking it costs a third of what a new turn of the pool does
)
# One thread for each tenant that is writing now, none for idle ones; a tenant whose disk hangs holds up only itself.
_THREADS = ThreadPoolExecutor(max_workers=256, thread_name_prefix="committer")


class Overloaded(Unavailable):
    """More is waiting to be written than this node takes on."""

    default_code = "overloaded"


class Committer:
    """A tenant's one writer.

    ``finish`` runs last in every transaction; ``listen`` hears, in the event loop, what each commit has changed.
    """

    def __init__(
        self, database: Database, finish: Callable[[Unit], None] = lambda unit: None, *, ahead: bool = True
    ) -> None:
        self._database = database
        self._transactions = Transactions(database, finish, self._tell, ahead=ahead)
        self._ahead = self._transactions.ahead
        self._nudges = False  # the thread waits for what is under way, or for enough jobs
        self._closing = False
        self._listeners: list[Callable[[list[Note]], None]] = []
        self._queue: deque[Waiting] = deque()
        self._lock = threading.Lock()
        self._draining = False
        self._lingers = False  # a thread waits for `_more`
        self._more = threading.Lock()  # held, but for the moment between a signal and who waits for it
        self._more.acquire()
        self._ended = threading.Event()

    def listen(self, listener: Callable[[list[Note]], None]) -> None:
        """Call ``listener`` with the notes of every commit; it must not wait."""
        self._listeners.append(listener)

    async def run(self, job: Callable[[Unit], T]) -> T:
        """What ``job`` returns, once it is durable; what it raises, once nothing is left of it."""
        return await self.submit(job)

    def submit(self, job: Callable[[Unit], T]) -> asyncio.Future[T]:
        """Queue ``job`` behind those that came before; the future is settled after the commit."""
        loop = asyncio.get_running_loop()
        waiting = Waiting(job, loop.create_future())
        with self._lock:
            if len(self._queue) >= MAX_WAITING:
                raise Overloaded("too much is waiting to be written")
            self._queue.append(waiting)
            if self._nudges and self._ahead is not None and len(self._queue) >= FEW:
                self._nudges = False
                self._ahead.nudge()
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

    @property
    def writer_pid(self) -> int | None:
        """The id of the process that writes this tenant's rows, while there is one."""
        return None if self._ahead is None else self._ahead.pid

    async def close(self) -> None:
        """Settle what was queued, then let the tenant's thread and process go; nothing may come afterwards."""
        await self.idle()
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        with self._lock:
            self._closing = True
            if not self._lingers:
                return
            if not self._draining:
                self._draining = True
                self._more.release()
        self._ended.wait()

    def _work(self) -> None:
        """Drain the queue, again whenever it fills within a moment."""
        self._ended.clear()
        while True:
            self._drain()
            held = self._ahead is not None and self._ahead.holds
            if not self._closing and self._more.acquire(timeout=KEEP_S if held else LINGER_S):
                continue
            if self._ahead is not None:
                self._ahead.end()
            self._database.stop_writing()
            with self._lock:
                if not self._draining:
                    self._lingers = False
                    self._ended.set()
                    return
            self._more.acquire()  # somebody came in the last moment

    def _drain(self) -> None:
        """Commit group after group until nothing waits and nothing is under way."""
        while (batch := self._next()) is not None:
            if batch:
                self._transactions.run(batch)
            elif self._waited():
                self._transactions.confirm()

    def _waited(self) -> bool:
        """Wait for the group under way, True when it is done, or for enough jobs to run meanwhile."""
        done = self._ahead is None or self._ahead.wait()
        with self._lock:
            self._nudges = False  # nobody may nudge a process that may end now
        return done

    def _next(self) -> list[Waiting] | None:
        """The next group's jobs; none while few wait and a group is under way, None when everything is done."""
        with self._lock:
            waiting, busy = len(self._queue), self._ahead is not None and self._ahead.busy
            if busy and waiting < FEW:
                self._nudges = True
                return []
            self._nudges = False
            if not waiting:
                self._draining = False
                return None
            if self._ahead is not None and self._ahead.holds and not busy and waiting >= 2 * FEW:
                waiting //= 2  # or all would wait while all are written, and the process while all are run
            return [self._queue.popleft() for _ in range(min(waiting, MAX_JOBS))]

    def _tell(self, batch: list[Waiting], notes: list[Note]) -> None:
        try:
            batch[-1].future.get_loop().call_soon_threadsafe(self._settle, batch, notes)
        except RuntimeError:
            logger.debug("the loop has ended before its jobs")

    def _settle(self, batch: list[Waiting], notes: list[Note]) -> None:
        for waiting in batch:
            waiting.settle()
        if notes:
            for listener in self._listeners:
                listener(notes)

    def __repr__(self) -> str:
        return f"Committer({self._database!r})"
