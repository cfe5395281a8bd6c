"""Users, sessions and access tokens: a token is ``token-`` and the name."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from node.api.standins.refusals import NOW, REFUSALS
from tallystick.core.errors import NotFound
from tallystick.node.api.ports import Unauthenticated

PASSWORD = "a!b@c$d()e*_,/:;=?@ff[]22 密码"


@dataclass
class FakePerson:
    """A user."""

    username: str
    roles: list[str]
    language: str = "en"
    groups: Sequence[str] = ()

    @property
    def id(self) -> str:
        """The id is the name."""
        return self.username

    @property
    def display_name(self) -> str:
        """With characters that need escaping."""
        return f"{self.username} <李>"


@dataclass
class FakeSession:
    """A session whose token names its user."""

    token: str
    expires_at: int = field(default_factory=lambda: int(time.time() * 1000) + 3_600_000)


@dataclass
class FakeToken:
    """A worker's access token."""

    id: str
    name: str
    queues: Sequence[str] | None
    created_by: str = "admin"
    created_at: int = NOW
    expires_at: int = NOW + 86_400_000


ROLES = {
    "administrator": {
        "create_collaboration", "give_consent", "work_on_tasks", "work_on_queues", "read", "verify", "administer"
    },
    "operator": {"create_collaboration", "give_consent", "work_on_tasks", "work_on_queues", "read", "verify"},
    "auditor": {"read", "verify"},
    "worker": {"work_on_queues"},
    "nobody": set(),
}  # fmt: skip


@dataclass
class FakeAccountsForApiTests:
    """Users ``admin``, ``operator``, ``auditor``, ``worker`` and ``nobody``; a token is ``token-`` and the name."""

    people: dict[str, FakePerson] = field(
        default_factory=lambda: {
            name: FakePerson(name, ["administrator" if name == "admin" else name])
            for name in ("admin", "operator", "auditor", "worker", "nobody")
        }
    )
    signed_out: set[str] = field(default_factory=set)

    async def sign_in(self, username: str, password: str) -> FakeSession:
        """One password for all."""
        if username not in self.people or password != PASSWORD:
            raise Unauthenticated("wrong name or password", code="sign_in_failed")
        return FakeSession(f"token-{username}")

    async def sign_in_with_link(self, link: str) -> FakeSession:
        """One link works."""
        if link != "good-link":
            raise Unauthenticated("the link was used or has expired", code="sign_in_failed")
        return FakeSession("token-operator")

    async def who(self, token: str) -> FakePerson:
        """Each way in which a token can be bad."""
        if token == "throttled":
            raise Unauthenticated("wait", code="too_many_attempts")
        if token in ("expired", "other-audience", "forged") or token in self.signed_out:
            raise Unauthenticated(f"the token is {token}", code="bad_token")
        try:
            return self.people[token.removeprefix("token-")]
        except KeyError:
            raise Unauthenticated("the token is not ours", code="bad_token") from None

    async def sign_out(self, token: str) -> None:
        """Remember it."""
        self.signed_out.add(token)

    def may(self, person: Any, permission: str) -> bool:
        """By role."""
        return any(permission in ROLES[role] for role in person.roles)

    async def users(self) -> list[FakePerson]:
        """All."""
        return list(self.people.values())

    async def add_user(
        self,
        *,
        username: str,
        password: str,
        display_name: str,
        roles: Sequence[str],
        groups: Sequence[str] = (),
        language: str,
    ) -> FakePerson:
        """Add one."""
        if username in REFUSALS:
            raise REFUSALS[username]()
        self.people[username] = FakePerson(username, list(roles), language, groups)
        return self.people[username]

    async def set_groups(self, username: str, groups: Sequence[str]) -> FakePerson:
        """For a user who exists."""
        if username not in self.people:
            raise NotFound("there is no such user")
        self.people[username].groups = groups
        return self.people[username]

    async def make_link(self, username: str) -> str:
        """A secret for a user who exists."""
        if username not in self.people:
            raise NotFound("there is no such user")
        return f"link-{username}"

    async def add_token(self, who: Any, *, name: str, queues: Sequence[str] | None, days: int) -> tuple[str, FakeToken]:
        """As given."""
        return f"tally_{name}", FakeToken("k1", name, queues, who.username)

    async def tokens(self) -> list[FakeToken]:
        """One."""
        return [FakeToken("k1", "press 冲压", ["press"])]

    async def remove_token(self, token_id: str) -> None:
        """One is there."""
        if token_id != "k1":
            raise NotFound("there is no such access token")
