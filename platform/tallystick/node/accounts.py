"""The API's view of users and sessions: password hashing and the database stay off the event loop."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from tallystick.core.errors import Invalid
from tallystick.node.api.ports import Person
from tallystick.node.api.problems import TooManyAtOnce
from tallystick.tenants.access_tokens import AccessTokens, is_access_token
from tallystick.tenants.models.access_token import AccessToken
from tallystick.tenants.permissions import Permission, Role, permissions_of
from tallystick.tenants.users import User, Users

# Threads of its own, as many as hash at once: whoever has a session must not wait behind strangers' passwords.
_SIGNING_IN = ThreadPoolExecutor(max_workers=2, thread_name_prefix="sign-in")
MAX_WAITING = 64  # sign-ins of an organisation at once, a few seconds' worth


class SignedIn(msgspec.Struct, frozen=True):
    """A sign-in; ``expires_at`` in milliseconds since 1970 (UTC)."""

    token: str
    expires_at: int


class UserAccounts:
    """Adapts ``tenants.users`` and ``tenants.access_tokens`` to the port that the API names."""

    def __init__(self, users: Users, tokens: AccessTokens) -> None:
        self._users = users
        self._tokens = tokens
        self._waiting = 0

    async def sign_in(self, username: str, password: str) -> SignedIn:
        """A session for the right password."""
        return await self._sign_in(lambda: self._users.authenticate(username, password))

    async def sign_in_with_link(self, link: str) -> SignedIn:
        """A session for a one-time link."""
        return await self._sign_in(lambda: self._users.redeem_link(link))

    async def who(self, token: str) -> Person:
        """The user of a session, or the worker of an access token."""
        if is_access_token(token):
            return await asyncio.to_thread(self._tokens.holder_of, token)
        return await asyncio.to_thread(self._users.user_of, token)

    async def sign_out(self, token: str) -> None:
        """End a session."""
        await asyncio.to_thread(self._users.revoke, token)

    def may(self, person: Person, permission: str) -> bool:
        """Whether the user holds a permission by its name."""
        return Permission(permission) in permissions_of(person.roles)

    async def users(self) -> Sequence[User]:
        """Everyone."""
        return await asyncio.to_thread(self._users.all)

    async def add_user(
        self,
        *,
        username: str,
        password: str,
        display_name: str,
        roles: Sequence[str],
        groups: Sequence[str] = (),
        language: str,
    ) -> User:
        """A new user."""
        try:
            held = tuple(Role(role) for role in roles)
        except ValueError as error:
            raise Invalid("names a role that does not exist", code="unknown_role", pointer="/roles") from error
        return await asyncio.to_thread(
            lambda: self._users.create(
                username, password=password, display_name=display_name, roles=held, groups=groups, language=language
            )
        )

    async def set_groups(self, username: str, groups: Sequence[str]) -> User:
        """The user, in these groups and no others."""
        return await asyncio.to_thread(self._users.set_groups, username, groups)

    async def make_link(self, username: str) -> str:
        """A one-time sign-in link's secret for a user."""
        return await asyncio.to_thread(lambda: self._users.make_link(self._users.by_username(username)))

    async def add_token(
        self, who: Person, *, name: str, queues: Sequence[str] | None, days: int
    ) -> tuple[str, AccessToken]:
        """A worker's token, shown this once, and what is kept of it."""
        return await asyncio.to_thread(
            lambda: self._tokens.create(name, created_by=who.username, queues=queues, days=days)
        )

    async def tokens(self) -> Sequence[AccessToken]:
        """Every worker's token, without its secret."""
        return await asyncio.to_thread(self._tokens.all)

    async def remove_token(self, token_id: str) -> None:
        """End a worker's token."""
        await asyncio.to_thread(self._tokens.remove, token_id)

    async def _sign_in(self, sign_in: Callable[[], User]) -> SignedIn:
        if self._waiting >= MAX_WAITING:
            raise TooManyAtOnce("as many people sign in as may at once")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(_SIGNING_IN, self._session, sign_in)
        finally:
            self._waiting -= 1

    def _session(self, sign_in: Callable[[], User]) -> SignedIn:
        token, expires_at = self._users.issue_token(sign_in())
        return SignedIn(token, expires_at)
