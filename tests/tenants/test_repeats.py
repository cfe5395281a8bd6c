"""A request under an Idempotency-Key happens once: in its own transaction, over restarts, within bounds."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlmodel import Session

from tallystick.core.errors import Invalid, WrongState
from tallystick.tenants import repeats
from tallystick.tenants.database import Database
from tallystick.tenants.models.repeat import RepeatRow
from tallystick.tenants.models.user import RevokedToken
from tallystick.tenants.repeats import KEPT_MS, MAX_KEY, Asked, once

NOW = 1_800_000_000_000
ASKED = Asked.of("ada", "密钥 a!b@c$d()e*_,/:;=?@ff[]22", b'{"definition":{}}')


def effect(session: Session, done: list[int]) -> Callable[[], dict[str, Any]]:
    """Work that leaves a row behind and says which time it is."""

    def work() -> dict[str, Any]:
        done.append(len(done) + 1)
        session.add(RevokedToken(token_id=f"work {len(done)}", expires_at=NOW))
        return {"id": f"第{len(done)}", "n": len(done)}

    return work


def ask(database: Database, done: list[int], asked: Asked = ASKED, now: int = NOW) -> dict[str, Any]:
    """One request, in a transaction of its own."""
    with database.write() as session:
        return once(session.connection(), asked, now, effect(session, done))


def effects(database: Database) -> int:
    """How often the work was done for good."""
    with database.session() as session:
        return int(session.execute(select(func.count()).select_from(RevokedToken)).scalar_one())


def answers(database: Database) -> int:
    """How many answers are kept."""
    with database.session() as session:
        return int(session.execute(select(func.count()).select_from(RepeatRow)).scalar_one())


def test_the_same_request_gets_its_first_answer_and_happens_once(database: Database) -> None:
    done: list[int] = []
    assert [ask(database, done) for _ in range(3)] == [{"id": "第1", "n": 1}] * 3
    assert (done, effects(database)) == ([1], 1)


def test_after_a_restart_as_well(folder: Path) -> None:
    done: list[int] = []
    for _ in range(2):
        with Database(folder / "restarted.db") as database:
            database.create_schema()
            assert ask(database, done) == {"id": "第1", "n": 1}
    assert done == [1]


def test_another_request_under_the_key_is_refused(database: Database) -> None:
    done: list[int] = []
    ask(database, done)
    with pytest.raises(Invalid) as caught:
        ask(database, done, Asked.of(ASKED.user_id, ASKED.key, b"another"))
    assert (caught.value.code, done) == ("idempotency_key_reused", [1])


def test_keys_are_each_users_own(database: Database) -> None:
    done: list[int] = []
    ask(database, done)
    assert ask(database, done, Asked.of("bob", ASKED.key, b"another"))["n"] == 2


def test_a_refused_request_may_be_corrected_under_its_key(database: Database) -> None:
    def refuse() -> dict[str, Any]:
        raise WrongState("not now", state="created")

    with pytest.raises(WrongState), database.write() as session:
        once(session.connection(), ASKED, NOW, refuse)
    done: list[int] = []
    assert ask(database, done, Asked.of(ASKED.user_id, ASKED.key, b"corrected"))["n"] == 1


def test_a_crash_before_the_commit_leaves_neither_answer_nor_effect(database: Database) -> None:
    done: list[int] = []

    def crash() -> None:
        with database.write() as session:
            once(session.connection(), ASKED, NOW, effect(session, done))
            session.flush()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        crash()
    assert (answers(database), effects(database)) == (0, 0)
    assert ask(database, done)["n"] == 2
    assert (answers(database), effects(database)) == (1, 1)


def test_of_many_at_once_one_happens(database: Database) -> None:
    done: list[int] = []
    got: list[dict[str, Any]] = []
    threads = [threading.Thread(target=lambda: got.append(ask(database, done))) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert (done, got) == ([1], [{"id": "第1", "n": 1}] * 8)


def test_an_answer_is_kept_for_a_day(database: Database) -> None:
    done: list[int] = []
    ask(database, done)
    assert ask(database, done, now=NOW + KEPT_MS - 1)["n"] == 1
    assert ask(database, done, now=NOW + KEPT_MS)["n"] == 2


def test_a_users_newest_answers_are_kept_and_other_users_are_not_touched(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeats, "KEPT_OF_A_USER", 3)
    done: list[int] = []
    ask(database, done, Asked.of("bob", "k", b""))
    for n in range(10):
        ask(database, done, Asked.of("ada", f"k{n}", b""), NOW + n)
    assert answers(database) <= 1 + 3 + 1
    assert ask(database, done, Asked.of("ada", "k9", b""), NOW + 20)["n"] == 11
    assert ask(database, done, Asked.of("bob", "k", b""), NOW + 20)["n"] == 1
    assert ask(database, done, Asked.of("ada", "k0", b""), NOW + 20)["n"] == 12


@pytest.mark.parametrize("key", ["", "x" * (MAX_KEY + 1)])
def test_keys_are_bounded(key: str) -> None:
    with pytest.raises(Invalid):
        Asked.of("ada", key, b"")
