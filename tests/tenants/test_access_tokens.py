"""Tokens of workers: good for their queues, and for nothing else."""

import pytest
from sqlalchemy import text

from tallystick.core.errors import Invalid, NotFound, WrongState
from tallystick.tenants import access_tokens
from tallystick.tenants.access_tokens import PREFIX, AccessTokens, is_access_token
from tallystick.tenants.database import Database
from tallystick.tenants.permissions import Permission
from tallystick.tenants.sessions import BadToken

NAME = "压装机 a!b@c$d()e*_,/:;=?@ff[]22"


@pytest.fixture
def tokens(database: Database, now: list[float]) -> AccessTokens:
    return AccessTokens(database, clock=lambda: now[0])


def test_a_token_works_on_queues_and_does_nothing_else(tokens: AccessTokens) -> None:
    token, row = tokens.create(NAME, created_by="李", queues=["press", "paint", "press"])
    assert is_access_token(token)
    worker = tokens.holder_of(token)
    assert worker.display_name == NAME
    assert sorted(worker.queues or ()) == ["paint", "press"]
    assert {one for one in Permission if worker.may(one)} == {Permission.WORK_ON_QUEUES}
    assert [one.name for one in tokens.all()] == [NAME]
    assert token not in repr(row)
    assert row.secret_hash not in repr(row)


def test_the_database_holds_no_token(tokens: AccessTokens, database: Database) -> None:
    token, _ = tokens.create(NAME, created_by="李")
    with database.session() as session:
        [stored] = session.connection().execute(text("SELECT * FROM access_token"))
    assert token.removeprefix(PREFIX)[-40:] not in str(stored)
    assert tokens.holder_of(token).queues is None


def test_a_token_ends_by_time_or_by_hand(tokens: AccessTokens, now: list[float]) -> None:
    token, row = tokens.create(NAME, created_by="李", days=1)
    other, kept = tokens.create("other", created_by="李", days=3)
    now[0] += 86_399
    tokens.holder_of(token)
    now[0] += 1
    with pytest.raises(BadToken, match="expired"):
        tokens.holder_of(token)
    tokens.create("third", created_by="李")
    assert row.id not in {one.id for one in tokens.all()}
    tokens.remove(kept.id)
    with pytest.raises(BadToken, match="removed"):
        tokens.holder_of(other)
    with pytest.raises(NotFound):
        tokens.remove(kept.id)


def test_forged_tokens(tokens: AccessTokens) -> None:
    token, _ = tokens.create(NAME, created_by="李")
    other, _ = tokens.create(NAME, created_by="李")
    mixed = token[:17] + other[17:]
    for forged in ("", PREFIX, PREFIX + "A" * 54, token[:-1], token + "A", mixed, token.swapcase(), PREFIX + "!" * 54):
        with pytest.raises(BadToken):
            tokens.holder_of(forged)


@pytest.mark.parametrize(
    "bad",
    [
        {"name": ""},
        {"name": "x" * 101},
        {"name": "a\nb"},
        {"days": 0},
        {"days": 731},
        {"queues": []},
        {"queues": ["q"] * 101},
    ],
)
def test_what_a_token_cannot_be(tokens: AccessTokens, bad: dict[str, object]) -> None:
    with pytest.raises(Invalid) as caught:
        tokens.create(**{"name": NAME, "created_by": "李", **bad})  # type: ignore[arg-type]
    assert caught.value.pointer == f"/{next(iter(bad))}"


def test_there_is_a_bound(tokens: AccessTokens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_tokens, "MAX_TOKENS", 2)
    tokens.create("1", created_by="李")
    tokens.create("2", created_by="李")
    with pytest.raises(WrongState):
        tokens.create("3", created_by="李")
