"""Roles and what they grant."""

import pytest

from tallystick.core.errors import Invalid
from tallystick.tenants.models.user import User
from tallystick.tenants.permissions import NotPermitted, Permission, Role, check_roles, permissions_of, require

TABLE = {
    Role.ADMINISTRATOR: {
        "create_collaboration", "give_consent", "work_on_tasks", "work_on_queues", "read", "verify", "administer"
    },
    Role.OPERATOR: {"create_collaboration", "give_consent", "work_on_tasks", "work_on_queues", "read", "verify"},
    Role.AUDITOR: {"read", "verify"},
    Role.WORKER: {"work_on_queues"},
}  # fmt: skip


def user(*roles: str, is_active: bool = True) -> User:
    return User(
        id="1", username="李", username_key="李", display_name="李", roles=list(roles), language="zh-CN",
        is_active=is_active, created_at=0,
    )  # fmt: skip


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("permission", Permission)
def test_each_role_has_its_permissions_and_no_others(role: Role, permission: Permission) -> None:
    if permission in TABLE[role]:
        require(user(role), permission)
    else:
        with pytest.raises(NotPermitted) as caught:
            require(user(role), permission)
        assert caught.value.permission == permission


def test_roles_add_up_and_unknown_ones_grant_nothing() -> None:
    assert permissions_of([Role.AUDITOR, Role.OPERATOR]) == TABLE[Role.OPERATOR]
    assert permissions_of(["owner", ""]) == permissions_of([]) == set()


def test_an_inactive_user_may_do_nothing() -> None:
    assert not user(Role.ADMINISTRATOR, is_active=False).permissions


def test_roles_are_checked() -> None:
    assert check_roles(["operator", "auditor", "operator"]) == ["auditor", "operator"]
    for roles in ([], ["owner"], ["operator", "Operator"]):
        with pytest.raises(Invalid):
            check_roles(roles)
