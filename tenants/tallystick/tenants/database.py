"""One organisation's database: SQLite in its own private folder, or Postgres by URL.

A committed write survives a power cut (``synchronous=FULL``). Writers take SQLite's lock when they begin, so a
transaction that has read something never fails half-way because another one wrote first.
"""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache, partial
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, Dialect, Engine, QueuePool, create_engine, event, exc, inspect, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util import LRUCache
from sqlmodel import Session

from tallystick.core.errors import Invalid, Unavailable
from tallystick.tenants import migrations
from tallystick.tenants.files import private_file
from tallystick.tenants.models.schema import SchemaVersion

BUSY_MS = 10_000  # longer than any transaction here takes, shorter than a person waits
# A checkpoint costs two more waits for the disk than a commit; at 16 MB of log it comes seldom enough.
PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    f"busy_timeout={BUSY_MS}",
    "wal_autocheckpoint=4000",
)
STALE_S = 1.0  # a connection to a server that has been idle for longer is tried before it is written through
_WRITES = "tallystick_writes"
_RESTS = "tallystick_rests"
_POSTGRES_WRITER = 0x7A11_5714  # any constant: what replicas of one node take turns on
_SQLITE_REASONS = {
    sqlite3.SQLITE_BUSY: "locked",
    sqlite3.SQLITE_LOCKED: "locked",
    sqlite3.SQLITE_READONLY: "read_only",
    sqlite3.SQLITE_IOERR: "io",
    sqlite3.SQLITE_CORRUPT: "damaged",
    sqlite3.SQLITE_FULL: "disk_full",
    sqlite3.SQLITE_CANTOPEN: "cannot_open",
    sqlite3.SQLITE_NOTADB: "damaged",
}


COLLIDED = "collided"  # two replicas waited for each other, and this one lost: it may begin again at once
_POSTGRES_REASONS = {"40P01": COLLIDED, "40001": COLLIDED, "53100": "disk_full", "25006": "read_only"}


class DatabaseUnavailable(Unavailable):
    """The database cannot serve now (``reason``: ``disk_full``, ``locked``, ``read_only``, ``io``, ``damaged``, …)."""

    default_code = "database_unavailable"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the database is unavailable: {reason.replace('_', ' ')}")
        self.reason = reason


class Database:
    """The tenant database at a path (SQLite) or SQLAlchemy URL; close it, or use it as a context manager."""

    def __init__(self, where: Path | str) -> None:
        url = _url(where)
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self.engine = _sqlite(url) if self.is_sqlite else create_engine(url, pool_pre_ping=True, hide_parameters=True)
        # Threads queue here instead of polling SQLite's file lock; other processes meet at the file lock.
        self._one_writer = threading.RLock() if self.is_sqlite else nullcontext()
        self._kept_lock = threading.RLock()
        self._kept: Connection | None = None  # what `writing` writes through
        self._kept_at = 0.0
        self._rests = 0
        event.listen(self.engine, "connect", self._note_when)
        event.listen(self.engine, "checkin", self._close_if_old)

    def create_schema(self) -> int:
        """Make missing tables, apply the migrations that are due, and return the schema's version."""
        with _translated(), self.engine.connect() as connection:
            connection.detach()  # so that the next of many tenants finds the memory free
            version = migrations.current(connection)
        if version is not None:
            return version
        with self.write() as session:
            return migrations.migrate(session.connection())

    @property
    def is_new(self) -> bool:
        """Whether nothing was ever kept in it."""
        with _translated(), self.engine.connect() as connection:
            return not inspect(connection).has_table(SchemaVersion.__tablename__)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session on one consistent snapshot for reading; whatever it changes is rolled back."""
        with _translated(), Session(self.engine, expire_on_commit=False) as session:
            if not self.is_sqlite:
                session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            yield session

    @contextmanager
    def looking(self) -> Iterator[Session]:
        """A :meth:`session` for a loop that looks whether there is something to do.

        Where nothing is being written its connection is closed again: hundreds of tenants look, and find nothing.
        """
        with self.session() as session:
            if self._kept is None:
                session.connection().detach()
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session in one durable transaction: committed at the end of the block, rolled back on any exception.

        There is one writer at a time, whatever the database: do not nest it, and do not await inside.
        """
        with _translated(), self._one_writer, Session(self.engine, expire_on_commit=False) as session:
            connection = session.connection(execution_options={_WRITES: True})
            if not self.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _POSTGRES_WRITER})
            yield session
            session.commit()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A connection in one durable transaction, for whoever groups many writes in it; else as :meth:`write`.

        Replicas do not take turns on the whole database here: unique keys and guarded updates tell them apart. The
        connection stays open for the next one until :meth:`rest`: opening costs more than a small group.
        """
        with _translated(), self._one_writer, self._kept_lock:
            connection = self._writer()
            try:
                with driver_errors(connection):
                    driver = driver_of(connection)
                    if self.is_sqlite:
                        driver.execute("BEGIN IMMEDIATE")
                    yield connection
                    # A query through SQLAlchemy has told it of the transaction, the driver's own statements have not.
                    (connection if connection.in_transaction() else driver).commit()
            except BaseException:
                self._abandon(connection)
                raise
            self._kept_at = time.monotonic()

    def lend(self) -> None:
        """Keep every other writer of this process away while a process of ours writes; this thread gives it back."""
        self._one_writer.__enter__()

    def regain(self) -> None:
        """That process has written what it was lent the file for."""
        self._one_writer.__exit__(None, None, None)

    def mark(self) -> int:
        """SQLite's ``user_version``, by which one can tell whether a transaction that set it became durable."""
        with _translated(), self.engine.connect() as connection:
            return int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())

    def _writer(self) -> Connection:
        if self._kept is not None and not self.is_sqlite and time.monotonic() - self._kept_at > STALE_S:
            self._let_go()
        if self._kept is None:
            self._kept = self.engine.connect()
        return self._kept

    def _abandon(self, connection: Connection) -> None:
        """Roll back; the pool does, and looks whether the connection is still good."""
        self._kept = None
        with contextlib.suppress(exc.DBAPIError):
            connection.close()

    def _let_go(self) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            with contextlib.suppress(exc.DBAPIError):
                kept.detach()
                kept.close()

    def stop_writing(self) -> None:
        """Close the connection that :meth:`writing` keeps, unless it is in use."""
        if self._kept_lock.acquire(blocking=False):
            try:
                self._let_go()
            finally:
                self._kept_lock.release()

    def rest(self) -> None:
        """Close the connections that nobody is using: each holds its schema and pages in memory.

        Those in use belong to no pool from here on; each is closed when it comes back.
        """
        self.stop_writing()
        self._rests += 1
        self.engine.dispose()

    def _note_when(self, _connection: Any, entry: ConnectionPoolEntry) -> None:
        entry.info[_RESTS] = self._rests

    def _close_if_old(self, _connection: Any, entry: ConnectionPoolEntry) -> None:
        if entry.info.get(_RESTS) != self._rests:
            entry.invalidate()

    def close(self) -> None:
        """Close every connection."""
        with self._kept_lock:
            self._let_go()
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Database({self.engine.url.render_as_string(hide_password=True)})"


def _url(where: Path | str) -> URL:
    if isinstance(where, str) and "://" in where:
        return _named(where)
    return URL.create("sqlite", database=str(Path(where).absolute()))


def _named(where: str) -> URL:
    """A URL names its database only; which driver we bring for it is our affair."""
    try:
        url = make_url(where)
    except exc.ArgumentError as error:
        raise Invalid("the database URL cannot be read", code="bad_database_url") from error
    if url.get_backend_name() == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() != "sqlite":
        raise Invalid(f"there is no support for {url.get_backend_name()[:40]} databases", code="bad_database_url")
    return url


def _sqlite(url: URL) -> Engine:
    if url.database is None:
        raise Invalid("the database URL names no file", code="bad_database_url")
    private_file(Path(url.database))  # SQLite gives its -wal and -shm files the same mode
    event.listen(pool := QueuePool(partial(_open, url.database)), "connect", _configure)
    dialect, compiled = _shared()
    engine = Engine(pool, dialect, url, hide_parameters=True, execution_options={"compiled_cache": compiled})
    event.listen(engine, "begin", _begin)
    return engine


@cache
def _shared() -> tuple[Dialect, "LRUCache[Any, Any]"]:
    """The dialect, and the compiled statements that it keys: every tenant's of its own would take 100 KB and more."""
    engine = create_engine("sqlite://")
    engine.connect().close()  # it learns what this SQLite can do
    engine.dispose()
    return engine.dialect, LRUCache(2_000)


def _open(path: str) -> Any:
    return sqlite3.connect(path, timeout=BUSY_MS / 1000, check_same_thread=False)


def _configure(connection: Any, _record: Any) -> None:
    """Take transactions out of the driver's hands: it would begin them late and without the lock."""
    connection.isolation_level = None
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: Connection) -> None:
    if driver_of(connection).in_transaction:
        return  # by `writing`
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def driver_of(connection: Connection) -> Any:
    """The driver's own connection, for statements that are compiled already."""
    return connection.connection.dbapi_connection  # also of one that has left its pool


@contextmanager
def driver_errors(connection: Connection) -> Iterator[None]:
    """What the driver raises, as SQLAlchemy would have raised it."""
    base = connection.dialect.loaded_dbapi.Error
    try:
        yield
    except base as error:
        raise exc.DBAPIError.instance(
            None, None, error, base, hide_parameters=True, dialect=connection.dialect
        ) from error


@contextmanager
def _translated() -> Iterator[None]:
    """Tell what may pass with time from what is a mistake in the program, which stays as it is."""
    try:
        yield
    except exc.TimeoutError as error:
        raise DatabaseUnavailable("too_many_connections") from error
    except exc.DBAPIError as error:
        reason = _reason(error)
        if reason is None:
            raise
        raise DatabaseUnavailable(reason) from error


def _reason(error: exc.DBAPIError) -> str | None:
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        # Extended result codes keep the primary code in their low byte.
        return _SQLITE_REASONS.get(getattr(cause, "sqlite_errorcode", 0) & 0xFF)
    return _POSTGRES_REASONS.get(getattr(cause, "sqlstate", None) or "", _unreachable(error))


def _unreachable(error: exc.DBAPIError) -> str | None:
    return "unreachable" if isinstance(error, exc.OperationalError) else None
