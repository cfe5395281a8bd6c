"""A request under an Idempotency-Key happens once: in its own transaction, over restarts, within bounds."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from tallystick.core.errors import Invalid, WrongState
from tallystick.node.record.unit import Unit
from tallystick.node.services import repeats
from tallystick.node.services.repeats import KEPT_MS, MAX_KEY, Asked, once
from tallystick.node.work.committer import Committer
from tallystick.tenants.database import Database
from tallystick.tenants.models.repeat import RepeatRow
from tallystick.tenants.models.user import RevokedToken

NOW = 1_800_000_000_000
ASKED = Asked.of("ada", "密钥 a!b@c$d()e*_,/:;=?@ff[]22", b'{"definition":{}}')


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with opened(tmp_path) as database:
        yield database


def opened(folder: Path) -> Database:
    """The tenant database in that folder, as a node opens it."""
    folder.chmod(0o700)
    database = Database(folder / "tenant.db")
    database.create_schema()
    return database


class Asking:
    """Sends requests to one database; each that is worked on leaves a row behind and says which it is."""

    def __init__(self, database: Database) -> None:
        self.committer = Committer(database)
        self.done = 0

    async def __call__(self, asked: Asked = ASKED, now: int = NOW) -> dict[str, Any]:
        return await self.committer.run(lambda unit: once(unit, asked, now, self.work))

    def work(self, unit: Unit) -> dict[str, Any]:
        self.done += 1
        unit.insert(RevokedToken, token_id=f"work {self.done}", expires_at=NOW)
        return {"id": f"第{self.done}", "n": self.done}


@pytest.fixture
def ask(database: Database) -> Asking:
    return Asking(database)


def effects(database: Database) -> int:
    """How often the work was done for good."""
    with database.session() as session:
        return int(session.execute(select(func.count()).select_from(RevokedToken)).scalar_one())


def answers(database: Database) -> int:
    """How many answers are kept."""
    with database.session() as session:
        return int(session.execute(select(func.count()).select_from(RepeatRow)).scalar_one())


async def test_the_same_request_gets_its_first_answer_and_happens_once(ask: Asking, database: Database) -> None:
    assert [await ask() for _ in range(3)] == [{"id": "第1", "n": 1}] * 3
    assert (ask.done, effects(database)) == (1, 1)


async def test_after_a_restart_as_well(tmp_path: Path) -> None:
    for worked in (1, 0):
        with opened(tmp_path) as database:
            ask = Asking(database)
            assert await ask() == {"id": "第1", "n": 1}
            assert ask.done == worked


async def test_another_request_under_the_key_is_refused(ask: Asking) -> None:
    await ask()
    with pytest.raises(Invalid) as caught:
        await ask(Asked.of(ASKED.user_id, ASKED.key, b"another"))
    assert (caught.value.code, ask.done) == ("idempotency_key_reused", 1)


async def test_keys_are_each_users_own_and_without_one_all_happens(ask: Asking, database: Database) -> None:
    await ask()
    assert (await ask(Asked.of("bob", ASKED.key, b"another")))["n"] == 2
    assert [await ask.committer.run(lambda unit: once(unit, None, NOW, ask.work)) for _ in "12"][-1]["n"] == 4
    assert answers(database) == 2


async def test_a_refused_request_may_be_corrected_under_its_key(ask: Asking) -> None:
    def refuse(unit: Unit) -> dict[str, Any]:
        ask.work(unit)
        raise WrongState("not now", state="created")

    with pytest.raises(WrongState):
        await ask.committer.run(lambda unit: once(unit, ASKED, NOW, refuse))
    assert (await ask(Asked.of(ASKED.user_id, ASKED.key, b"corrected")))["n"] == 2


async def test_a_crash_before_the_commit_leaves_neither_answer_nor_effect(ask: Asking, database: Database) -> None:
    def crash(unit: Unit) -> None:
        once(unit, ASKED, NOW, ask.work)
        unit.flush()
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="disk"):
        await ask.committer.run(crash)
    assert (answers(database), effects(database)) == (0, 0)
    assert (await ask())["n"] == 2
    assert (answers(database), effects(database)) == (1, 1)


async def test_of_many_at_once_one_happens(ask: Asking) -> None:
    assert await asyncio.gather(*(ask() for _ in range(8))) == [{"id": "第1", "n": 1}] * 8
    assert ask.done == 1


async def test_an_answer_is_kept_for_a_day(ask: Asking, database: Database) -> None:
    await ask()
    assert (await ask(now=NOW + KEPT_MS - 1))["n"] == 1
    assert (await ask(now=NOW + KEPT_MS))["n"] == 2
    await ask(Asked.of("bob", "k", b""), NOW + 3 * KEPT_MS)
    assert answers(database) == 1


async def test_a_users_newest_answers_are_kept_and_other_users_are_not_touched(
    ask: Asking, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeats, "KEPT_OF_A_USER", 3)
    await ask(Asked.of("bob", "k", b""))
    for n in range(10):
        await ask(Asked.of("ada", f"k{n}", b""), NOW + n)
    assert answers(database) == 1 + 3
    assert (await ask(Asked.of("ada", "k9", b""), NOW + 20))["n"] == 11
    assert (await ask(Asked.of("bob", "k", b""), NOW + 20))["n"] == 1
    assert (await ask(Asked.of("ada", "k0", b""), NOW + 20))["n"] == 12


@pytest.mark.parametrize("key", ["", "x" * (MAX_KEY + 1)])
def test_keys_are_bounded(key: str) -> None:
    with pytest.raises(Invalid):
        Asked.of("ada", key, b"")
