"""Filling a database with copies of one real execution: what is stored matters here, not how it came."""

from collections.abc import Callable
from typing import Any, Protocol

from sqlalchemy import Table, select
from sqlmodel import Session, SQLModel, col

from tallystick.core import canonical
from tallystick.core.entry import Entry
from tallystick.core.entry import read as read_entry
from tallystick.node.record.tables import forms
from tallystick.tenants.database import Database
from tallystick.tenants.models.listing import ExecutionTermRow
from tallystick.tenants.models.record import (
    EntryRow,
    ExecutionRow,
    HeadRow,
    NotificationRow,
    OpeningRow,
    StatementRow,
    TaskRow,
)

_BATCH = 2_000
_BY_NUMBER: tuple[type[SQLModel], ...] = (StatementRow, EntryRow, HeadRow, OpeningRow)
_BY_ID: tuple[type[SQLModel], ...] = (TaskRow, NotificationRow, ExecutionTermRow)
Rows = list[dict[str, Any]]


class Stored(Protocol):
    """Whatever keeps its record in a database."""

    @property
    def database(self) -> Database: ...


def record_of(session: Session) -> tuple[list[Entry], list[str], str]:
    """The entries and statements' tokens of an execution that has ended, and its id."""
    row = session.connection().execute(select(col(ExecutionRow.number), col(ExecutionRow.id))).first()
    if row is None:
        raise LookupError("nothing has been executed")
    query = (
        select(col(EntryRow.leaf), col(StatementRow.token))
        .join(
            StatementRow,
            (col(StatementRow.number) == col(EntryRow.number)) & (col(StatementRow.id) == col(EntryRow.statement_id)),
        )
        .where(col(EntryRow.number) == row.number)
        .order_by(col(EntryRow.seq))
    )
    pairs = session.connection().execute(query).all()
    return [read_entry(canonical.parse(leaf)) for leaf, _ in pairs], [token for _, token in pairs], row.id


def fill(one: Stored, count: int, *, open: bool = False, tell: Callable[[str], None] = lambda text: None) -> None:
    """Store ``count`` copies of an execution: one that has ended, or one whose first step is waiting for its answer."""
    model = _model(one, open=open)
    first = model[ExecutionRow][0]["number"]
    held = forms(one.database.engine.dialect)
    for begin in range(1, count + 1, _BATCH):
        numbers = range(begin, min(begin + _BATCH, count + 1))
        with one.database.writing() as connection:
            for table, rows in model.items():
                many = [_copy(row, number - count - 1, first) for number in numbers for row in rows]
                if many:
                    held[table].insert.run(connection, many)
        if begin // (10 * _BATCH) != (begin - _BATCH) // (10 * _BATCH):
            tell(f"{numbers[-1]:,} of {count:,} executions stored")


def _model(one: Stored, *, open: bool) -> dict[type[SQLModel], Rows]:
    """All rows that one execution really has."""
    with one.database.session() as session:
        connection = session.connection()
        wanted = col(ExecutionRow.status) == ("running" if open else "completed")
        query = select(_table(ExecutionRow)).where(wanted).limit(1)
        execution = connection.execute(query).mappings().one()
        found: dict[type[SQLModel], Rows] = {ExecutionRow: [dict(execution)]}
        for models, column, value in (
            (_BY_NUMBER, "number", execution["number"]),
            (_BY_ID, "execution", execution["id"]),
        ):
            for model in models:
                query = select(_table(model)).where(_table(model).c[column] == value)
                found[model] = [dict(row) for row in connection.execute(query).mappings()]
    return found


def _table(model: type[SQLModel]) -> Table:
    return SQLModel.metadata.tables[str(model.__tablename__)]


def _copy(row: dict[str, Any], shift: int, first: int) -> dict[str, Any]:
    """The row as one of another execution, ``shift`` milliseconds away; ids stay as long as they were."""
    number = first + (shift << 20)
    prefix = f"{abs(shift) * 0x9E3779B97F4A7C15 % 2**64:016x}"
    copied = dict(row)
    if "number" in row:
        copied["number"] = number
    if "key" in row:
        copied["key"] = f"t_{number:016x}{row['key'][-16:]}"
        if row["status"] == "open":
            copied["due_at"] = copied["retry_at"] = row["since"] + 86_400_000
    if "agreement_hash" in row:
        copied["id"] = prefix + row["id"][16:]
        copied["created_at"] += shift
        if row["next_due"] is not None:
            copied["next_due"] = row["next_due"] + 86_400_000
    if "execution" in row:
        copied["execution"] = prefix + row["execution"][16:]
    if "term" in row and "execution" in row:
        copied["created_at"] += shift
        copied["term"] = row["term"].replace(row["execution"], copied["execution"])
    if "id" in row and isinstance(row["id"], int):
        del copied["id"]
    return copied
