"""Reading and writing an execution's rows inside the caller's unit of work."""

import secrets
from functools import lru_cache
from itertools import count
from typing import Any, NamedTuple, cast

from sqlmodel import col, select

from tallystick.core import agreement as agreements
from tallystick.core import canonical
from tallystick.core.agreement import Agreement
from tallystick.core.definition.model import Task
from tallystick.core.engine import names
from tallystick.core.entry import Entry
from tallystick.core.errors import NotFound
from tallystick.core.head import Head
from tallystick.core.replay import Replay
from tallystick.core.statement import Statement
from tallystick.node.record.loaded import Loaded, Standing
from tallystick.node.record.terms import terms
from tallystick.node.record.unit import Reader, Unit
from tallystick.tenants.models.listing import ExecutionTermRow
from tallystick.tenants.models.record import AgreementRow, EntryRow, ExecutionRow, HeadRow, StatementRow

_WITHIN = 20  # bits of an execution's number below the milliseconds


def step_of(agreement: Agreement, step_id: str) -> Task:
    """The step, which an organisation does; everything outside the engine reads steps through this."""
    return cast("Task", agreement.compiled.steps[step_id])


def step_of_task(agreement: Agreement, task: str) -> Task:
    """The step that a task visits."""
    return step_of(agreement, names.step_of(task))


class Kept(NamedTuple):
    """An agreement that is kept: its hash, its form, and whether it was not here before."""

    name: str
    agreement: Agreement
    is_new: bool


def put_agreement(unit: Unit, document: dict[str, Any], source: dict[str, Any] | None = None) -> Kept:
    """Check and keep an agreement, and the ``source`` of its definition."""
    content = canonical.encode(document)
    agreement = _agreement(content)
    name = agreements.agreement_hash(document)
    is_new = unit.get(AgreementRow, name) is None
    if is_new:
        written = canonical.encode(source) if source is not None else None
        unit.insert(AgreementRow, hash=name, document=content, source=written)
    return Kept(name, agreement, is_new)


def get_agreement(reader: Reader, name: str) -> Agreement | None:
    """The agreement of that hash, when it is here."""
    row = reader.get(AgreementRow, name)
    return _agreement(row.document) if row else None


@lru_cache(maxsize=256)
def _agreement(document: bytes) -> Agreement:
    """Checked once: every transaction of an execution reads its agreement, which never changes."""
    return agreements.read(canonical.parse(document))


_count = count(secrets.randbits(_WITHIN))


def _new_number(now: int) -> int:
    """Grows with time; what one millisecond brings, here or at a replica, differs by a counter that began anywhere."""
    return (now << _WITHIN) | (next(_count) & ((1 << _WITHIN) - 1))


def create(unit: Unit, agreement_hash: str, agreement: Agreement, execution: str, now: int) -> Loaded:
    """A new execution without entries."""
    replay = Replay(agreement, agreement_hash, execution)
    row = Standing(
        number=_new_number(now),
        id=execution,
        agreement_hash=agreement_hash,
        name=agreement.compiled.name,
        definition_id=agreement.compiled.id,
        status=replay.state.status,
        coordinator=agreement.coordinator,
        created_at=now,
        updated_at=now,
    )
    for term in terms(agreement, execution):
        unit.insert(ExecutionTermRow, term=term, created_at=now, execution=execution)
    loaded = Loaded(row, replay, stored=False)
    loaded.changed = True
    return unit.hold(loaded)


def find(reader: Reader, execution: str) -> Loaded | None:
    """The execution, when it is here."""
    held = reader.execution(execution) if isinstance(reader, Unit) else None
    if held is not None:
        return held
    row = _row(reader, execution)
    agreement = get_agreement(reader, row.agreement_hash) if row else None
    if agreement is None:
        return None
    loaded = Loaded.of_row(row, agreement)
    return reader.hold(loaded) if isinstance(reader, Unit) else loaded


def _row(reader: Reader, execution: str) -> ExecutionRow | None:
    if isinstance(reader, Unit):
        return reader.find(ExecutionRow, "id", execution)
    found: ExecutionRow | None = reader.exec(select(ExecutionRow).where(ExecutionRow.id == execution)).first()
    return found


def number_of(reader: Reader, execution: str) -> int:
    """The execution's number here, by which its rows are found; NotFound when there is no such one."""
    return load(reader, execution).row.number


def load(reader: Reader, execution: str) -> Loaded:
    """The execution; NotFound when this organisation has no such one."""
    loaded = find(reader, execution)
    if loaded is None:
        raise NotFound("there is no such execution here")
    return loaded


def save(loaded: Loaded, me: str, now: int) -> None:
    """Bring the row up to the fold; it is written when the unit's group is."""
    row, state = loaded.row, loaded.replay.state
    row.status, row.term, row.size, row.root = state.status, state.term, state.size, loaded.replay.root
    row.updated_at = now
    row.next_due = _next_due(loaded, me)
    loaded.changed = True


def _next_due(loaded: Loaded, me: str) -> int | None:
    """When we have to state something: a due time at once, a timer that we coordinate when it is due."""
    state = loaded.state
    if state.status == "suspended":
        return None
    if state.wanted and any(one.by == me for one in state.wanted.values()):
        return 0
    if loaded.agreement.coordinator != me:
        return None
    return min([timer.due_at for timer in state.timers.values()], default=None)


def add_entry(unit: Unit, loaded: Loaded, entry: Entry, said: Statement, token: str, *, is_new: bool = False) -> None:
    """Keep the entry that the replay took in last, and its statement, ours or not.

    ``is_new`` says that the caller has looked, and the statement is not here yet.
    """
    unit.insert(
        EntryRow,
        number=loaded.row.number,
        term=entry.term,
        seq=entry.seq,
        statement_id=entry.statement_id,
        leaf=loaded.replay.leaf,
        root=bytes.fromhex(loaded.replay.root),
    )
    key = (loaded.row.number, said.id)
    if not is_new and (unit.known(StatementRow, key) is not None or unit.get(StatementRow, key) is not None):
        unit.change(StatementRow, key, seq=entry.seq, due_at=None)
        return
    unit.insert(
        StatementRow,
        number=loaded.row.number,
        id=said.id,
        iss=said.iss,
        kind=said.kind,
        token=token,
        at=entry.at,
        seq=entry.seq,
    )


def add_head(unit: Unit, loaded: Loaded, head: Head, token: str) -> None:
    """Keep a head or attestation; the first one of a place stays."""
    if unit.get(HeadRow, (loaded.row.number, head.term, head.size, head.iss)) is not None:
        return
    put_head(unit, loaded, head, token)


def put_head(unit: Unit, loaded: Loaded, head: Head, token: str) -> None:
    """Keep a head that is certainly the first of its place; the database refuses another one."""
    unit.insert(
        HeadRow, number=loaded.row.number, term=head.term, size=head.size, iss=head.iss, root=head.root, token=token
    )


def head_at(reader: Reader, loaded: Loaded, size: int) -> HeadRow | None:
    """The coordinator's head of ``size``, when one was signed: entries that came together share their newest."""
    return reader.get(HeadRow, (loaded.row.number, loaded.state.term, size, loaded.agreement.coordinator))


def root_at(reader: Reader, loaded: Loaded, size: int) -> str | None:
    """The tree's root over the first ``size`` entries, hex; None beyond them."""
    if size == loaded.state.size:
        return loaded.replay.root
    row = reader.get(EntryRow, (loaded.row.number, loaded.state.term, size - 1))
    return row.root.hex() if row else None


def entries_from(reader: Reader, number: int, start: int, limit: int) -> list[EntryRow]:
    """At most ``limit`` entries from sequence number ``start``."""
    query = (
        select(EntryRow)
        .where(EntryRow.number == number, EntryRow.seq >= start)
        .order_by(col(EntryRow.seq))
        .limit(limit)
    )
    return list(reader.exec(query))
