"""The tenant database: durability settings, transactions, faults."""

import stat
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import exc, text

from tallystick.core.errors import Invalid
from tallystick.tenants.database import Database, DatabaseUnavailable
from tallystick.tenants.files import OpenToOthers

CREATE = text("CREATE TABLE x (a TEXT UNIQUE)")


def scalar(database: Database, statement: str) -> object:
    with database.session() as session:
        return session.connection().execute(text(statement)).scalar()


@pytest.mark.parametrize(
    ("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 10_000)]
)
def test_every_connection_is_configured(database: Database, pragma: str, value: object) -> None:
    assert scalar(database, f"PRAGMA {pragma}") == value


def test_all_files_are_private(database: Database, folder: Path) -> None:
    with database.write() as session:
        session.connection().execute(text("CREATE TABLE x (a INTEGER)"))
    names = {path.name for path in folder.iterdir()}
    assert {"tenant.db", "tenant.db-wal", "tenant.db-shm"} <= names
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_a_folder_open_to_others_is_refused(folder: Path) -> None:
    folder.chmod(0o755)
    with pytest.raises(OpenToOthers):
        Database(folder / "tenant.db")


def test_a_write_commits_as_a_whole(database: Database) -> None:
    with database.write() as session:
        session.connection().execute(text("CREATE TABLE x (a INTEGER)"))
        session.connection().execute(text("INSERT INTO x VALUES (1), (2)"))
    assert scalar(database, "SELECT count(*) FROM x") == 2


def test_an_exception_rolls_the_write_back(database: Database) -> None:
    def fail() -> None:
        with database.write() as session:
            session.connection().execute(CREATE)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert scalar(database, "SELECT count(*) FROM sqlite_master WHERE name = 'x'") == 0


def test_a_reading_session_keeps_nothing(database: Database) -> None:
    with database.session() as session:
        session.connection().execute(text("CREATE TABLE x (a INTEGER)"))
    assert scalar(database, "SELECT count(*) FROM sqlite_master WHERE name = 'x'") == 0


def test_a_reader_sees_one_snapshot_beside_a_writer(database: Database) -> None:
    with database.write() as session:
        session.connection().execute(text("CREATE TABLE x (a INTEGER)"))
    with database.session() as reader:
        count = text("SELECT count(*) FROM x")
        assert reader.connection().execute(count).scalar() == 0
        with database.write() as writer:
            writer.connection().execute(text("INSERT INTO x VALUES (1)"))
        assert reader.connection().execute(count).scalar() == 0
    assert scalar(database, "SELECT count(*) FROM x") == 1


def test_writers_read_and_write_without_losing_updates(database: Database) -> None:
    with database.write() as session:
        session.connection().execute(text("CREATE TABLE x (a INTEGER)"))
        session.connection().execute(text("INSERT INTO x VALUES (0)"))

    def increment() -> None:
        for _ in range(10):
            with database.write() as session:
                value = session.connection().execute(text("SELECT a FROM x")).scalar_one()
                session.connection().execute(text("UPDATE x SET a = :a"), {"a": value + 1})

    threads = [threading.Thread(target=increment) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert scalar(database, "SELECT a FROM x") == 40


def test_a_full_disk_is_unavailable_and_changes_nothing(database: Database) -> None:
    def fill() -> None:
        with database.write() as session:
            session.connection().execute(CREATE)
            session.connection().execute(text("PRAGMA max_page_count = 1"))  # SQLite's own way to run out of room
            session.connection().execute(text("INSERT INTO x VALUES (randomblob(1000000))"))

    with pytest.raises(DatabaseUnavailable, match="disk full") as caught:
        fill()
    assert caught.value.reason == "disk_full"
    assert scalar(database, "SELECT count(*) FROM sqlite_master WHERE name = 'x'") == 0


def test_a_locked_database_is_unavailable(database: Database, folder: Path) -> None:
    def write_at_once(other: Database) -> None:
        with other.session() as session:
            session.connection().execute(text("PRAGMA busy_timeout = 1"))
            session.connection().execute(CREATE)

    with Database(folder / "tenant.db") as other, database.write(), pytest.raises(DatabaseUnavailable, match="locked"):
        write_at_once(other)


@pytest.mark.parametrize("content", [b"not a database, but long enough to be looked at" * 100])
def test_a_damaged_file_is_unavailable(folder: Path, content: bytes) -> None:
    path = folder / "damaged.db"
    path.write_bytes(content)
    path.chmod(0o600)
    with Database(path) as database, pytest.raises(DatabaseUnavailable, match="damaged"):
        database.create_schema()


def test_programming_mistakes_stay_what_they_are(database: Database) -> None:
    with pytest.raises(exc.OperationalError, match="no such table"), database.session() as session:
        session.connection().execute(text("SELECT * FROM nowhere"))


def test_errors_do_not_quote_values(database: Database) -> None:
    with database.write() as session:
        session.connection().execute(text("CREATE TABLE x (a TEXT UNIQUE)"))
        session.connection().execute(text("INSERT INTO x VALUES ('s3cret')"))
    with pytest.raises(exc.IntegrityError) as caught, database.write() as session:
        session.connection().execute(text("INSERT INTO x VALUES (:a)"), {"a": "s3cret"})
    assert "s3cret" not in str(caught.value)


def test_a_url_works(folder: Path) -> None:
    path = folder.with_name("by-url")
    with Database(f"sqlite:///{path}/by-url.db") as database:
        assert database.create_schema() >= 1
        assert "by-url.db" in repr(database)


def test_a_database_in_memory_is_refused() -> None:
    with pytest.raises(Invalid, match="names no file"):
        Database("sqlite://")


def test_more_sessions_than_connections_is_unavailable(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database.engine.pool, "_timeout", 0.01)
    with ExitStack() as held:
        for _ in range(15):  # five kept open and ten more
            held.enter_context(database.session()).connection()
        with pytest.raises(DatabaseUnavailable, match="too many connections"):
            scalar(database, "SELECT 1")
