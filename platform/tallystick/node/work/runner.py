"""The runner: what is due here. Timers of executions that we coordinate, automatic tasks, activities.

What an entry makes due is heard from the commit that wrote it. The tables are looked through by index, at start, when
the earliest time that stands in them has come, and now and then for what another replica has left undone. Hundreds of
timers or tasks go into one commit; trouble with one is noted beside it and delays no other.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from functools import partial

import msgspec

from tallystick.core.errors import Unavailable
from tallystick.node.record import submitting
from tallystick.node.record.calls import ACTIVITY, LEASE_MS, Call
from tallystick.node.record.context import Context
from tallystick.node.record.group import Note
from tallystick.node.record.unit import Unit
from tallystick.node.work import doing
from tallystick.node.work.activities import Activities, ActivityCall
from tallystick.node.work.committer import Committer
from tallystick.node.work.dispatch import Dispatch
from tallystick.node.work.due import look
from tallystick.node.work.firing import Firing
from tallystick.node.work.inbox import Inbox
from tallystick.node.work.returns import Returns
from tallystick.tenants.database import Database

logger = logging.getLogger(__name__)
LOOK_AGAIN_MS = 10_000  # for what another replica of this node has left undone
SELDOM_MS = (
    300_000  # the same, where nothing has been committed since the last look: most tenants of a large node sleep
)
IDLE_MS = 2_000  # after the last commit; then a tenant keeps no connection open
UNUSED_MS = 100  # the same, where there was none: hundreds of tenants that start together keep few connections open
DOUBT_MS = 1_000  # until a clock in doubt is looked at again


class Runner:
    """Does what is due until nothing is, then waits."""

    def __init__(
        self,
        database: Database,
        context: Context,
        committer: Committer,
        inbox: Inbox,
        activities: Activities,
    ) -> None:
        self._database = database
        self._context = context
        self._committer = committer
        self._inbox = inbox
        self._firing = Firing(context)
        returns = Returns(context, committer)
        self._dispatch = Dispatch(activities, returns.answer, returns.keep_details)
        self._started = context.now()
        self._recovering = True
        self._due_at = 0
        self._look_again_ms = LOOK_AGAIN_MS
        self._committed = False  # since connections were closed last
        self._wake = asyncio.Event()
        committer.listen(self._heard)

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            while True:
                try:
                    done = await self.once()
                except Exception:  # nothing that is due here may end the loop
                    logger.exception("work is put off")
                    done = 0
                if not done:
                    await self._rest()
        finally:
            await self._dispatch.stop()

    async def once(self) -> int:
        """One round; how much was done."""
        now = self._context.now()
        if now < self._due_at:
            return 0
        try:
            self._context.check_clock()
        except Unavailable:  # nothing is due at a time that nobody knows
            self._due_at = now + DOUBT_MS
            return 0
        self._due_at = now + self._look_again_ms
        # At start, what this node's last run had leased is due: it cannot be running any more.
        leased_until = max(now, self._started + LEASE_MS - 1) if self._recovering else now
        due = await asyncio.to_thread(look, self._database, now, leased_until)
        if due.something:
            self._due_at = 0
        elif due.later is not None:
            self._due_at = min(self._due_at, due.later)  # a commit may have brought something meanwhile
        done = await self._inbox.retry_waiting(anyway=due.later is not None and due.later <= now)
        tries = [self._tried(partial(self._firing.fire, execution=one), self._firing.later(one)) for one in due.timers]
        for row in due.tasks:
            job = self._take_up if row.kind == ACTIVITY else self._do
            tries.append(self._tried(partial(job, key=row.key), doing.later(row)))
        for number, name in due.overdue:
            tries.append(self._tried(partial(self._follow_up, key=(number, name)), submitting.later(number, name)))
        done += sum(await asyncio.gather(*tries))
        if not due.tasks:
            self._recovering = False
        self._look_again_ms = LOOK_AGAIN_MS if done or self._committed else SELDOM_MS
        return done

    async def _tried(self, job: Callable[[Unit], int], later: Callable[[Unit, int], None]) -> int:
        """What came of one job. One that cannot be done is put off by itself, so that it is not due again at once."""
        try:
            return await self._committer.run(job)
        except Unavailable as error:
            logger.warning("work is put off: %s", error)
            return 0
        except Exception:
            logger.exception("work is put off")
        with contextlib.suppress(Unavailable):
            await self._committer.run(lambda unit: later(unit, self._context.now()))
        return 0

    def _do(self, unit: Unit, key: str) -> int:
        return doing.do(unit, self._context, key)

    def _take_up(self, unit: Unit, key: str) -> int:
        return doing.take_up(unit, self._context, key, self._dispatch.holds)

    def _follow_up(self, unit: Unit, key: tuple[int, str]) -> int:
        return submitting.follow_up(unit, self._context, *key)

    async def _rest(self) -> None:
        """Until something is heard, or the earliest time known has come."""
        wait_ms = min(max(self._due_at - self._context.now(), 0), SELDOM_MS)
        idle_ms = IDLE_MS if self._committed else UNUSED_MS
        if wait_ms > idle_ms and not await self._woken(idle_ms):
            self._committed = False
            await asyncio.to_thread(self._database.rest)
            wait_ms -= idle_ms
        await self._woken(max(wait_ms, 1))
        self._wake.clear()

    async def _woken(self, wait_ms: int) -> bool:
        try:
            async with asyncio.timeout(wait_ms / 1000):  # `wait_for` may swallow a cancellation
                await self._wake.wait()
        except TimeoutError:
            return False
        return True

    def _heard(self, notes: list[Note]) -> None:
        """A commit: its activities begin at once; what else it made due wakes the loop."""
        self._committed = True
        for note in notes:
            match note.kind:
                case "call":
                    self._begin(note.facts)
                case "due" if note.facts < self._due_at:
                    self._due_at = note.facts
                    self._wake.set()
                case "ended":
                    self._dispatch.end(token=note.facts)
                case "closed":
                    self._dispatch.end(execution=note.facts)

    def _begin(self, due: Call) -> None:
        """Offer a call to its activity; one that finds no room stays in the table until its lease ends."""
        call = ActivityCall(
            token=due.key,
            execution=due.execution,
            task=due.task,
            step=due.step,
            attempt=due.attempt,
            activity_type=due.activity_type,
            input=due.input,
            due_at=due.due_at,
            heartbeat_seconds=due.heartbeat_seconds,
            details=None if due.details is None else msgspec.json.decode(due.details),
        )
        self._dispatch.offer(call, due.since, due.priority)
