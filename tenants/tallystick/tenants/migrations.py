"""Numbered forward migrations of the tenant database.

Tables that are missing are made from the models; a migration changes what an earlier version left behind. A
fresh database starts at the newest version, an older one is brought forward, and a newer one is refused: an old
program would write what the new one no longer reads.
"""

import importlib
import pkgutil
import time
from collections.abc import Callable, Sequence

from sqlalchemy import Connection, func, insert, inspect, select
from sqlmodel import SQLModel

from tallystick.core.errors import Invalid
from tallystick.tenants import models
from tallystick.tenants.models.schema import SchemaVersion

Migration = Callable[[Connection], None]
_SQLITE_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table'"
_POSTGRES_TABLES = "SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = current_schema()"
MIGRATIONS: Sequence[Migration] = ()  # the first one brings version 1 to version 2


class SchemaTooNew(Invalid):
    """The database was written by a newer version of this software (``found``, ``known``)."""

    default_code = "schema_too_new"

    def __init__(self, found: int, known: int) -> None:
        super().__init__(f"the database has schema version {found}, this software knows {known}; use a newer one")
        self.found = found
        self.known = known


class SchemaTooOld(Invalid):
    """The database was written before rows were keyed by their execution's number; no release wrote such ones."""

    default_code = "schema_too_old"

    def __init__(self) -> None:
        super().__init__("the database was made by a version before the first release; make the organisation anew")


def migrate(connection: Connection, steps: Sequence[Migration] = MIGRATIONS) -> int:
    """Bring the schema to the newest version within the caller's transaction; return that version."""
    import_models()
    newest = len(steps) + 1
    found = _found(connection)
    if found and "number" not in _columns(connection, "execution"):
        raise SchemaTooOld
    if found > newest:
        raise SchemaTooNew(found, newest)
    for step in steps[max(found - 1, 0) :] if found else ():
        step(connection)
    SQLModel.metadata.create_all(connection)
    if found < newest:
        connection.execute(insert(SchemaVersion).values(version=newest, applied_at=time.time_ns() // 1_000_000))
    return newest


def current(connection: Connection, steps: Sequence[Migration] = MIGRATIONS) -> int | None:
    """The newest version, when the schema has it and lacks no table; else there is something for :func:`migrate`.

    Compiling what would make every table costs a process with hundreds of databases megabytes and seconds.
    """
    import_models()
    catalog = _SQLITE_TABLES if connection.dialect.name == "sqlite" else _POSTGRES_TABLES
    there = set(connection.exec_driver_sql(catalog).scalars())
    if not there.issuperset(SQLModel.metadata.tables) or "number" not in _columns(connection, "execution"):
        return None
    version = connection.exec_driver_sql(f"SELECT max(version) FROM {SchemaVersion.__tablename__}").scalar()  # noqa: S608
    return version if version == len(steps) + 1 else None


def import_models() -> None:
    """Import every module of ``models``: a table that nobody imported would be missing from the schema."""
    for module in pkgutil.iter_modules(models.__path__):
        importlib.import_module(f"{models.__name__}.{module.name}")


def _columns(connection: Connection, table: str) -> set[str]:
    looked = inspect(connection)
    return {column["name"] for column in looked.get_columns(table)} if looked.has_table(table) else {"number"}


def _found(connection: Connection) -> int:
    """The version that the database has; 0 for a fresh one."""
    SQLModel.metadata.tables[SchemaVersion.__tablename__].create(connection, checkfirst=True)
    return connection.execute(select(func.max(SchemaVersion.version))).scalar() or 0
