"""Task queues at work: workers that wait, leases that run out.

Workers wait in the order in which they came and are woken by the commit that brings a task; nobody looks at the table
meanwhile. One loop sleeps until the next lease runs out and gives the task back, or fails the attempt where the step
wants heartbeats.
"""

import asyncio
import contextlib
import logging
import math
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from sqlalchemy import exc

from tallystick.core.errors import TallystickError, Unavailable, WrongState
from tallystick.node.record import queues, store
from tallystick.node.record.answering import say_result
from tallystick.node.record.claiming import Claim, Claimed, Limits, Taken, claim
from tallystick.node.record.context import Context
from tallystick.node.record.group import Conflict, Note
from tallystick.node.record.unit import Unit
from tallystick.node.work.committer import Committer
from tallystick.tenants.models.record import TaskRow

logger = logging.getLogger(__name__)
MAX_WAITING = 1_000  # workers that wait at one time
LOOK_AGAIN_S = 10.0  # for what a replica of this node has leased
IDLE_S = 300.0  # where nothing is leased: hundreds of tenants that have no workers cost nothing
TRY_AGAIN_S = 1.0
View = Callable[[Unit, Claimed], dict[str, Any]]


class _Waiter:
    """A worker that waits: ``limited`` when tasks are there that the limits do not let out."""

    def __init__(self) -> None:
        self.woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.limited = False


class Queues:
    """A tenant's task queues."""

    def __init__(self, context: Context, committer: Committer, limits: Limits) -> None:
        self._context = context
        self._committer = committer
        self._limits = limits
        self._waiting: dict[str, deque[_Waiter]] = {}
        self._next = 0.0  # when the keeper looks again, by the loop's clock
        self._wake = asyncio.Event()
        committer.listen(self._heard)

    async def claim(self, asked: Claim, wait_s: float, view: View) -> list[dict[str, Any]]:
        """Tasks as ``view`` shows them; when there are none, the first that come within ``wait_s``."""
        if sum(map(len, self._waiting.values())) >= MAX_WAITING:
            raise Unavailable("too many workers are waiting", code="too_many_workers")
        loop = asyncio.get_running_loop()
        end = loop.time() + wait_s
        owed = False  # this worker was woken and has not looked since
        try:
            while True:
                waiter = self._join(asked.queue)  # in line before looking: what comes after the look wakes it
                try:
                    found, limited = await self._look(asked, view)
                    owed, left = False, end - loop.time()
                    if found or left <= 0:
                        return found
                    waiter.limited = limited
                    await asyncio.wait([waiter.woken], timeout=left)
                finally:
                    self._leave(asked.queue, waiter)
                    owed = owed or waiter.woken.done()
        finally:
            if owed:  # whatever it was woken for may be for the next one
                self._call(asked.queue)

    async def run(self) -> None:
        """Give back what is held too long, until cancelled."""
        while True:
            self._next = math.inf  # a lease that begins during the look is looked at next
            try:
                wait_s = await self._expire()
            except TallystickError:
                logger.exception("leases are looked at later")
                wait_s = TRY_AGAIN_S
            self._next = asyncio.get_running_loop().time() + wait_s
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):  # `wait_for` may swallow the cancellation that ends this loop
                    await self._wake.wait()
            self._wake.clear()

    async def _look(self, asked: Claim, view: View) -> tuple[list[dict[str, Any]], bool]:
        def work(unit: Unit) -> tuple[list[dict[str, Any]], bool]:
            now = self._context.now()
            while True:
                taken: Taken = claim(unit.connection, asked, self._limits, now)
                found = [one for one in (_viewed(unit, each, view) for each in taken.tasks) if one is not None]
                for one in taken.tasks:
                    unit.change(TaskRow, one.key, status="claimed", claimed_by=asked.claimed_by, claimed_at=now)
                    unit.note("leased", one.lease_until)
                if found or not taken.tasks:
                    return found, taken.limited

        return await self._committer.run(work)

    async def _expire(self) -> float:
        """One look at the leases; how many seconds until the next one."""

        def work(unit: Unit) -> tuple[list[str], int | None]:
            expired = queues.expire(unit.connection, self._context.now())
            for queue, keys in expired.put_back.items():
                for key in keys:
                    unit.change(TaskRow, key, status="open", claimed_by=None, claimed_at=None)
                    unit.note("queued", queue)
            if expired.put_back or expired.missed:
                unit.note("freed", None)
            return expired.missed, queues.next_expiry(unit.connection)

        following = await self._committer.look(lambda session: queues.next_expiry(session.connection()))
        missed: list[str] = []
        if following is not None and following <= self._context.now():
            missed, following = await self._committer.run(work)
        for outcome in await asyncio.gather(
            *(self._committer.run(partial(self._miss, key=key)) for key in missed), return_exceptions=True
        ):
            if isinstance(outcome, BaseException):
                logger.warning("a missed heartbeat is looked at again: %s", outcome)
        if missed:
            return TRY_AGAIN_S
        if following is None:
            return IDLE_S
        return min(max((following - self._context.now()) / 1000, 0.01), LOOK_AGAIN_S)

    def _miss(self, unit: Unit, key: str) -> None:
        """The worker is silent and the step wants to hear from it: the attempt has failed."""
        row = unit.get_one(TaskRow, key)
        try:
            loaded = store.load(unit, row.execution)
            say_result(unit, self._context, loaded, row, status="failed", values={}, code="heartbeat_timeout")
        except WrongState as error:
            unit.discard()
            logger.info("task %s: %s", key, error)
        queues.answer(unit.connection, key, "heartbeat_timeout")

    def _heard(self, notes: list[Note]) -> None:
        for note in notes:
            match note.kind:
                case "queued":
                    self._call(note.facts)
                case "freed":
                    for queue in list(self._waiting):
                        self._call(queue, limited=True)
                case "leased":
                    left = (note.facts - self._context.now()) / 1000
                    if asyncio.get_running_loop().time() + left < self._next:
                        self._wake.set()

    def _join(self, queue: str) -> _Waiter:
        waiter = _Waiter()
        self._waiting.setdefault(queue, deque()).append(waiter)
        return waiter

    def _leave(self, queue: str, waiter: _Waiter) -> None:
        line = self._waiting.get(queue, deque())
        if waiter in line:
            line.remove(waiter)
        if not line:
            self._waiting.pop(queue, None)

    def _call(self, queue: str, *, limited: bool = False) -> None:
        """Wake the first in line, or the first of those whom the limits hold up."""
        line = self._waiting.get(queue, deque())
        for waiter in line:
            if not limited or waiter.limited:
                line.remove(waiter)
                waiter.woken.set_result(None)
                return


def _viewed(unit: Unit, claimed: Claimed, view: View) -> dict[str, Any] | None:
    """What the worker is told; None of a task that cannot be read, which keeps its lease and is in nobody's way."""
    try:
        return view(unit, claimed)
    except (Conflict, exc.DBAPIError, Unavailable):
        raise
    except Exception:
        logger.exception("task %s cannot be given out", claimed.key)
        return None
