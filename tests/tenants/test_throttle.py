"""Guessing is slowed down, alike for names that exist and names that do not."""

import pytest
from sqlmodel import func, select

from tallystick.tenants import throttle
from tallystick.tenants.database import Database
from tallystick.tenants.models.user import SignInAttempt
from tallystick.tenants.throttle import FORGET_MS, FREE, LONGEST_WAIT_MS, Throttle

NAME = "李 a!b@c$d()e*_,/:;=?@ff[]22"


@pytest.fixture
def guard(now: list[float]) -> Throttle:
    return Throttle(clock=lambda: now[0])


def attempt(guard: Throttle, database: Database, name: str = NAME) -> int:
    with database.write() as session:
        return guard.attempt(session, name)


def rows(database: Database) -> int:
    with database.session() as session:
        return session.exec(select(func.count()).select_from(SignInAttempt)).one()


def test_waiting_doubles_after_the_free_attempts(guard: Throttle, database: Database, now: list[float]) -> None:
    assert [attempt(guard, database) for _ in range(FREE)] == [0] * FREE
    for seconds in (1, 2, 4, 8, 16):
        assert attempt(guard, database) == seconds
        now[0] += seconds - 0.5
        assert attempt(guard, database) == 1
        now[0] += 0.5
        assert attempt(guard, database) == 0


def test_waiting_never_exceeds_its_bound(guard: Throttle, database: Database, now: list[float]) -> None:
    for _ in range(FREE + 30):
        attempt(guard, database)
        now[0] += LONGEST_WAIT_MS / 1000
    assert attempt(guard, database) == 0
    assert attempt(guard, database) == LONGEST_WAIT_MS // 1000


def test_names_are_counted_apart_and_success_forgets(guard: Throttle, database: Database) -> None:
    for _ in range(FREE):
        attempt(guard, database)
    assert attempt(guard, database, "someone else") == 0
    with database.write() as session:
        guard.succeeded(session, NAME)
    assert [attempt(guard, database) for _ in range(FREE)] == [0] * FREE
    assert attempt(guard, database) == 1


def test_attempts_are_forgotten_in_time(guard: Throttle, database: Database, now: list[float]) -> None:
    for _ in range(FREE):
        attempt(guard, database)
    now[0] += FORGET_MS / 1000
    assert [attempt(guard, database) for _ in range(FREE)] == [0] * FREE


def test_strangers_fill_a_bounded_number_of_rows(
    guard: Throttle, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "MAX_NAMES", 20)
    with database.write() as session:
        for number in range(100):
            guard.attempt(session, f"name {number}")
    assert rows(database) <= 20


def test_names_are_not_kept_in_clear(guard: Throttle, database: Database) -> None:
    attempt(guard, database, "\ud800 a typed password")
    with database.session() as session:
        assert len(session.exec(select(SignInAttempt)).one().name_hash) == 64
