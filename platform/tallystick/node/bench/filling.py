"""Filling a database with copies of one real execution: what is stored matters here, not how it came."""

from typing import Any, Protocol

from sqlalchemy import insert, select
from sqlmodel import Session, SQLModel, col

from tallystick.core import canonical
from tallystick.core.entry import Entry
from tallystick.core.entry import read as read_entry
from tallystick.tenants.database import Database
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


def fill(one: Stored, count: int, *, open: bool = False) -> None:
    """Store ``count`` copies of an execution: one that has ended, or one whose first step is waiting for its answer."""
    model = _model(one, open=open)
    first = model["execution"][0]["number"]
    for begin in range(1, count + 1, _BATCH):
        numbers = range(begin, min(begin + _BATCH, count + 1))
        with one.database.writing() as connection:
            for table, rows in model.items():
                many = [_copy(row, number - count - 1, first) for number in numbers for row in rows]
                if many:
                    connection.execute(insert(SQLModel.metadata.tables[table]), many)


def _model(one: Stored, *, open: bool) -> dict[str, Rows]:
    with one.database.session() as session:
        connection = session.connection()
        table = SQLModel.metadata.tables["execution"]
        wanted = table.c.status == ("running" if open else "completed")
        execution = connection.execute(select(table).where(wanted).limit(1)).mappings().one()
        found: dict[str, Rows] = {"execution": [dict(execution)]}
        for model in _BY_NUMBER:
            table = SQLModel.metadata.tables[str(model.__tablename__)]
            query = select(table).where(table.c.number == execution["number"])
            found[table.name] = [dict(row) for row in connection.execute(query).mappings()]
        for other in (TaskRow, NotificationRow):
            table = SQLModel.metadata.tables[str(other.__tablename__)]
            query = select(table).where(table.c.execution == execution["id"])
            found[table.name] = [dict(row) for row in connection.execute(query).mappings()]
    return found


def _copy(row: dict[str, Any], shift: int, first: int) -> dict[str, Any]:
    """The row as one of another execution, ``shift`` milliseconds away; ids stay as long as they were."""
    number = first + (shift << 20)
    copied = dict(row)
    if "number" in row:
        copied["number"] = number
    if "key" in row:
        copied["key"] = f"t_{number:016x}{row['key'][-16:]}"
        if row["status"] == "open":
            copied["due_at"] = copied["retry_at"] = row["since"] + 86_400_000
    if "agreement_hash" in row:
        copied["id"] = f"{abs(shift) * 0x9E3779B97F4A7C15 % 2**64:016x}{row['id'][16:]}"
        if row["next_due"] is not None:
            copied["next_due"] = row["next_due"] + 86_400_000
    if "execution" in row:
        copied["execution"] = f"{abs(shift) * 0x9E3779B97F4A7C15 % 2**64:016x}{row['execution'][16:]}"
    if "id" in row and isinstance(row["id"], int):
        del copied["id"]
    return copied
