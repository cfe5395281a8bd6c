"""The comparer: tells partners now and then what is held of the executions that are open between them, and their card.

All of it at start, and a partner's when the way to it has come up again; otherwise what has been silent for a while,
then less and less often (:class:`.pace.Pace`). The tables are looked through by the indexes of what is open or still to
come, so closed executions cost nothing, and a tenant in which nothing is open does not look at all. A partner that has
not confirmed the last such message gets no other.
"""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from sqlalchemy import and_, bindparam, delete
from sqlmodel import Session, col, select

from tallystick.core.engine.state import OPEN
from tallystick.core.errors import TallystickError
from tallystick.node.record import outgoing, store, submitting
from tallystick.node.record.context import Context
from tallystick.node.record.group import Note
from tallystick.node.record.messages import (
    MAX_HELD,
    MAX_NEEDED_CHUNKS,
    Held,
    HoldingMessage,
    Message,
    NeedChunksMessage,
)
from tallystick.node.record.quota import QuotaExceeded
from tallystick.node.record.unit import Unit
from tallystick.node.work.committer import Committer
from tallystick.tenants.database import Database
from tallystick.tenants.models.partner import Partner
from tallystick.tenants.models.record import ExecutionRow, OutboxRow, PartnerChunkRow, UnattestedRow

logger = logging.getLogger(__name__)
T = TypeVar("T")
GIVE_UP_MS = 30 * 24 * 3_600_000  # after which an attestation or a chunk is asked for no more
MAX_CHUNKS = 1_000  # asked of a partner in one look: as much as a partner may have here that nothing names
_ASKS = ("holding", "need_chunks")
_OPEN = (ExecutionRow.id, ExecutionRow.size, ExecutionRow.coordinator, ExecutionRow.updated_at)
_TRY_AGAIN_MS = 1_000
EVERYBODY = None
_GIVE_UP = delete(UnattestedRow).where(col(UnattestedRow.since) < bindparam("b_oldest"))


class Found:
    """What one look has found: by partner what it is to be told or asked, and when something is due next."""

    def __init__(self, own_card: int = 0) -> None:
        self.own_card = own_card  # when it was issued
        self.held: dict[str, list[Held]] = defaultdict(list)
        self.offered: dict[str, list[Held]] = defaultdict(list)
        self.unattested: dict[str, list[str]] = defaultdict(list)
        self.chunks: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        self.cards: dict[str, int] = {}  # of every active partner, when the card that is here was issued
        self.up: set[str] = set()  # who is told at least that
        self.next_at: int | None = None

    @property
    def partners(self) -> set[str]:
        """Who is told or asked anything."""
        return {*self.held, *self.offered, *self.unattested, *self.chunks, *self.up}

    def messages(self, partner: str) -> Iterator[tuple[Message, str | None]]:
        """The messages for a partner, each with the execution that it is about, if that is a single one."""
        lists = self.held[partner], self.offered[partner], self.unattested[partner]
        cards = {"card": self.cards[partner], "own_card": self.own_card}
        for start in range(0, max(len(one) for one in lists) or (partner in self.up), MAX_HELD):
            held, offered, unattested = (one[start : start + MAX_HELD] for one in lists)
            yield HoldingMessage(held=held, offered=offered, unattested=unattested, **cards), None  # type: ignore[arg-type]
        for execution, names in self.chunks[partner].items():
            for part in _parts(names, MAX_NEEDED_CHUNKS):
                yield NeedChunksMessage(execution=execution, chunks=list(part)), execution


class Comparer:
    """Of one organisation."""

    def __init__(self, database: Database, context: Context, committer: Committer) -> None:
        self._database = database
        self._context = context
        self._committer = committer
        self._wake = asyncio.Event()
        self._moved = False  # something was committed since the last look
        self._up: set[str | None] = {EVERYBODY}  # whose links have come up, at start everybody's
        self._told_at: dict[str | None, int] = {}  # when that was heeded last
        self._looked_at = 0  # when the last look was taken that brought about what follows from it
        self._failed_at = 0  # when one last did not
        committer.listen(self._heard)

    def came_up(self, partner: str) -> None:
        """The way to ``partner`` is there again: either side may have lost what it had acknowledged."""
        self._up.add(partner)
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            up, self._moved = self._heeded(), False
            try:
                next_at = await self._once(up)
            except Exception as error:  # whatever it is, losses must still be looked for
                is_known = isinstance(error, TallystickError)
                logger.warning("partners are compared with later: %s", error, exc_info=not is_known)
                self._up |= up
                self._failed_at = self._context.now()
                next_at = self._failed_at + (_TRY_AGAIN_MS if is_known else self._context.pace.quiet_ms)
            await self._rest(next_at)

    def _heard(self, _notes: list[Note]) -> None:
        if not self._moved:
            self._moved = True
            self._wake.set()

    def _heeded(self) -> set[str | None]:
        """Those that have come up and are not heeded too often; the others wait until they may be."""
        now = self._context.now()
        due = {one for one in self._up if self._up_at(one) <= now}
        self._up -= due
        self._told_at |= dict.fromkeys(due, now)
        return due

    def _up_at(self, partner: str | None) -> int:
        told_at = max(self._told_at.get(partner, 0), self._told_at.get(EVERYBODY, 0))
        return told_at + self._context.pace.link_ms

    async def _rest(self, next_at: int | None) -> None:
        """Until a link comes up, or something is due; a look for what moved comes only once in a while."""
        soonest = max(self._looked_at + self._context.pace.quiet_ms // 2, self._failed_at + _TRY_AGAIN_MS)
        while True:
            self._wake.clear()
            times = [] if next_at is None else [max(next_at, soonest)]
            times += [soonest] if self._moved else []
            times += map(self._up_at, self._up)
            pause_s = (min(times) - self._context.now()) / 1000 if times else None
            if pause_s is not None and pause_s <= 0:
                return
            try:
                async with asyncio.timeout(pause_s):
                    await self._wake.wait()
            except TimeoutError:
                return

    async def _once(self, up: set[str | None]) -> int | None:
        """One look, and what follows from it; when the next one is due, in Unix ms."""
        now = self._context.now()
        found, silent = await asyncio.to_thread(self._look, now, up)
        if not found.cards:
            self._looked_at = now
            return None
        jobs = [
            self._committer.run(partial(self._tell, partner=partner, messages=list(found.messages(partner))))
            for partner in found.partners - silent
        ]
        jobs += [self._committer.run(self._give_up)] if EVERYBODY in up else []
        jobs += [self._committer.run(partial(submitting.hasten, context=self._context, partner=one)) for one in up]
        await asyncio.gather(*jobs)
        self._looked_at = now  # only now: what was due and could not be told is due still
        return found.next_at

    def _tell(self, unit: Unit, *, partner: str, messages: Iterable[tuple[Message, str | None]]) -> None:
        with contextlib.suppress(QuotaExceeded):  # it leaves too much unread to be told more
            outgoing.check_unread(unit, partner)
            for message, execution in messages:
                outgoing.post(unit, self._context, partner, message, execution, again=True)

    def _give_up(self, unit: Unit) -> None:
        unit.later(UnattestedRow, _GIVE_UP, {"b_oldest": self._context.now() - GIVE_UP_MS})

    def _look(self, now: int, up: set[str | None]) -> tuple[Found, set[str]]:
        """What is due, and who gets nothing: partners no more, and such as have not confirmed the last message."""
        own = self._context.own_card.card
        found = Found(own.iat if own else 0)
        with self._database.looking() as session:
            found.cards = dict(
                session.exec(select(Partner.org_id, Partner.issued_at).where(Partner.status == "active")).all()
            )
            if not found.cards:
                return found, set()
            found.up = {partner for partner in found.cards if up & {EVERYBODY, partner}}
            self._look_at_open(session, found, now, up)
            self._look_at_missing(session, found, now, up)
            asked = select(OutboxRow.partner).where(col(OutboxRow.what).in_(_ASKS), outgoing.undelivered()).distinct()
            silent = set(session.exec(asked)) if found.partners else set()
        return found, (found.partners - found.cards.keys()) | (set() if EVERYBODY in up else silent - up)

    def _look_at_open(self, session: Session, found: Found, now: int, up: set[str | None]) -> None:
        me = self._context.org_id
        ours = []
        query = select(*_OPEN).where(col(ExecutionRow.status).in_(OPEN), ExecutionRow.coordinator != me)
        for execution, size, coordinator, moved_at in session.exec(query):
            if self._due(found, now, moved_at, up, coordinator):
                found.held[coordinator].append(Held(execution=execution, size=size))
        query = select(*_OPEN).where(ExecutionRow.status == "created", ExecutionRow.coordinator == me)
        for execution, size, _, moved_at in session.exec(query):
            if self._due(found, now, moved_at, up) or up:
                ours.append((execution, size, moved_at))
        for execution, size, moved_at in ours:
            for org, consent in store.load(session, execution).state.consents.items():
                if consent == "pending" and org != me and self._due(found, now, moved_at, up, org):
                    found.offered[org].append(Held(execution=execution, size=size))

    def _look_at_missing(self, session: Session, found: Found, now: int, up: set[str | None]) -> None:
        """Attestations and chunks that have not come."""
        number = col(ExecutionRow.number)
        lacking = select(ExecutionRow.id, UnattestedRow.partner, UnattestedRow.since)
        lacking = lacking.join(UnattestedRow, col(UnattestedRow.number) == number)
        oldest = now - GIVE_UP_MS
        for execution, partner, since in session.exec(lacking.where(UnattestedRow.since > oldest)):
            if self._due(found, now, since, up, partner):
                found.unattested[partner].append(execution)
        is_wanted = and_(col(PartnerChunkRow.execution).is_not(None), col(PartnerChunkRow.at) > oldest)
        owing = session.exec(select(PartnerChunkRow.partner).where(is_wanted).distinct()).all()
        for partner in owing:  # each by itself: what one never sends keeps nothing of others away
            theirs = select(PartnerChunkRow).where(is_wanted, PartnerChunkRow.partner == partner)
            theirs = theirs.order_by(col(PartnerChunkRow.at))
            for row in session.exec(theirs.limit(MAX_CHUNKS)):
                due = self._due(found, now, row.at, up, partner)
                if due and now - row.at >= self._context.pace.quiet_ms // 4:  # else they may be on their way
                    found.chunks[partner][row.execution or ""].append(row.sha256)

    def _due(self, found: Found, now: int, since: int, up: set[str | None], partner: str | None = EVERYBODY) -> bool:
        """Whether what is silent ``since`` then is due; when it will be is noted."""
        pace, silent = self._context.pace, max(now - since, 0)
        next_at = since + pace.next(silent)
        found.next_at = next_at if found.next_at is None else min(found.next_at, next_at)
        return bool(up & {EVERYBODY, partner} or pace.steps(silent) > pace.steps(max(self._looked_at - since, 0)))


def _parts(names: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(names), size):
        yield names[start : start + size]
