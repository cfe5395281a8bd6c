"""A unit of work: what one job reads and writes, inside the transaction that it shares with others.

A :class:`Group` is one durable transaction. Each of its jobs gets a :class:`Unit`. Writes are collected as rows by
primary key and reach the database together, with one ``executemany`` a table, when the group ends or when a query
must see them. A job that fails leaves nothing behind: what it collected is dropped, and what a query forced out early
is rolled back to a savepoint.

Executions are read from a bounded cache. Whoever writes one names the revision that was read; when another replica
of this node has written since, no row matches, and the group raises :class:`Conflict` and starts again.
"""

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar, cast, overload

from sqlalchemy import Connection, Executable, NestedTransaction
from sqlmodel import SQLModel
from sqlmodel.sql.expression import Select, SelectOfScalar

from tallystick.core.jws import sign_input
from tallystick.core.keys import SigningKey
from tallystick.node.record.group import (
    DELETE,
    INSERT,
    UPDATE,
    UPSERT,
    Changes,
    Conflict,
    Group,
    Note,
    Pending,
    Row,
    signed,
)
from tallystick.node.record.loaded import Loaded
from tallystick.node.record.tables import Form, Key, Values, as_row

M = TypeVar("M", bound=SQLModel)
T = TypeVar("T")


class Reader(Protocol):
    """What reading functions ask for; a :class:`Unit` and a session both have it."""

    def get(self, entity: type[M], ident: Any, /) -> M | None: ...
    def exec(self, statement: Any, /) -> Any: ...


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

    def token(self, key: SigningKey, signing_input: str) -> str:
        """What is to be kept of a token that nobody needs before it is kept: it may be signed on its way there."""
        if not self._group.ahead:
            return sign_input(key, signing_input)
        self._group.keys[key.kid] = key
        return (key.kid, signing_input)  # type: ignore[return-value]

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
        return row.values if row is not None and row.whole and row.write != DELETE else None

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
        if before is not None and before.write != DELETE:
            raise Conflict(f"{held.name} {key} is there already")
        own.rows[key] = Row(full, INSERT if before is None else UPSERT)

    def put(self, model: type[M], **values: Any) -> M:
        """A row that replaces one of the same key; the row as it stands now."""
        return cast(M, as_row(self.replace(model, **values)))

    def replace(self, model: type[SQLModel], **values: Any) -> Values:
        """The same as :meth:`put`; its values."""
        held = self._forms[model]
        full = {**held.defaults, **values}
        key = held.key_of(full)
        before = self._held(held, key)
        fresh = before is not None and before.write == INSERT
        self._rows(held)[key] = Row(full, INSERT if fresh else UPSERT)
        return full

    def change(self, model: type[SQLModel], key: Any, **values: Any) -> None:
        """Set columns of a row that is there."""
        held, key = self._forms[model], _tuple(key)
        rows = self._rows(held)
        row = rows.get(key)
        if row is not None and row.write == INSERT:
            row.values.update(values)
            return
        row = self._held(held, key)
        row = row.copy() if row else Row(dict(zip(held.key, key, strict=True)), None, whole=False)
        row.values.update(values)
        row.changed = {*row.changed, *values}
        row.write = row.write or UPDATE
        rows[key] = row

    def delete(self, model: type[SQLModel], key: Any) -> None:
        """Remove a row."""
        held, key = self._forms[model], _tuple(key)
        self._rows(held)[key] = Row(dict(zip(held.key, key, strict=True)), DELETE)

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

    def _pending(self, held: Form) -> Pending:
        pending = self._own.tables.get(held)
        if pending is None:
            pending = self._own.tables[held] = Pending()
        return pending

    def _rows(self, held: Form) -> dict[Key, Row]:
        return self._pending(held).rows

    def _held(self, held: Form, key: Key) -> Row | None:
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
        if row is not None and row.write == DELETE:
            return None
        if row is not None and row.whole:
            if type(row.values.get("token")) is tuple:
                row.values = signed(row.values, self._group.keys)
            return row.values
        values = held.read(self._group.connection, key)
        if values is None:
            return None
        if row is None:
            self._rows(held)[key] = Row(values, None)
            return values
        whole = row.copy()
        whole.values, whole.whole = {**values, **row.values}, True
        self._rows(held)[key] = whole
        return whole.values


def _tuple(key: Any) -> Key:
    return key if isinstance(key, tuple) else (key,)
