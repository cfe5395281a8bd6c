"""What the people of an organisation may do: permissions, and the roles that bundle them."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Protocol

from tallystick.core.errors import Forbidden, Invalid


class Permission(StrEnum):
    """One thing that a user may do."""

    CREATE_COLLABORATION = "create_collaboration"
    GIVE_CONSENT = "give_consent"
    WORK_ON_TASKS = "work_on_tasks"
    WORK_ON_QUEUES = "work_on_queues"
    READ = "read"
    VERIFY = "verify"
    ADMINISTER = "administer"


class Role(StrEnum):
    """A bundle of permissions."""

    ADMINISTRATOR = "administrator"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    WORKER = "worker"  # a program that takes tasks from queues


GRANTS: dict[Role, frozenset[Permission]] = {
    Role.ADMINISTRATOR: frozenset(Permission),
    Role.OPERATOR: frozenset(Permission) - {Permission.ADMINISTER},
    Role.AUDITOR: frozenset({Permission.READ, Permission.VERIFY}),
    Role.WORKER: frozenset({Permission.WORK_ON_QUEUES}),
}


_NAMES = frozenset(role.value for role in Role)


class NotPermitted(Forbidden):
    """The user's roles do not include the permission (``permission``)."""

    default_code = "not_permitted"

    def __init__(self, permission: Permission) -> None:
        super().__init__(f"this needs the permission {permission}")
        self.permission = permission


def permissions_of(roles: Iterable[str]) -> frozenset[Permission]:
    """All that the roles grant; a role that is not known here grants nothing."""
    known = [Role(role) for role in roles if role in _NAMES]
    return frozenset[Permission]().union(*(GRANTS[role] for role in known))


def check_roles(roles: Iterable[str]) -> list[str]:
    """The roles, each once and sorted; an unknown one or none at all raises :class:`Invalid`."""
    given = set(roles)
    unknown = sorted(given - set(Role))
    if unknown or not given:
        raise Invalid(f"roles are one or more of {', '.join(Role)}", code="unknown_role")
    return sorted(given)


class Holder(Protocol):
    """Who may have permissions; a user, for one."""

    def may(self, permission: Permission) -> bool:
        """Whether the holder has the permission."""


def require(who: Holder, permission: Permission) -> None:
    """Raise :class:`NotPermitted` unless ``who`` has the permission."""
    if not who.may(permission):
        raise NotPermitted(permission)
