"""Putting messages into the outbox, inside the transaction that makes them true."""

from collections.abc import Iterable
from typing import Any

import msgspec
from sqlmodel import select

from tallystick.core import canonical
from tallystick.core.entry import read as read_entry
from tallystick.core.manifest import is_file
from tallystick.node.record import messages
from tallystick.node.record.context import Context
from tallystick.node.record.loaded import Fresh, Loaded
from tallystick.node.record.messages import AnchorMessage, ChunkMessage, EntriesMessage, Message
from tallystick.node.record.signing import head_of
from tallystick.node.record.store import entries_from, load
from tallystick.node.record.unit import Unit
from tallystick.tenants.chunks import read_manifest
from tallystick.tenants.models.record import EnvelopeRow, OutboxRow, StatementRow

_BATCH_ENTRIES = 200
_BATCH_BYTES = 500_000


def post(unit: Unit, context: Context, partner: str, message: Message, execution: str | None) -> None:
    """Queue ``message`` for ``partner``; the relay sends in order of queueing."""
    payload = messages.encode(message)
    unit.insert(
        OutboxRow,
        partner=partner,
        message_id=messages.message_id(partner, payload),
        execution=execution,
        what=type(message).__name__.removesuffix("Message").lower(),
        payload=payload,
        since=context.now(),
    )
    unit.note("posted", partner)


def post_chunks(unit: Unit, context: Context, loaded: Loaded, recipients: list[str], values: list[Any]) -> None:
    """Queue every chunk of the files among ``values``; bytes are read when they are sent."""
    names = [name for value in values for name in chunk_names(value)]
    for partner in recipients:
        for name in names:
            post(unit, context, partner, ChunkMessage(execution=loaded.row.id, sha256=name), loaded.row.id)


def share_anchor(unit: Unit, context: Context, execution: str, proof: dict[str, Any]) -> None:
    """Queue the proof of our anchored leaf for every other participant."""
    for one in load(unit, execution).agreement.participants:
        if one.org_id != context.org_id:
            post(unit, context, one.org_id, AnchorMessage(execution=execution, proof=proof), execution)


def file_hash(value: Any) -> str | None:
    """The SHA-256 of a file value's bytes, as its manifest has it; None for any other value."""
    return read_manifest(value).sha256 if is_file(value) else None


def chunk_names(value: Any) -> list[str]:
    """The chunks of a file value; none for any other value."""
    return list(read_manifest(value).chunks) if is_file(value) else []


def post_entries(unit: Unit, context: Context, loaded: Loaded, partner: str, start: int) -> None:
    """Queue the entries from ``start`` on, each message under a head of its last entry."""
    post_batch(unit, context, loaded, partner, _stored(unit, loaded.row.number, start), None)


def post_batch(
    unit: Unit, context: Context, loaded: Loaded, partner: str, entries: Iterable[Fresh], newest: str | None
) -> None:
    """Queue entries in messages of bounded size; ``newest`` is the head of the log's end, where it is at hand."""
    receiver = loaded.agreement.participant(partner)
    opens = receiver is not None and not receiver.observes  # what nobody there can open need not lie there
    for batch in _batches(entries):
        end = batch[-1].entry.seq + 1
        head = newest if newest and end == loaded.state.size else head_of(unit, context, loaded, end)
        if head is None:
            return  # another term's entries travel with that term's head
        message = EntriesMessage(
            execution=loaded.row.id,
            start=batch[0].entry.seq,
            entries=[msgspec.to_builtins(one.entry) for one in batch],
            statements=[one.token for one in batch],
            head=head,
            sealed=[envelope for one in batch for envelope in one.envelopes if opens],
        )
        post(unit, context, partner, message, loaded.row.id)


def _batches(entries: Iterable[Fresh]) -> Iterable[list[Fresh]]:
    batch: list[Fresh] = []
    size = 0
    for one in entries:
        cost = len(one.token) + len(canonical.encode([msgspec.to_builtins(one.entry), *one.envelopes]))
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
