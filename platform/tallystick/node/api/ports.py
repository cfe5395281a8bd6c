"""What the API and the portal need from the parts around them, and nothing more."""

from collections.abc import Collection, Sequence
from typing import Any, Protocol

from tallystick.tenants.sessions import NotSignedIn


class Unauthenticated(NotSignedIn):
    """Nobody is signed in: no token, or one that is expired, revoked, forged or meant for another audience."""

    default_code = "unauthenticated"


class Person(Protocol):
    """A signed-in user of one organisation."""

    @property
    def id(self) -> str: ...
    @property
    def username(self) -> str: ...
    @property
    def display_name(self) -> str: ...
    @property
    def roles(self) -> Collection[str]: ...
    @property
    def language(self) -> str: ...


class Session(Protocol):
    """A sign-in: the bearer token and when it ends (milliseconds since 1970, UTC)."""

    @property
    def token(self) -> str: ...
    @property
    def expires_at(self) -> int: ...


class Accounts(Protocol):
    """Users and sessions of one organisation; every refusal to sign in is a :class:`NotSignedIn`."""

    async def sign_in(self, username: str, password: str) -> Session: ...
    async def sign_in_with_link(self, link: str) -> Session: ...
    async def who(self, token: str) -> Person: ...
    async def sign_out(self, token: str) -> None: ...
    def may(self, person: Any, permission: str) -> bool: ...
    async def users(self) -> Sequence[Person]: ...
    async def add_user(
        self, *, username: str, password: str, display_name: str, roles: Sequence[str], language: str
    ) -> Person: ...
    async def make_link(self, username: str) -> str: ...


# The facade is called by name from the table of operations, so that one test can compare the two.
Services = Any
