"""Groups of users: names as definitions have them, who may take what."""

from pathlib import Path

import pytest

from tallystick.core.errors import Invalid, NotFound
from tallystick.tenants.access_tokens import Worker
from tallystick.tenants.database import Database
from tallystick.tenants.groups import LONGEST, MAX_GROUPS, NotInGroup, check_groups, may_take, require_group
from tallystick.tenants.users import Users


@pytest.fixture
def users(tmp_path: Path) -> Users:
    """No users yet."""
    tmp_path.chmod(0o700)
    database = Database(tmp_path / "tenant.db")
    database.create_schema()
    return Users(database, org_id="huaxia", session_secret=b"s" * 32)


def test_groups_are_kept_once_each_and_replaced(users: Users) -> None:
    made = users.create("ada", groups=["goods-in", "质检 a!b@c$d()", "goods-in"])
    assert made.groups == ["goods-in", "质检 a!b@c$d()"]
    assert users.by_username("ADA").groups == made.groups
    assert users.set_groups("ada", ["paint"]).groups == ["paint"]
    assert users.by_id(made.id).groups == ["paint"]
    assert users.set_groups("ada", []).groups == []
    with pytest.raises(NotFound):
        users.set_groups("nobody", ["paint"])


@pytest.mark.parametrize("bad", ["", " a", "a ", "a\nb", "x" * (LONGEST + 1)])
def test_what_is_no_group(users: Users, bad: str) -> None:
    with pytest.raises(Invalid) as caught:
        users.create("ada", groups=[bad])
    assert caught.value.code == "bad_group"
    with pytest.raises(Invalid) as many:
        check_groups(f"g{number}" for number in range(MAX_GROUPS + 1))
    assert many.value.code == "too_many_groups"


def test_who_may_take_a_task(users: Users) -> None:
    ada, bob = users.create("ada", groups=["goods-in"]), users.create("bob")
    program = Worker(id="x", username="x", display_name="x", queues=None)
    for who in (ada, bob, program):
        assert may_take(who, [])
    assert may_take(ada, ["paint", "goods-in"])
    for who, groups in ((bob, ["goods-in"]), (program, ["goods-in"]), (ada, ["goods"]), (ada, ["Goods-in"])):
        with pytest.raises(NotInGroup) as caught:
            require_group(who, groups)
        assert caught.value.groups == tuple(groups)
