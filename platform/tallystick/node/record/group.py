"""A group: one durable transaction, shared by jobs, and the rows that they want written.

Rows are collected by primary key, and reach the database together, with one ``executemany`` a table and kind of write.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection

from tallystick.core.jws import sign_input
from tallystick.core.keys import SigningKey
from tallystick.node.record.cache import Cache
from tallystick.node.record.loaded import Loaded
from tallystick.node.record.tables import GUARD, Form, Forms, Key, Sql, Values, in_one_go
from tallystick.tenants.models.record import ExecutionRow

INSERT, UPSERT, UPDATE, DELETE = "insert", "upsert", "update", "delete"


class Conflict(Exception):
    """Somebody else wrote first: forget what was read and do the job again."""


class Note:
    """What a committed job has changed, for those who wait: ``kind`` and its facts."""

    __slots__ = ("facts", "kind")

    def __init__(self, kind: str, facts: Any) -> None:
        self.kind = kind
        self.facts = facts


class Row:
    """A row as this transaction sees it: ``write`` says what is still to be done, ``whole`` if all of it is known."""

    __slots__ = ("changed", "values", "whole", "write")

    def __init__(self, values: Values, write: str | None, whole: bool = True, changed: Iterable[str] = ()) -> None:
        self.values = values
        self.write = write
        self.whole = whole
        self.changed = changed  # the columns that an update sets

    def copy(self) -> "Row":
        return Row(dict(self.values), self.write, self.whole, self.changed)


class Pending:
    """What waits to be written to one table: rows by key, rows that the database numbers, and other statements."""

    __slots__ = ("appended", "later", "rows")

    def __init__(self) -> None:
        self.rows: dict[Key, Row] = {}
        self.appended: list[Values] = []
        self.later: list[tuple[Sql, Values]] = []

    def take(self, other: "Pending") -> None:
        self.rows.update(other.rows)
        self.appended += other.appended
        self.later += other.later


class Changes:
    """Rows and executions that wait to be written."""

    __slots__ = ("executions", "tables")

    def __init__(self, executions: dict[str, Loaded] | None = None) -> None:
        self.tables: dict[Form, Pending] = {}
        self.executions: dict[str, Loaded] = {} if executions is None else executions

    @property
    def any(self) -> bool:
        """Whether something waits to be written."""
        return any(one.changed for one in self.executions.values()) or any(
            held.appended or held.later or any(row.write for row in held.rows.values()) for held in self.tables.values()
        )

    def take(self, other: "Changes") -> None:
        """Add those of a job that has ended well."""
        for held, pending in other.tables.items():
            before = self.tables.get(held)
            if before is None:
                self.tables[held] = pending
            else:
                before.take(pending)
        self.executions.update(other.executions)


class Group:
    """One transaction, shared by jobs; ``careful`` when it runs a job again because something collided.

    ``connect`` begins it in the database, when a job first needs that. A group whose jobs needed nothing but what is
    in memory never begins: what it wants written is all in :meth:`writes`.
    """

    def __init__(
        self,
        forms: Forms,
        connect: Callable[[], Connection],
        cache: Cache,
        *,
        careful: bool = False,
        ahead: bool = False,
    ) -> None:
        self._connect = connect
        self._connection: Connection | None = None
        self.cache = cache
        self.careful = careful
        self.ahead = ahead  # somebody else may write its rows, and sign what is signed only there
        self.forms = forms
        self.changes = Changes()
        self.notes: list[Note] = []
        self.touched: set[str] = set()  # executions that a job has looked at
        self.keys: dict[str, SigningKey] = {}  # that the tokens which are not signed yet ask for

    @property
    def connection(self) -> Connection:
        """The transaction's connection."""
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    @property
    def begun(self) -> bool:
        """Whether its transaction has begun."""
        return self._connection is not None

    def flush(self) -> None:
        """Write what waits, executions first: their rows are what replicas of this node take turns on."""
        if self.changes.any:
            self.write(self.changes)
        self.changes = Changes(self.changes.executions)

    def write(self, changes: Changes) -> None:
        """Write ``changes``, executions first; :class:`Conflict` when another replica has moved one of them."""
        guarded: list[tuple[Any, int]] = []
        with in_one_go(self.connection):
            for sql, rows, expected in self.writes(changes):
                if sql.token is not None:
                    rows = [signed(row, self.keys) for row in rows]  # noqa: PLW2901
                cursor = sql.run(self.connection, rows)
                if expected is not None:
                    guarded.append((cursor, expected))
        if any(cursor.rowcount != expected for cursor, expected in guarded):
            raise Conflict("another replica has moved one of these executions")

    def writes(self, changes: Changes) -> Iterator[tuple[Sql, list[Values], int | None]]:
        """Statements in order, each with its rows, and how many rows it has to change where that matters."""
        yield from self._execution_writes(changes)
        for held in sorted(changes.tables, key=attrgetter("name")):
            pending = changes.tables[held]
            for sql, rows in self._row_writes(held, pending.rows.values()):
                yield sql, rows, None
            if pending.appended:
                yield held.insert, pending.appended, None
            for sql, rows in _runs(pending.later):
                yield sql, rows, None

    def _execution_writes(self, changes: Changes) -> Iterator[tuple[Sql, list[Values], int | None]]:
        held = self.forms[ExecutionRow]
        changed = sorted((one for one in changes.executions.values() if one.changed), key=lambda one: one.row.number)
        new = [one.columns() for one in changed if not one.stored]
        known = [_next(held, one) for one in changed if one.stored]
        if known:
            yield held.guarded, known, len(known)
        if new:
            yield held.insert, new, None
        for one in changed:
            one.row.revision += one.stored
            one.stored, one.changed = True, False

    def _row_writes(self, held: Form, rows: Iterable[Row]) -> Iterator[tuple[Sql, list[Values]]]:
        writes: dict[str, list[Values]] = {}
        updates: dict[frozenset[str], list[Values]] = {}
        for row in rows:
            if row.write == UPDATE:
                which = held.which(held.key_of(row.values))
                updates.setdefault(frozenset(row.changed), []).append({**row.values, **which})
            elif row.write == DELETE:
                writes.setdefault(DELETE, []).append(held.which(held.key_of(row.values)))
            elif row.write is not None:
                writes.setdefault(row.write, []).append(row.values)
        for write, sql in ((DELETE, held.delete), (INSERT, held.insert), (UPSERT, held.upsert)):
            if write in writes:
                yield sql, writes[write]
        for names, many in updates.items():
            yield held.update(names), many


def signed(row: Values, keys: dict[str, SigningKey]) -> Values:
    """The row with its token signed, where it is not."""
    token = row.get("token")
    return {**row, "token": sign_input(keys[token[0]], token[1])} if type(token) is tuple else row


def _next(held: Form, loaded: Loaded) -> Values:
    """An execution's next revision, which only follows the one that was read."""
    row = loaded.row
    return {**loaded.columns(), "revision": row.revision + 1, **held.which((row.number,)), GUARD: row.revision}


def _runs(statements: Sequence[tuple[Sql, Values]]) -> Iterable[tuple[Sql, list[Values]]]:
    """Neighbours that run the same statement, together."""
    run: list[Values] = []
    before: Sql | None = None
    for sql, values in statements:
        if before is not None and sql is not before:
            yield before, run
            run = []
        before = sql
        run.append(values)
    if before is not None:
        yield before, run
