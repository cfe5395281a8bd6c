"""Putting messages into the outbox, inside the transaction that makes them true."""

from typing import Any

from sqlmodel import Session, select

from tallystick.core import canonical
from tallystick.core.entry import Entry
from tallystick.core.manifest import is_file
from tallystick.node.record import messages
from tallystick.node.record.context import Context
from tallystick.node.record.messages import AnchorMessage, ChunkMessage, EntriesMessage, Message
from tallystick.node.record.store import Loaded, entries_from, head_at, load
from tallystick.tenants.chunks import read_manifest
from tallystick.tenants.models.record import EnvelopeRow, OutboxRow, StatementRow

_BATCH_ENTRIES = 200
_BATCH_BYTES = 500_000


def post(session: Session, context: Context, partner: str, message: Message, execution: str | None) -> None:
    """Queue ``message`` for ``partner``; the relay sends in order of queueing."""
    payload = messages.encode(message)
    session.add(
        OutboxRow(
            partner=partner,
            message_id=messages.message_id(partner, payload),
            execution=execution,
            what=type(message).__name__.removesuffix("Message").lower(),
            payload=payload,
            since=context.now(),
        )
    )


def post_chunks(session: Session, context: Context, loaded: Loaded, recipients: list[str], values: list[Any]) -> None:
    """Queue every chunk of the files among ``values``; bytes are read when they are sent."""
    names = [name for value in values for name in chunk_names(value)]
    for partner in recipients:
        for name in names:
            post(session, context, partner, ChunkMessage(execution=loaded.row.id, sha256=name), loaded.row.id)


def share_anchor(session: Session, context: Context, execution: str, proof: dict[str, Any]) -> None:
    """Queue the proof of our anchored leaf for every other participant."""
    for one in load(session, execution).agreement.participants:
        if one.org_id != context.org_id:
            post(session, context, one.org_id, AnchorMessage(execution=execution, proof=proof), execution)


def file_hash(value: Any) -> str | None:
    """The SHA-256 of a file value's bytes, as its manifest has it; None for any other value."""
    return read_manifest(value).sha256 if is_file(value) else None


def chunk_names(value: Any) -> list[str]:
    """The chunks of a file value; none for any other value."""
    return list(read_manifest(value).chunks) if is_file(value) else []


def post_entries(session: Session, context: Context, loaded: Loaded, partner: str, start: int) -> None:
    """Queue the entries from ``start`` on, in messages of bounded size, each under a head of its last entry."""
    rows = entries_from(session, loaded.row.id, start, _BATCH_ENTRIES)
    batch: list[tuple[Entry, str]] = []
    envelopes: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        statement = session.get_one(StatementRow, row.statement_id)
        sealed = session.exec(select(EnvelopeRow).where(EnvelopeRow.statement_id == row.statement_id)).all()
        cost = len(row.leaf) + len(statement.token) + sum(len(one.document) for one in sealed)
        if batch and size + cost > _BATCH_BYTES:
            _flush(session, context, loaded, partner, batch, envelopes)
            batch, envelopes, size = [], [], 0
        batch.append((canonical.parse(row.leaf), statement.token))
        envelopes += [canonical.parse(one.document) for one in sealed]
        size += cost
    if batch:
        _flush(session, context, loaded, partner, batch, envelopes)


def _flush(
    session: Session,
    context: Context,
    loaded: Loaded,
    partner: str,
    batch: list[tuple[Any, str]],
    envelopes: list[dict[str, Any]],
) -> None:
    start, end = batch[0][0]["seq"], batch[-1][0]["seq"] + 1
    head = head_at(session, loaded, end)
    if head is None:
        return  # another term's entries travel with that term's head
    message = EntriesMessage(
        execution=loaded.row.id,
        start=start,
        entries=[entry for entry, _ in batch],
        statements=[token for _, token in batch],
        head=head.token,
        sealed=envelopes,
    )
    post(session, context, partner, message, loaded.row.id)
