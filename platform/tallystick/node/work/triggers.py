"""What starts executions by itself: schedules, events, and the last consent to what a trigger has proposed.

**Once.** What a trigger does on one occasion (a due time, an event by its id) is a row under that key, written in the
unit of work that proposes the execution. So a crash leaves both or neither, and two replicas of this node do it once.
Due times that passed while the node was down are made up for once: the newest of them fires, late.

What cannot start (a condition that errs, an input that does not fit, a partner that is gone) is noted in that row.
"""

import asyncio
import contextlib
import hashlib
import logging
import secrets
from functools import partial
from typing import Any

from sqlmodel import Session, col, func, select

from tallystick.core import canonical
from tallystick.core.definition import cron
from tallystick.core.definition.model import Trigger
from tallystick.core.errors import Invalid, TallystickError, Unavailable
from tallystick.node.activities.mqtt import matches
from tallystick.node.record import beginning, definitions, store
from tallystick.node.record.context import Context
from tallystick.node.record.group import Note
from tallystick.node.record.triggering import Happening, happening, input_of, wants
from tallystick.node.record.unit import Unit
from tallystick.node.services.values import resolve
from tallystick.node.work.committer import Committer
from tallystick.node.work.trigger_runs import Launch, Runs
from tallystick.tenants.database import Database
from tallystick.tenants.models.definition import AwaitingRow, DefinitionRow, ScheduleRow

logger = logging.getLogger(__name__)
MAX_PAYLOAD = 200_000  # bytes, as http_request's answers: what is mapped from it travels in one message of the record
MAX_TOPIC = 1_000  # bytes, as for the topics that activities publish to
MAX_EVENT_ID = 255  # characters: seven UUIDs
BATCH = 100  # due schedules of one round
LOOK_AGAIN_S = 60.0  # where schedules are: the loop's clock may stand still while the machine sleeps
IDLE_S = 300.0  # where none are; only a replica of this node could have brought one
TRY_AGAIN_S = 5.0


class Listening:
    """An event trigger of a current version."""

    def __init__(self, row: DefinitionRow, place: int, trigger: Trigger) -> None:
        self.definition, self.version = row.id, row.version
        self.place = place
        self.trigger = trigger


class Triggers:
    """A tenant's triggers; ``launch`` proposes an execution of a version, and starts it if it can."""

    def __init__(self, database: Database, context: Context, committer: Committer, launch: Launch) -> None:
        self._database = database
        self._context = context
        self._committer = committer
        self._runs = Runs(context, launch)
        self._listening: list[Listening] | None = None
        self._left = True  # proposals may have been accepted that are not started
        self._stale = True
        self._wake = asyncio.Event()
        self._starts: set[asyncio.Future[None]] = set()
        self.filters_changed = asyncio.Event()
        committer.listen(self._heard)

    async def run(self) -> None:
        """Start what was accepted while nobody listened, then fire what is due, until cancelled."""
        while True:
            try:
                wait_s = await self.fire()
                if self._left:
                    self._left = False
                    await asyncio.gather(*map(self._start, await asyncio.to_thread(self._awaiting)))
                    wait_s = min(wait_s, TRY_AGAIN_S) if self._left else wait_s
            except TallystickError:
                logger.exception("schedules are looked at later")
                wait_s, self._left = TRY_AGAIN_S, True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):  # `wait_for` may swallow the cancellation that ends this loop
                    await self._wake.wait()
            self._wake.clear()

    async def fire(self) -> float:
        """Fire the schedules that are due; how many seconds until the next one is."""
        try:
            self._context.check_clock()
        except Unavailable:
            return TRY_AGAIN_S  # at no time that is known
        due, following = await asyncio.to_thread(self._due, self._context.now())
        tries = [self._committer.run(partial(self._tick, definition=name, place=place)) for name, place in due]
        failed = False
        for outcome in await asyncio.gather(*tries, return_exceptions=True):
            if isinstance(outcome, BaseException):
                logger.error("a schedule is tried again", exc_info=outcome)
                failed = True
        if failed or due:
            return TRY_AGAIN_S if failed else 0.0
        if following is None:
            return IDLE_S
        return min(max((following - self._context.now()) / 1000, 0.001), LOOK_AGAIN_S)

    async def filters(self) -> list[str]:
        """The topic filters that current versions listen to."""
        return sorted({one.trigger.topic or "" for one in await self._listeners()})

    async def event(self, topic: str, payload: Any, event_id: str | None = None) -> dict[str, Any]:
        """Start what listens to it; the runs, those of an event that came before under its id included."""
        check_topic(topic)
        if len(canonical.encode(payload)) > MAX_PAYLOAD:
            raise Invalid(f"the payload has more than {MAX_PAYLOAD} bytes", code="too_large", pointer="/payload")
        if event_id is not None and not 0 < len(event_id) <= MAX_EVENT_ID:
            raise Invalid(f"an id has 1 to {MAX_EVENT_ID} characters", code="invalid", pointer="/id")
        event_id = event_id or secrets.token_hex(16)
        occasion = "event/" + hashlib.sha256(canonical.encode([topic, event_id])).hexdigest()[:32]
        event = happening(topic, payload)
        asked = [one for one in await self._listeners() if matches(one.trigger.topic or "", topic)]
        runs = await asyncio.gather(
            *(self._committer.run(partial(self._take, one=one, occasion=occasion, event=event)) for one in asked)
        )
        return {"event_id": event_id, "runs": [one for one in runs if one is not None]}

    async def refuse(self, topic: str, detail: str) -> None:
        """Note at whatever listens to the topic that a payload of it could not be read."""
        occasion = f"event/{secrets.token_hex(16)}"
        facts = {"code": "bad_payload", "detail": detail}
        for one in await self._listeners():
            if matches(one.trigger.topic or "", topic):
                what = partial(self._runs.note, one.definition, one.place, occasion, one.version, facts)
                await self._committer.run(what)

    # Inside units of work.

    def _tick(self, unit: Unit, definition: str, place: int) -> None:
        now = self._context.now()
        held = unit.get(ScheduleRow, (definition, place))
        row = definitions.current(unit, definition)
        if held is None or held.next_due > now or row is None:
            return
        line, zone = held.cron, held.time_zone
        due = newest_due(line, zone, held.next_due, now)
        trigger = definitions.triggers_of(row.triggers)[place]
        self._runs.once(unit, row, place, f"due/{due}", partial(input_of, trigger, happening("", {"due_at": due})))
        unit.change(ScheduleRow, (definition, place), next_due=cron.next_due(line, zone, now))

    def _take(self, unit: Unit, one: Listening, occasion: str, event: Happening) -> dict[str, Any] | None:
        row = definitions.current(unit, one.definition)
        if row is None or row.version != one.version:
            return None  # another version has come meanwhile, or none is left

        def make() -> dict[str, Any] | None:
            return input_of(one.trigger, event) if wants(one.trigger, event) else None

        return self._runs.once(unit, row, one.place, occasion, make)

    async def _start(self, execution: str) -> None:
        def work(unit: Unit) -> None:
            if unit.get(AwaitingRow, execution) is None:
                return
            loaded = store.load(unit, execution)
            if loaded.state.status == "created":
                return
            if loaded.state.status == "ready":
                try:
                    values = resolve(unit, canonical.parse(loaded.row.proposed_input or b"{}"))
                    beginning.start(unit, self._context, loaded, values)
                except Unavailable:
                    raise
                except TallystickError as error:
                    unit.discard()  # it stays ready, for people to start or to terminate
                    logger.warning("a proposal that all have accepted cannot be started: %s", error)
            unit.delete(AwaitingRow, execution)

        try:
            await self._committer.run(work)
        except Exception:
            logger.exception("a proposal that all have accepted is started later")
            self._left = True
            asyncio.get_running_loop().call_later(TRY_AGAIN_S, self._wake.set)

    # What is there.

    def _due(self, now: int) -> tuple[list[tuple[str, int]], int | None]:
        due = col(ScheduleRow.next_due)
        with self._database.looking() as session:
            rows = session.exec(select(ScheduleRow).where(due <= now).order_by(due).limit(BATCH)).all()
            following = session.exec(select(func.min(due)).where(due > now)).one()
        return [(row.definition_id, row.trigger) for row in rows], following

    def _awaiting(self) -> list[str]:
        with self._database.looking() as session:
            return list(session.exec(select(col(AwaitingRow.execution))))

    async def _listeners(self) -> list[Listening]:
        found = self._listening
        while found is None or self._stale:
            self._stale = False
            found = self._listening = await asyncio.to_thread(self._look)
        return found

    def _look(self) -> list[Listening]:
        with self._database.looking() as session:
            return [
                Listening(row, place, one)
                for row in _current(session)
                for place, one in enumerate(definitions.triggers_of(row.triggers))
                if one.trigger_type == "event"
            ]

    def _heard(self, notes: list[Note]) -> None:
        for note in notes:
            if note.kind == "definitions":
                self._stale = True
                self.filters_changed.set()
                self._wake.set()
            elif note.kind == "ready":
                start = asyncio.ensure_future(self._start(note.facts))
                self._starts.add(start)
                start.add_done_callback(self._starts.discard)


def newest_due(line: str, zone: str, due: int, now: int) -> int:
    """The newest due time up to ``now``, from one on that has come; by halving, for it may have come years ago."""
    before, after = due - 1, now
    while after - before > 1:
        middle = (before + after) // 2
        if cron.next_due(line, zone, middle) <= now:
            before = middle
        else:
            after = middle
    return cron.next_due(line, zone, before)


def check_topic(topic: str) -> None:
    """Raise unless an event may have it."""
    if not 0 < len(topic.encode()) <= MAX_TOPIC or topic.startswith("$") or any(one in topic for one in "+#\0"):
        detail = f"a topic has 1 to {MAX_TOPIC} bytes, no wildcard, and does not begin with $"
        raise Invalid(detail, code="bad_topic", pointer="/topic")


def _current(session: Session) -> list[Any]:
    """The current version of each definition, without its content."""
    stands = col(DefinitionRow.deprecated_at).is_(None)
    number = func.max(col(DefinitionRow.number)).label("number")
    newest = select(col(DefinitionRow.id).label("id"), number).where(stands).group_by(col(DefinitionRow.id)).subquery()
    query = select(DefinitionRow.id, DefinitionRow.version, DefinitionRow.triggers).join(
        newest, (newest.c.id == col(DefinitionRow.id)) & (newest.c.number == col(DefinitionRow.number))
    )
    return list(session.exec(query))
