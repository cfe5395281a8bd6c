"""A unit of work: what one job reads and writes, inside the transaction that it shares with others.

A :class:`Group` is one durable transaction. Each of its jobs gets a :class:`Unit`. Writes are collected as rows by
primary key and reach the database together, with one ``executemany`` a table, when the group ends or when a query
must see them. A job that fails leaves nothing behind: what it collected is dropped, and what a query forced out early
is rolled back to a savepoint.

Executions are read from a bounded cache. Whoever writes one names the revision that was read; when another replica
of this node has written since, no row matches, and the group raises :class:`Conflict` and starts again.
"""

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any, Protocol, TypeVar, cast, overload

from sqlalchemy import Connection, Executable, NestedTransaction
from sqlmodel import SQLModel
from sqlmodel.sql.expression import Select, SelectOfScalar

from tallystick.node.record.cache import Cache
from tallystick.node.record.loaded import Loaded
from tallystick.node.record.tables import GUARD, Form, Key, Sql, Values, as_row, forms, in_one_go
from tallystick.tenants.models.record import ExecutionRow

M = TypeVar("M", bound=SQLModel)
T = TypeVar("T")
_INSERT, _UPSERT, _UPDATE, _DELETE = "insert", "upsert", "update", "delete"


class Conflict(Exception):
    """Somebody else wrote first: forget what was read and do the job again."""


class Reader(Protocol):
    """What reading functions ask for; a :class:`Unit` and a session both have it."""

    def get(self, entity: type[M], ident: Any, /) -> M | None: ...
    def exec(self, statement: Any, /) -> Any: ...


class Note:
    """What a committed job has changed, for those who wait: ``kind`` and its facts."""

    __slots__ = ("facts", "kind")

    def __init__(self, kind: str, facts: Any) -> None:
        self.kind = kind
        self.facts = facts


class _Row:
    """A row as this transaction sees it: ``write`` says what is still to be done, ``whole`` if all of it is known."""

    __slots__ = ("changed", "values", "whole", "write")

    def __init__(self, values: Values, write: str | None, whole: bool = True, changed: Iterable[str] = ()) -> None:
        self.values = values
        self.write = write
        self.whole = whole
        self.changed = changed  # the columns that an update sets

    def copy(self) -> "_Row":
        return _Row(dict(self.values), self.write, self.whole, self.changed)


class _Pending:
    """What waits to be written to one table: rows by key, rows that the database numbers, and other statements."""

    __slots__ = ("appended", "later", "rows")

    def __init__(self) -> None:
        self.rows: dict[Key, _Row] = {}
        self.appended: list[Values] = []
        self.later: list[tuple[Sql, Values]] = []

    def take(self, other: "_Pending") -> None:
        self.rows.update(other.rows)
        self.appended += other.appended
        self.later += other.later


class Changes:
    """Rows and executions that wait to be written."""

    __slots__ = ("executions", "tables")

    def __init__(self, executions: dict[str, Loaded] | None = None) -> None:
        self.tables: dict[Form, _Pending] = {}
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
    """One transaction, shared by jobs; ``careful`` when it runs a job again because something collided."""

    def __init__(self, connection: Connection, cache: Cache, *, careful: bool = False) -> None:
        self.connection = connection
        self.cache = cache
        self.careful = careful
        self.forms = forms(connection.dialect)
        self.changes = Changes()
        self.notes: list[Note] = []
        self.touched: set[str] = set()  # executions that a job has looked at

    def flush(self) -> None:
        """Write what waits, executions first: their rows are what replicas of this node take turns on."""
        if self.changes.any:
            self.write(self.changes)
        self.changes = Changes(self.changes.executions)

    def write(self, changes: Changes) -> None:
        """Write ``changes``, executions first; :class:`Conflict` when another replica has moved one of them."""
        with in_one_go(self.connection):
            moved, expected = self._write_executions(changes)
            for held in sorted(changes.tables, key=attrgetter("name")):
                pending = changes.tables[held]
                self._write_rows(held, pending.rows.values())
                if pending.appended:
                    held.insert.run(self.connection, pending.appended)
                for sql, many in _runs(pending.later):
                    sql.run(self.connection, many)
        if moved is not None and moved.rowcount != expected:
            raise Conflict("another replica has moved one of these executions")

    def _write_executions(self, changes: Changes) -> tuple[Any, int]:
        """The cursor of the guarded updates, and how many rows they have to meet."""
        held = self.forms[ExecutionRow]
        changed = sorted((one for one in changes.executions.values() if one.changed), key=lambda one: one.row.number)
        new = [one for one in changed if not one.stored]
        known = [_next(held, one) for one in changed if one.stored]
        moved = held.guarded.run(self.connection, known) if known else None
        if new:
            held.insert.run(self.connection, [one.columns() for one in new])
        for one in changed:
            one.row.revision += one.stored
            one.stored, one.changed = True, False
        return moved, len(known)

    def _write_rows(self, held: Form, rows: Iterable[_Row]) -> None:
        writes: dict[str, list[Values]] = {}
        updates: dict[frozenset[str], list[Values]] = {}
        for row in rows:
            if row.write == _UPDATE:
                which = held.which(held.key_of(row.values))
                updates.setdefault(frozenset(row.changed), []).append({**row.values, **which})
            elif row.write == _DELETE:
                writes.setdefault(_DELETE, []).append(held.which(held.key_of(row.values)))
            elif row.write is not None:
                writes.setdefault(row.write, []).append(row.values)
        for write, sql in ((_DELETE, held.delete), (_INSERT, held.insert), (_UPSERT, held.upsert)):
            if write in writes:
                sql.run(self.connection, writes[write])
        for names, many in updates.items():
            held.update(names).run(self.connection, many)


class Unit:
    """What one job sees and does."""

    def __init__(self, group: Group) -> None:
        self._group = group
        self._forms = group.forms
        self._own = Changes()
        self._savepoint: NestedTransaction | None = None
        self.notes: list[Note] = []

    @property
    def careful(self) -> bool:
        """Whether this is a second try: look before writing, so that the collision is named."""
        return self._group.careful

    @property
    def connection(self) -> Connection:
        """The transaction's connection, for statements that no method here has; write through it and see nothing."""
        self.flush()
        return self._group.connection

    def note(self, kind: str, facts: Any) -> None:
        """Tell ``facts`` to whoever listens, after the commit."""
        self.notes.append(Note(kind, facts))

    # Rows by key.

    def get(self, model: type[M], key: Any) -> M | None:
        """The row of that primary key, or None; to change it, call :meth:`change`."""
        values = self._values(self._forms[model], _tuple(key))
        return None if values is None else cast(M, as_row(values))

    def find(self, model: type[M], column: str, value: Any) -> M | None:
        """The row whose unique ``column`` has that value, as it stands in the database."""
        return cast(M | None, self._forms[model].find(self._group.connection, column, value))

    def get_one(self, model: type[M], key: Any) -> M:
        """The row of that primary key, which must be there."""
        row = self.get(model, key)
        if row is None:
            raise LookupError(f"there is no {model.__name__} {key!r}")
        return row

    def known(self, model: type[SQLModel], key: Any) -> Values | None:
        """The row's values if this transaction holds all of them in memory; a look at the database costs more."""
        row = self._held(self._forms[model], _tuple(key))
        return row.values if row is not None and row.whole and row.write != _DELETE else None

    def insert(self, model: type[SQLModel], **values: Any) -> None:
        """A new row; what is not given has the model's default."""
        held = self._forms[model]
        full = {**held.defaults, **values} if held.defaults else values
        own = self._own.tables.get(held) or self._pending(held)
        if held.numbered:
            own.appended.append(full)
            return
        key = held.key_of(full)
        before = self._held(held, key)
        if before is not None and before.write != _DELETE:
            raise Conflict(f"{held.name} {key} is there already")
        own.rows[key] = _Row(full, _INSERT if before is None else _UPSERT)

    def put(self, model: type[M], **values: Any) -> M:
        """A row that replaces one of the same key; the row as it stands now."""
        return cast(M, as_row(self.replace(model, **values)))

    def replace(self, model: type[SQLModel], **values: Any) -> Values:
        """The same as :meth:`put`; its values."""
        held = self._forms[model]
        full = {**held.defaults, **values}
        key = held.key_of(full)
        before = self._held(held, key)
        fresh = before is not None and before.write == _INSERT
        self._rows(held)[key] = _Row(full, _INSERT if fresh else _UPSERT)
        return full

    def change(self, model: type[SQLModel], key: Any, **values: Any) -> None:
        """Set columns of a row that is there."""
        held, key = self._forms[model], _tuple(key)
        rows = self._rows(held)
        row = rows.get(key)
        if row is not None and row.write == _INSERT:
            row.values.update(values)
            return
        row = self._held(held, key)
        row = row.copy() if row else _Row(dict(zip(held.key, key, strict=True)), None, whole=False)
        row.values.update(values)
        row.changed = {*row.changed, *values}
        row.write = row.write or _UPDATE
        rows[key] = row

    def delete(self, model: type[SQLModel], key: Any) -> None:
        """Remove a row."""
        held, key = self._forms[model], _tuple(key)
        self._rows(held)[key] = _Row(dict(zip(held.key, key, strict=True)), _DELETE)

    def later(self, model: type[SQLModel], statement: Executable, values: Values) -> None:
        """Run a statement of the module that calls on the model's table, after its rows have been written."""
        held = self._forms[model]
        self._pending(held).later.append((held.sql(statement), values))

    # Queries.

    @overload
    def exec(self, query: SelectOfScalar[T]) -> Sequence[T]: ...
    @overload
    def exec(self, query: Select[Any, Any]) -> Sequence[Any]: ...
    def exec(self, query: Any) -> Sequence[Any]:
        """The rows of a query; what waits is written first, so that it is seen."""
        self.flush()
        result = self._group.connection.execute(query)
        if isinstance(query, SelectOfScalar) and len(result.keys()) == 1:
            return result.scalars().all()
        return result.all()

    def flush(self) -> None:
        """Write what waits, the job's own behind a savepoint."""
        self._group.flush()
        if not self._own.any:
            return
        if self._savepoint is None:
            self._savepoint = self._group.connection.begin_nested()
        self._group.write(self._own)
        self._own = Changes(self._own.executions)

    # Executions.

    def execution(self, name: str) -> Loaded | None:
        """The execution as this transaction has it so far; None when nothing in memory tells."""
        held = self._own.executions.get(name)
        if held is None:
            self._group.touched.add(name)
            found = self._group.changes.executions.get(name) or self._group.cache.get(name)
            if found is None:
                return None
            held = self._own.executions[name] = found.copy()
        return held

    def hold(self, loaded: Loaded) -> Loaded:
        """Take in an execution that was read or made here."""
        self._own.executions[loaded.row.id] = loaded
        return loaded

    def executions(self) -> list[Loaded]:
        """Those that this transaction has looked at."""
        return list({**self._group.changes.executions, **self._own.executions}.values())

    # The job's end.

    def keep(self) -> None:
        """The job ended well: its writes become the group's."""
        if self._savepoint is not None:
            self._savepoint.commit()
        self._group.changes.take(self._own)
        self._group.notes.extend(self.notes)

    def discard(self) -> None:
        """Forget all that the job did so far; it may go on from there."""
        if self._savepoint is not None:
            self._savepoint.rollback()
            self._savepoint = None
        self._own = Changes()
        self.notes = []

    def _pending(self, held: Form) -> _Pending:
        pending = self._own.tables.get(held)
        if pending is None:
            pending = self._own.tables[held] = _Pending()
        return pending

    def _rows(self, held: Form) -> dict[Key, _Row]:
        return self._pending(held).rows

    def _held(self, held: Form, key: Key) -> _Row | None:
        own = self._own.tables.get(held)
        if own is not None and key in own.rows:
            return own.rows[key]
        before = self._group.changes.tables.get(held)
        return before.rows.get(key) if before is not None else None

    def _unseen(self, held: Form) -> bool:
        """Whether statements wait whose effect on the table's rows is not known here."""
        pending = self._own.tables.get(held), self._group.changes.tables.get(held)
        return any(one is not None and one.later for one in pending)

    def _values(self, held: Form, key: Key) -> Values | None:
        if self._unseen(held):
            self.flush()
        row = self._held(held, key)
        if row is not None and row.write == _DELETE:
            return None
        if row is not None and row.whole:
            return row.values
        values = held.read(self._group.connection, key)
        if values is None:
            return None
        if row is None:
            self._rows(held)[key] = _Row(values, None)
            return values
        whole = row.copy()
        whole.values, whole.whole = {**values, **row.values}, True
        self._rows(held)[key] = whole
        return whole.values


def _tuple(key: Any) -> Key:
    return key if isinstance(key, tuple) else (key,)


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
