"""The SQL that writes and reads a model's rows by key, compiled once from its table for each kind of database."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from operator import itemgetter
from types import SimpleNamespace
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    Dialect,
    Executable,
    Table,
    and_,
    bindparam,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy import delete as delete_from
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import SQLModel

from tallystick.tenants.database import driver_errors, driver_of

Values = dict[str, Any]
Key = tuple[Any, ...]
_OLD = "old_"  # marks the parameters that say which row an update is for
GUARD = "old_revision"  # the parameter of the revision that a guarded update follows


class Sql:
    """One statement as the driver takes it: compiling it again for each group would cost more than running it."""

    __slots__ = ("parameters", "text", "token")

    def __init__(self, statement: Executable, dialect: Dialect, columns: list[str] | None = None) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=columns)  # type: ignore[attr-defined]
        self.text = str(compiled)
        names = compiled.positiontup if compiled.positional else list(compiled.params)
        self.parameters: Callable[[Values], Any] = _taker(names) if compiled.positional else _as_they_are
        self.token = names.index("token") if "token" in names else None  # the place of a column that may be unsigned

    def run(self, connection: Connection, many: Iterable[Values]) -> Any:
        """Run it for each of ``many``; the driver's cursor, whose ``rowcount`` says how many rows it changed."""
        with driver_errors(connection):
            cursor = driver_of(connection).cursor()
            parameters = list(map(self.parameters, many))
            if len(parameters) == 1:
                cursor.execute(self.text, parameters[0])
            else:
                cursor.executemany(self.text, parameters)
        return cursor

    def first(self, connection: Connection, values: Values) -> Any:
        """The first row of a query, or None."""
        with driver_errors(connection):
            return driver_of(connection).execute(self.text, self.parameters(values)).fetchone()


@contextmanager
def in_one_go(connection: Connection) -> Iterator[None]:
    """Statements that are run inside wait for no answer: Postgres gives them all at the end, errors too.

    Until then ``rowcount`` says nothing. SQLite, which is no journey away, answers at once.
    """
    driver = driver_of(connection)
    if not hasattr(driver, "pipeline"):
        yield
        return
    with driver_errors(connection), driver.pipeline():
        yield


def _as_they_are(values: Values) -> Values:
    return values


def _taker(names: Sequence[str]) -> Callable[[Values], Any]:
    """What takes the values of ``names`` out of a row, in that order."""
    if len(names) == 1:
        (name,) = names
        return lambda values: (values[name],)
    return itemgetter(*names) if names else lambda values: ()


class Form:
    """A model's table: its columns, its key and its statements."""

    def __init__(self, model: type[SQLModel], dialect: Dialect) -> None:
        self.table: Table = model.__table__  # type: ignore[attr-defined]
        self.name = self.table.name
        self._dialect = dialect
        self.columns = [column.name for column in self.table.columns]
        self.key = [column.name for column in self.table.primary_key]
        self.key_of: Callable[[Values], Key] = _taker(self.key)  # the primary key of a row
        self.numbered = len(self.key) == 1 and self.key == ["id"] and self.table.autoincrement_column is not None
        self._booleans = [column.name for column in self.table.columns if isinstance(column.type, Boolean)]
        fields = model.model_fields
        self.defaults = {name: fields[name].default for name in self.columns if not fields[name].is_required()}
        if self.numbered:
            self.defaults.pop(self.key[0], None)
        self._updates: dict[frozenset[str], Sql] = {}
        self._finders: dict[str, Sql] = {}
        self._others: dict[Executable, Sql] = {}
        self.select = Sql(select(self.table).where(self._is_row()), dialect)
        self.insert = Sql(insert(self.table).inline(), dialect, self._given)
        self.upsert = Sql(self._upsert(), dialect, self._given)
        self.delete = Sql(delete_from(self.table).where(self._is_row()), dialect)

    @property
    def _given(self) -> list[str]:
        return [name for name in self.columns if not (self.numbered and name in self.key)]

    def read(self, connection: Connection, key: Key) -> Values | None:
        """The row of that key as it stands in the database."""
        row = self.select.first(connection, self.which(key))
        if row is None:
            return None
        values = dict(zip(self.columns, row, strict=True))
        for name in self._booleans:
            values[name] = bool(values[name])
        return values

    def find(self, connection: Connection, column: str, value: Any) -> Any | None:
        """The row whose unique ``column`` has that value."""
        sql = self._finders.get(column)
        if sql is None:
            statement = select(self.table).where(self.table.c[column] == bindparam("value"))
            sql = self._finders[column] = Sql(statement, self._dialect)
        row = sql.first(connection, {"value": value})
        return None if row is None else as_row(dict(zip(self.columns, row, strict=True)))

    def which(self, key: Key) -> Values:
        """The parameters that name a row to :attr:`select`, :attr:`delete` and :meth:`update`."""
        return {_OLD + name: value for name, value in zip(self.key, key, strict=True)}

    @cached_property
    def guarded(self) -> Sql:
        """The statement that sets all columns of one row, unless its ``revision`` is another than the one named."""
        held = and_(self._is_row(), self.table.c.revision == bindparam(GUARD))
        statement = update(self.table).where(held).values({name: bindparam(name) for name in self.columns})
        return Sql(statement, self._dialect)

    def update(self, names: frozenset[str]) -> Sql:
        """The statement that sets ``names`` of one row."""
        found = self._updates.get(names)
        if found is None:
            statement = update(self.table).where(self._is_row()).values({name: bindparam(name) for name in names})
            found = self._updates[names] = Sql(statement, self._dialect)
        return found

    def sql(self, statement: Executable) -> Sql:
        """A statement that some module keeps, whose literal values need no parameters."""
        found = self._others.get(statement)
        if found is None:
            found = self._others[statement] = Sql(statement, self._dialect)
        return found

    def _is_row(self) -> ColumnElement[bool]:
        return and_(*(self.table.c[name] == bindparam(_OLD + name) for name in self.key))

    def _upsert(self) -> Executable:
        make = sqlite.insert if self._dialect.name == "sqlite" else postgresql.insert
        statement = make(self.table).inline()
        new = {name: statement.excluded[name] for name in self._given if name not in self.key}
        if not new:  # a table of nothing but its key
            return statement.on_conflict_do_nothing(index_elements=self.key)
        return statement.on_conflict_do_update(index_elements=self.key, set_=new)


class Forms(dict[type[SQLModel], Form]):
    """The forms of models for databases of one kind, whichever organisation's they are."""

    def __init__(self, dialect: Dialect) -> None:
        super().__init__()
        self._dialect = dialect

    def __missing__(self, model: type[SQLModel]) -> Form:
        found = self[model] = Form(model, self._dialect)
        return found


_FORMS: dict[str, Forms] = {}


def forms(dialect: Dialect) -> Forms:
    """Those of databases like this one."""
    return _FORMS.setdefault(dialect.name, Forms(dialect))


def word(constant: str) -> ColumnElement[str]:
    """A word of ours that stands in a statement's text; the parameters are what differs from run to run."""
    return literal_column(f"'{constant}'")


def as_row(values: Values) -> Any:
    """What reads like a row of the model; assigning to it changes nothing in the database."""
    return SimpleNamespace(**values)
