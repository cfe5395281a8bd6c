"""Putting messages into the outbox, inside the transaction that makes them true."""

import secrets
import threading
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement
from sqlmodel import col, select

from tallystick.core import canonical
from tallystick.core.entry import read as read_entry
from tallystick.core.manifest import is_file
from tallystick.node.record import messages
from tallystick.node.record.context import Context
from tallystick.node.record.loaded import Fresh, Loaded
from tallystick.node.record.messages import (
    AgreementMessage,
    AnchorMessage,
    ChunkMessage,
    EntriesMessage,
    Message,
    NeedMessage,
)
from tallystick.node.record.quota import QuotaExceeded
from tallystick.node.record.signing import head_of
from tallystick.node.record.store import entries_from, load
from tallystick.node.record.unit import Unit
from tallystick.tenants.chunks import read_manifest
from tallystick.tenants.models.record import AgreementRow, EnvelopeRow, OutboxRow, StatementRow

_STEP = 2_048  # what lies between two numbers of one process, below which replicas differ


class Posted(NamedTuple):
    """What a commit has queued: a row of the outbox, as far as sending it needs."""

    partner: str
    number: int
    message_id: str
    what: str
    payload: bytes


class Numbers:
    """The numbers of messages: they grow with every message of this process, and with time, and stay below 2^53."""

    def __init__(self) -> None:
        self._ours = secrets.randbelow(_STEP)
        self._last = 0
        self._lock = threading.Lock()

    def next(self, now: int) -> int:
        """One that nobody has had; ``now`` is in milliseconds since 1970."""
        with self._lock:
            self._last = max(now, self._last + 1)
            return self._last * _STEP + self._ours

    def after(self, number: int) -> None:
        """Give only greater ones from now on: an earlier life of this node had a clock that was ahead."""
        with self._lock:
            self._last = max(self._last, number // _STEP + 1)


NUMBERS = Numbers()
CONFIRMED: set[int] = set()  # numbers whose partners have them, and that wait to be struck off: nothing waits for them


def undelivered() -> ColumnElement[bool]:
    """Rows of the outbox whose partners have not confirmed them; what only waits to be struck off is none."""
    return col(OutboxRow.id).not_in(frozenset(CONFIRMED))


MAX_UNREAD = 1_000  # messages to a partner; while more wait, those of its own that need an answer wait, too
_BATCH_ENTRIES = 200
_BATCH_BYTES = 500_000


def post(
    unit: Unit, context: Context, partner: str, message: Message, execution: str | None, *, again: bool = False
) -> None:
    """Queue ``message`` for ``partner``; the relay sends in order of queueing."""
    post_all(unit, context, [partner], message, execution, again=again)


def post_all(
    unit: Unit,
    context: Context,
    partners: Iterable[str],
    message: Message,
    execution: str | None,
    *,
    again: bool = False,
) -> None:
    """Queue the same message for several, or for nobody.

    ``again`` says that it may have been sent and lost: it gets an id that no stream takes for one that it has had.
    """
    payload, now = messages.encode(message), context.now()
    what = str(message.__struct_config__.tag)
    for partner in partners:
        number, name = NUMBERS.next(now), messages.message_id(partner, payload)
        posted = Posted(partner, number, f"{name}.{number:x}" if again else name, what, payload)
        unit.insert(
            OutboxRow,
            id=posted.number,
            partner=partner,
            message_id=posted.message_id,
            execution=execution,
            what=what,
            payload=payload,
            since=now,
        )
        unit.note("posted", posted)


def waits(unit: Unit, partner: str, message: Message) -> bool:
    """Whether that very message waits to be sent already, under whichever id."""
    name = messages.message_id(partner, messages.encode(message))
    same = select(OutboxRow.id).where(OutboxRow.partner == partner, col(OutboxRow.message_id).startswith(name))
    return bool(unit.exec(same.limit(1)))


def post_once(unit: Unit, context: Context, partner: str, message: Message, execution: str | None) -> None:
    """Queue once more what may have been lost, unless that very message waits to be sent already."""
    if not waits(unit, partner, message):
        post(unit, context, partner, message, execution, again=True)


def post_need(unit: Unit, context: Context, partner: str, execution: str, size: int) -> None:
    """Ask a coordinator for what follows ``size`` entries, unless that very question waits to be sent already.

    Whatever comes behind a gap asks the same, and each answer would bring all that follows.
    """
    post_once(unit, context, partner, NeedMessage(execution=execution, size=size), execution)


def post_agreement(unit: Unit, context: Context, partner: str, name: str, execution: str) -> None:
    """Queue once more an agreement that is here."""
    row = unit.get_one(AgreementRow, name)
    source = None if row.source is None else canonical.parse(row.source)
    message = AgreementMessage(agreement=canonical.parse(row.document), source=source)
    post(unit, context, partner, message, execution, again=True)


def check_unread(unit: Unit, partner: str) -> None:
    """Raise :class:`QuotaExceeded` while a partner leaves so much unread that nothing more is queued to answer it."""
    waiting = select(OutboxRow.id).where(OutboxRow.partner == partner, undelivered()).limit(MAX_UNREAD)
    if len(unit.exec(waiting)) >= MAX_UNREAD:
        raise QuotaExceeded(partner, f"{partner} leaves {MAX_UNREAD} messages unread")


def with_entries(unit: Unit, partner: str, executions: Sequence[str]) -> set[str]:
    """Those of which entries wait to be sent already: whoever lacks more still asks when they have come."""
    query = select(OutboxRow.execution).where(
        OutboxRow.partner == partner,
        OutboxRow.what == "entries",
        col(OutboxRow.execution).in_(executions),
        undelivered(),
    )
    return {one for one in unit.exec(query) if one} if executions else set()


def post_chunks(unit: Unit, context: Context, loaded: Loaded, recipients: list[str], values: list[Any]) -> None:
    """Queue every chunk of the files among ``values``; bytes are read when they are sent."""
    names = [name for value in values for name in chunk_names(value)]
    for partner in recipients:
        for name in names:
            post(unit, context, partner, ChunkMessage(execution=loaded.row.id, sha256=name), loaded.row.id)


def share_anchor(unit: Unit, context: Context, execution: str, proof: dict[str, Any]) -> None:
    """Queue the proof of our anchored leaf for every other participant."""
    others = [one.org_id for one in load(unit, execution).agreement.participants if one.org_id != context.org_id]
    post_all(unit, context, others, AnchorMessage(execution=execution, proof=proof), execution)


def file_hash(value: Any) -> str | None:
    """The SHA-256 of a file value's bytes, as its manifest has it; None for any other value."""
    return read_manifest(value).sha256 if is_file(value) else None


def chunk_names(value: Any) -> list[str]:
    """The chunks of a file value; none for any other value."""
    return list(read_manifest(value).chunks) if is_file(value) else []


def post_entries(unit: Unit, context: Context, loaded: Loaded, partner: str, start: int) -> int:
    """Queue once more the entries from ``start`` on, each message under a head of its last entry; how many."""
    stored = list(_stored(unit, loaded.row.number, start))
    post_batch(unit, context, loaded, [partner], stored, None, again=True)
    return len(stored)


def post_batch(
    unit: Unit,
    context: Context,
    loaded: Loaded,
    partners: Sequence[str],
    entries: Sequence[Fresh],
    newest: str | None,
    *,
    again: bool = False,
) -> None:
    """Queue entries in messages of bounded size; ``newest`` is the head of the log's end, where it is at hand."""
    for batch in _batches(entries):
        end = batch[-1].entry.seq + 1
        head = newest if newest and end == loaded.state.size else head_of(unit, context, loaded, end)
        if head is None:
            return  # another term's entries travel with that term's head
        message = EntriesMessage(
            execution=loaded.row.id,
            start=batch[0].entry.seq,
            entries=[msgspec.structs.asdict(one.entry) for one in batch],
            statements=[one.token for one in batch],
            head=head,
            sealed=[envelope for one in batch for envelope in one.envelopes],
        )
        blind = {one.org_id for one in loaded.agreement.participants if one.observes}.intersection(partners)
        post_all(unit, context, [one for one in partners if one not in blind], message, loaded.row.id, again=again)
        if blind:  # what nobody there can open need not lie there
            bare = msgspec.structs.replace(message, sealed=[])
            post_all(unit, context, sorted(blind), bare, loaded.row.id, again=again)


def _batches(entries: Sequence[Fresh]) -> Iterable[Sequence[Fresh]]:
    if len(entries) == 1:
        yield entries
        return
    batch: list[Fresh] = []
    size = 0
    for one in entries:
        cost = len(one.token) + len(one.entry.leaf()) + sum(len(canonical.encode(each)) for each in one.envelopes)
        if batch and size + cost > _BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += cost
    if batch:
        yield batch


def _stored(unit: Unit, number: int, start: int) -> Iterable[Fresh]:
    for row in entries_from(unit, number, start, _BATCH_ENTRIES):
        said = unit.get_one(StatementRow, (number, row.statement_id))
        sealed = unit.exec(
            select(EnvelopeRow).where(EnvelopeRow.number == number, EnvelopeRow.statement_id == row.statement_id)
        )
        envelopes = [canonical.parse(one.document) for one in sealed]
        yield Fresh(read_entry(canonical.parse(row.leaf)), said.token, envelopes)
