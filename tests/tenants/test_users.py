"""Accounts, sign-in by password and link, sessions; and everyone who must stay out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from sqlmodel import select

from tallystick.core.errors import Invalid, NotFound
from tallystick.tenants import passwords
from tallystick.tenants.database import Database
from tallystick.tenants.models.user import Credential, SignInLink
from tallystick.tenants.sessions import BadToken, ExpiredToken, NotSignedIn
from tallystick.tenants.throttle import FREE, TooManyAttempts
from tallystick.tenants.users import LINK_LIFETIME_S, BadLink, NameTaken, SignInFailed, User, Users

pytestmark = pytest.mark.usefixtures("cheap_derivation")
NAME = "李雷 a!b@c$d()e*_,/:;=?@ff[]22"
PASSWORD = "密码 a!b@c$d()e*_,/:;=?@ff[]22 '\"; DROP TABLE--"
SECRET = bytes(range(32))
REAL = passwords._HASHER


@pytest.fixture
def users(database: Database, now: list[float]) -> Users:
    return Users(database, org_id="huaxia", session_secret=SECRET, clock=lambda: now[0])


@pytest.fixture
def user(users: Users) -> User:
    return users.create(NAME, password=PASSWORD, display_name="李雷", roles=["operator"], language="zh-CN")


def test_a_created_user_signs_in(users: Users, user: User) -> None:
    found = users.authenticate(NAME, PASSWORD)
    assert (found.id, found.username, found.display_name) == (user.id, NAME, "李雷")
    assert (found.roles, found.language, found.is_active) == (["operator"], "zh-CN", True)
    assert users.by_id(user.id) == users.by_username(NAME) == found
    assert users.all() == [found]


def test_names_differ_in_more_than_case_or_spelling(users: Users) -> None:
    users.create("José Ångström")
    for name in ("josé ångström", "JOSE\N{COMBINING ACUTE ACCENT} ÅNGSTRÖM", "Ｊosé Ångström"):
        with pytest.raises(NameTaken):
            users.create(name)
        assert users.by_username(name).username == "José Ångström"
    assert len(users.all()) == 1


@pytest.mark.parametrize("name", ["", " x", "x ", "a\nb", "a\0b", "x" * 65, "\ud800", "\u202eevil"])
def test_bad_names_are_refused(users: Users, name: str) -> None:
    with pytest.raises(Invalid):
        users.create(name)
    assert users.all() == []


def test_other_bad_fields_are_refused(users: Users) -> None:
    wrong: list[dict[str, Any]] = [
        {"roles": []},
        {"roles": ["owner"]},
        {"language": "tlh"},
        {"display_name": "x" * 201},
        {"display_name": "a\nb"},
    ]
    for changes in wrong:
        with pytest.raises(Invalid):
            users.create("name", **changes)
    with pytest.raises(Invalid):
        users.create("name", password="short")
    assert users.all() == []


@pytest.mark.parametrize(
    ("name", "password"),
    [(NAME, PASSWORD + " "), (NAME, ""), (NAME, PASSWORD.lower()), ("nobody", PASSWORD), ("", ""), ("\ud800", "\ud800"),
     ("x" * 10**6, "x" * 10**6)],
)  # fmt: skip
def test_wrong_names_and_passwords_get_one_answer(users: Users, user: User, name: str, password: str) -> None:
    with pytest.raises(SignInFailed) as caught:
        users.authenticate(name, password)
    assert str(caught.value) == "the user name or the password is wrong"


def test_a_user_without_password_signs_in_by_link_only(users: Users) -> None:
    user = users.create("link only")
    for password in ("", "None"):
        with pytest.raises(SignInFailed):
            users.authenticate("link only", password)
    assert users.redeem_link(users.make_link(user)) == user


@pytest.mark.parametrize("name", [NAME, "nobody"])
def test_guessing_is_slowed_whether_or_not_the_name_exists(
    users: Users, user: User, now: list[float], name: str
) -> None:
    for _ in range(FREE):
        with pytest.raises(SignInFailed):
            users.authenticate(name, "wrong password")
    with pytest.raises(TooManyAttempts) as caught:
        users.authenticate(name.upper(), PASSWORD)
    assert caught.value.retry_after_s == 1
    now[0] += 1
    with pytest.raises(SignInFailed):
        users.authenticate(name, "wrong password")


def test_signing_in_forgets_wrong_attempts(users: Users, user: User) -> None:
    for _ in range(3):
        for _ in range(FREE - 1):
            with pytest.raises(SignInFailed):
                users.authenticate(NAME, "wrong password")
        users.authenticate(NAME, PASSWORD)


def test_a_token_names_its_user_until_it_expires(users: Users, user: User, now: list[float]) -> None:
    token, expires_at = users.issue_token(user)
    assert users.user_of(token) == user
    assert expires_at > now[0] * 1000
    now[0] = expires_at / 1000
    with pytest.raises(ExpiredToken):
        users.user_of(token)


def test_another_organisations_token_names_nobody(users: Users, user: User, folder: Path, now: list[float]) -> None:
    with Database(folder / "other.db") as database:
        database.create_schema()
        other = Users(database, org_id="nordic", session_secret=SECRET, clock=lambda: now[0])
        token, _ = other.issue_token(other.create("someone"))
    with pytest.raises(BadToken):
        users.user_of(token)


def test_signing_out_ends_one_session_for_good(users: Users, user: User) -> None:
    first, second = users.issue_token(user)[0], users.issue_token(user)[0]
    users.revoke(first)
    users.revoke(first)
    with pytest.raises(BadToken):
        users.user_of(first)
    assert users.user_of(second) == user
    with pytest.raises(NotSignedIn):
        users.revoke("not a token")


def test_a_new_password_ends_all_sessions(users: Users, user: User) -> None:
    token, _ = users.issue_token(user)
    users.set_password(user, "a new password 新")
    with pytest.raises(BadToken):
        users.user_of(token)
    with pytest.raises(SignInFailed):
        users.authenticate(NAME, PASSWORD)
    again = users.authenticate(NAME, "a new password 新")
    assert users.user_of(users.issue_token(again)[0]) == user
    with pytest.raises(Invalid):
        users.set_password(user, "short")


def test_a_deactivated_user_is_out_at_once(users: Users, user: User) -> None:
    token, link = users.issue_token(user)[0], users.make_link(user)
    users.deactivate(user)
    attempts: list[Callable[[], User]] = [
        lambda: users.user_of(token),
        lambda: users.redeem_link(link),
        lambda: users.authenticate(NAME, PASSWORD),
        lambda: users.redeem_link(users.make_link(user)),
    ]
    for attempt in attempts:
        with pytest.raises(NotSignedIn):
            attempt()
    assert not users.by_id(user.id).is_active


def test_a_link_works_once(users: Users, user: User) -> None:
    link = users.make_link(user)
    assert users.redeem_link(link) == user
    with pytest.raises(BadLink):
        users.redeem_link(link)


def test_a_link_expires(users: Users, user: User, now: list[float]) -> None:
    link = users.make_link(user)
    now[0] += LINK_LIFETIME_S
    with pytest.raises(BadLink):
        users.redeem_link(link)


def test_a_wrong_secret_neither_works_nor_uses_the_link_up(users: Users, user: User) -> None:
    link, other = users.make_link(user), users.make_link(user)
    mixed = link[:12] + other[12:]
    for wrong in ("", "x", link[:-1], link + "A", mixed, link.swapcase(), "数据", "x" * 10_000, "=" * 54):
        with pytest.raises(BadLink):
            users.redeem_link(wrong)
    assert users.redeem_link(link) == users.redeem_link(other) == user


def test_the_database_holds_no_password_or_link_in_clear(users: Users, user: User, database: Database) -> None:
    link = users.make_link(user)
    with database.session() as session:
        credential = session.exec(select(Credential)).one()
        row = session.exec(select(SignInLink)).one()
    assert credential.password_hash is not None
    assert credential.password_hash.startswith("$argon2id$")
    assert credential.password_hash not in repr(credential)
    assert row.secret_hash not in repr(row)
    database.close()
    assert database.engine.url.database is not None
    content = b"".join(path.read_bytes() for path in Path(database.engine.url.database).parent.iterdir())
    assert link.encode() not in content
    assert PASSWORD.encode() not in content


def test_expired_links_are_cleared_away(users: Users, user: User, database: Database, now: list[float]) -> None:
    for _ in range(3):
        users.make_link(user)
    now[0] += LINK_LIFETIME_S
    users.make_link(user)
    with database.session() as session:
        assert len(session.exec(select(SignInLink)).all()) == 1


def test_a_hash_of_lower_cost_is_renewed_at_sign_in(
    users: Users, user: User, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "_HASHER", REAL)
    weak = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    with database.write() as session:
        session.exec(select(Credential)).one().password_hash = weak
    users.authenticate(NAME, PASSWORD)
    with database.session() as session:
        renewed = session.exec(select(Credential)).one().password_hash
    assert renewed is not None
    assert "m=65536" in renewed
    users.authenticate(NAME, PASSWORD)


def test_unknown_users_are_not_found(users: Users, user: User) -> None:
    asking: list[Callable[[], User]] = [
        lambda: users.by_id("x"),
        lambda: users.by_username("x"),
        lambda: users.by_username("\ud800"),
    ]
    for ask in asking:
        with pytest.raises(NotFound):
            ask()
    ghost = user.model_copy(update={"id": "ghost"})
    with pytest.raises(NotFound):
        users.issue_token(ghost)
