"""Reading and writing an execution's rows inside the caller's transaction."""

from functools import lru_cache
from typing import Any

import msgspec
from sqlmodel import Session, col, select

from tallystick.core import agreement as agreements
from tallystick.core import canonical
from tallystick.core.agreement import Agreement
from tallystick.core.engine.state import State
from tallystick.core.entry import Entry
from tallystick.core.errors import NotFound
from tallystick.core.head import Head
from tallystick.core.merkle import Frontier
from tallystick.core.replay import Replay
from tallystick.core.statement import Statement
from tallystick.node.record.terms import terms
from tallystick.tenants.models.listing import ExecutionTermRow
from tallystick.tenants.models.record import AgreementRow, EntryRow, ExecutionRow, HeadRow, StatementRow

_STATE = msgspec.msgpack.Decoder(State)
_FRONTIER = msgspec.msgpack.Decoder(Frontier)
_encode = msgspec.msgpack.encode


class Loaded:
    """An execution as a transaction holds it: its row and its replay."""

    def __init__(self, row: ExecutionRow, replay: Replay) -> None:
        self.row = row
        self.replay = replay

    @property
    def agreement(self) -> Agreement:
        """The agreement that governs it."""
        return self.replay.agreement

    @property
    def state(self) -> State:
        """The fold so far."""
        return self.replay.state


def put_agreement(session: Session, document: dict[str, Any]) -> tuple[str, Agreement]:
    """Check and keep an agreement; its hash and form."""
    agreement = agreements.read(document)
    name = agreements.agreement_hash(document)
    if session.get(AgreementRow, name) is None:
        session.add(AgreementRow(hash=name, document=canonical.encode(document)))
        session.flush()
    return name, agreement


def get_agreement(session: Session, name: str) -> Agreement | None:
    """The agreement of that hash, when it is here."""
    row = session.get(AgreementRow, name)
    return _agreement(row.document) if row else None


@lru_cache(maxsize=256)
def _agreement(document: bytes) -> Agreement:
    """Checked once: every transaction of an execution reads its agreement, which never changes."""
    return agreements.read(canonical.parse(document))


def create(session: Session, agreement_hash: str, agreement: Agreement, execution: str, now: int) -> Loaded:
    """A new execution without entries."""
    replay = Replay(agreement, agreement_hash, execution)
    row = ExecutionRow(
        id=execution,
        agreement_hash=agreement_hash,
        name=agreement.definition["name"],
        definition_id=agreement.definition["id"],
        status=replay.state.status,
        coordinator=agreement.coordinator,
        frontier=_encode(replay.frontier),
        state=_encode(replay.state),
        created_at=now,
        updated_at=now,
    )
    session.add(row)
    session.add_all(
        ExecutionTermRow(term=one, created_at=now, execution=execution) for one in terms(agreement, execution)
    )
    session.flush()
    return Loaded(row, replay)


def find(session: Session, execution: str) -> Loaded | None:
    """The execution, when it is here."""
    row = session.get(ExecutionRow, execution)
    if row is None:
        return None
    agreement = get_agreement(session, row.agreement_hash)
    if agreement is None:
        return None
    replay = Replay(
        agreement,
        row.agreement_hash,
        execution,
        state=_STATE.decode(row.state),
        frontier=_FRONTIER.decode(row.frontier),
    )
    return Loaded(row, replay)


def load(session: Session, execution: str) -> Loaded:
    """The execution; NotFound when this organisation has no such one."""
    loaded = find(session, execution)
    if loaded is None:
        raise NotFound("there is no such execution here")
    return loaded


def save(session: Session, loaded: Loaded, now: int) -> None:
    """Write the fold back."""
    row, replay = loaded.row, loaded.replay
    row.status, row.term, row.size, row.root = replay.state.status, replay.state.term, replay.state.size, replay.root
    row.state, row.frontier = _encode(replay.state), _encode(replay.frontier)
    row.updated_at = now
    timers = [timer.due_at for timer in replay.state.timers.values()]
    row.next_due = min(timers, default=None)
    session.add(row)


def add_entry(session: Session, entry: Entry, said: Statement, token: str) -> None:
    """Keep an entry and its statement, ours or not."""
    session.add(
        EntryRow(
            execution=entry.execution,
            term=entry.term,
            seq=entry.seq,
            statement_id=entry.statement_id,
            leaf=entry.leaf(),
        )
    )
    row = session.get(StatementRow, said.id)
    if row is None:
        row = StatementRow(id=said.id, execution=said.execution, iss=said.iss, kind=said.kind, token=token, at=entry.at)
    row.seq = entry.seq
    session.add(row)
    session.flush()


def add_head(session: Session, head: Head, token: str) -> HeadRow:
    """Keep a head or attestation; a second, different one of the same place comes back for comparison."""
    row = session.get(HeadRow, (head.execution, head.term, head.size, head.iss))
    if row is None:
        row = HeadRow(
            execution=head.execution, term=head.term, size=head.size, iss=head.iss, root=head.root, token=token
        )
        session.add(row)
        session.flush()
    return row


def head_at(session: Session, loaded: Loaded, size: int) -> HeadRow | None:
    """The coordinator's head of ``size``."""
    return session.get(HeadRow, (loaded.row.id, loaded.state.term, size, loaded.agreement.coordinator))


def entries_from(session: Session, execution: str, start: int, limit: int) -> list[EntryRow]:
    """At most ``limit`` entries from sequence number ``start``."""
    query = (
        select(EntryRow)
        .where(EntryRow.execution == execution, EntryRow.seq >= start)
        .order_by(col(EntryRow.seq))
        .limit(limit)
    )
    return list(session.exec(query))
