"""Groups of an organisation's people: who may take the tasks that a definition names candidate groups for.

Their names are those that definitions use (``candidate_groups``); only this organisation knows who is in them.
"""

from collections.abc import Collection, Iterable
from typing import Protocol

from tallystick.core.errors import Forbidden, Invalid

MAX_GROUPS = 100  # of one user
LONGEST = 200  # characters, as definitions allow


class Member(Protocol):
    """Who may be in groups; a user, for one."""

    @property
    def groups(self) -> Collection[str]: ...


class NotInGroup(Forbidden):
    """The user is in none of the task's candidate groups (``groups``)."""

    default_code = "not_in_group"

    def __init__(self, groups: Collection[str]) -> None:
        super().__init__(f"the task is for {', '.join(sorted(groups))}")
        self.groups = tuple(sorted(groups))


def check_groups(groups: Iterable[str]) -> list[str]:
    """The groups, each once and sorted; raises :class:`Invalid`."""
    given = sorted(set(groups))
    if len(given) > MAX_GROUPS:
        raise Invalid(f"a user is in at most {MAX_GROUPS} groups", code="too_many_groups", pointer="/groups")
    if not all(0 < len(one) <= LONGEST and one == one.strip() and one.isprintable() for one in given):
        detail = f"a group's name has 1 to {LONGEST} visible characters, no spaces at its ends"
        raise Invalid(detail, code="bad_group", pointer="/groups")
    return given


def may_take(who: Member, groups: Collection[str]) -> bool:
    """Whether a task with these candidate groups is one for ``who``; without any it is everybody's."""
    return not groups or not frozenset(groups).isdisjoint(who.groups)


def require_group(who: Member, groups: Collection[str]) -> None:
    """Raise :class:`NotInGroup` unless the task is one for ``who``."""
    if not may_take(who, groups):
        raise NotInGroup(groups)
