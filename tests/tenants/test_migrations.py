"""The schema's versions only ever go forward."""

import pytest
from sqlalchemy import Connection, inspect, text
from sqlmodel import SQLModel

from tallystick.tenants.database import Database
from tallystick.tenants.migrations import SchemaTooNew, migrate


def versions(database: Database) -> list[int]:
    with database.session() as session:
        rows = session.connection().execute(text("SELECT version FROM schema_version ORDER BY version"))
        return [row[0] for row in rows]


def test_a_fresh_database_has_every_table_and_one_version(database: Database) -> None:
    assert versions(database) == [1]
    assert set(SQLModel.metadata.tables) <= set(inspect(database.engine).get_table_names())


def test_creating_twice_changes_nothing(database: Database) -> None:
    assert database.create_schema() == 1
    assert versions(database) == [1]


def test_an_older_database_gets_each_missing_step_once_in_order(database: Database) -> None:
    ran: list[int] = []

    def step(number: int) -> None:
        ran.append(number)

    def second(_: Connection) -> None:
        step(2)

    def third(_: Connection) -> None:
        step(3)

    with database.write() as session:
        assert migrate(session.connection(), [second]) == 2
    with database.write() as session:
        assert migrate(session.connection(), [second, third]) == 3
    with database.write() as session:
        assert migrate(session.connection(), [second, third]) == 3
    assert ran == [2, 3]
    assert versions(database) == [1, 2, 3]


def test_a_failed_step_leaves_the_old_version(database: Database) -> None:
    def half(connection: Connection) -> None:
        connection.execute(text("CREATE TABLE half_done (a INTEGER)"))
        raise RuntimeError

    with pytest.raises(RuntimeError), database.write() as session:
        migrate(session.connection(), [half])
    assert versions(database) == [1]
    assert "half_done" not in inspect(database.engine).get_table_names()


def test_a_newer_database_is_refused(database: Database) -> None:
    with database.write() as session:
        session.connection().execute(text("INSERT INTO schema_version VALUES (7, 0)"))
    with pytest.raises(SchemaTooNew) as caught:
        database.create_schema()
    assert (caught.value.found, caught.value.known) == (7, 1)
