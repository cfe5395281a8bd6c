"""The people of one organisation: accounts, sign-in by password or one-time link, sessions."""

import time
import uuid
from collections.abc import Callable, Iterable

from sqlalchemy import Update, delete, exc, update
from sqlmodel import Session as DatabaseSession
from sqlmodel import col, select

from tallystick.core.errors import Invalid, NotFound, WrongState
from tallystick.tenants import links, passwords
from tallystick.tenants.database import Database
from tallystick.tenants.groups import check_groups
from tallystick.tenants.links import BadLink
from tallystick.tenants.models.user import Credential, RevokedToken, SignInLink, User
from tallystick.tenants.permissions import Role, check_roles
from tallystick.tenants.sessions import BadToken, NotSignedIn, Sessions
from tallystick.tenants.throttle import Throttle, TooManyAttempts
from tallystick.tenants.usernames import check_username, could_be_username, lookup_key

__all__ = ["BadLink", "BadToken", "NameTaken", "NotSignedIn", "SignInFailed", "TooManyAttempts", "User", "Users"]

LANGUAGES = ("en", "zh-CN")
LONGEST_DISPLAY_NAME = 200  # characters
LINK_LIFETIME_S = 24 * 3600


class SignInFailed(NotSignedIn):
    """Name or password is wrong, or the user may no longer sign in; which one is not told."""

    default_code = "sign_in_failed"

    def __init__(self) -> None:
        super().__init__("the user name or the password is wrong")


class NameTaken(WrongState):
    """Another user has that name (``username``)."""

    default_code = "name_taken"

    def __init__(self, username: str) -> None:
        super().__init__("a user with this name exists", state="exists", code=self.default_code)
        self.username = username


class Users:
    """All user accounts in one tenant database."""

    def __init__(
        self, database: Database, *, org_id: str, session_secret: bytes, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._sessions = Sessions(org_id, session_secret, clock=clock)
        self._throttle = Throttle(clock=clock)
        self._clock = clock

    def create(
        self,
        username: str,
        *,
        password: str | None = None,
        display_name: str = "",
        roles: Iterable[str] = (Role.OPERATOR,),
        groups: Iterable[str] = (),
        language: str = "en",
    ) -> User:
        """A new user; without a password only links sign in. A taken name raises :class:`NameTaken`."""
        name = check_username(username)
        user = User(
            id=str(uuid.uuid4()),
            username=name,
            username_key=lookup_key(name),
            display_name=_display_name(display_name or name),
            roles=check_roles(roles),
            groups=check_groups(groups),
            language=_language(language),
            created_at=int(self._clock() * 1000),
        )
        credential = Credential(user_id=user.id, password_hash=_hash(password))
        try:
            with self._database.write() as session:
                session.add(user)
                session.flush()
                session.add(credential)
        except exc.IntegrityError as error:
            raise NameTaken(name) from error
        return user

    def by_id(self, user_id: str) -> User:
        """The user of that id; raises :class:`NotFound`."""
        with self._database.session() as session:
            return _found(session.get(User, user_id))

    def by_username(self, username: str) -> User:
        """The user of that name, in any case; raises :class:`NotFound`."""
        with self._database.session() as session:
            return _found(_named(session, username))

    def all(self) -> list[User]:
        """Every user, by name."""
        with self._database.session() as session:
            return list(session.exec(select(User).order_by(col(User.username_key))))

    def authenticate(self, username: str, password: str) -> User:
        """The user who signs in; raises :class:`SignInFailed` or, after many attempts, :class:`TooManyAttempts`."""
        name = lookup_key(username)
        with self._database.write() as session:
            wait = self._throttle.attempt(session, name)
        if wait:
            raise TooManyAttempts(wait)
        with self._database.session() as session:
            user = _named(session, username)
            credential = session.get(Credential, user.id) if user else None
        encoded = credential.password_hash if credential else None
        if not passwords.password_matches(password, encoded) or user is None or not user.is_active:
            raise SignInFailed
        self._signed_in(user, name, password, encoded)
        return user

    def set_password(self, user: User, password: str) -> None:
        """Replace the password and end all sessions of the user."""
        encoded = passwords.hash_password(password)
        with self._database.write() as session:
            session.exec(_credential(user.id).values(password_hash=encoded, generation=Credential.generation + 1))

    def set_groups(self, username: str, groups: Iterable[str]) -> User:
        """Replace the groups that the user is in; it holds from the user's next request on."""
        checked = check_groups(groups)
        with self._database.write() as session:
            user = _found(_named(session, username))
            user.groups = checked
            session.add(user)
        return user

    def deactivate(self, user: User) -> None:
        """Let the user sign in no more; sessions and links end at once."""
        with self._database.write() as session:
            session.exec(update(User).where(col(User.id) == user.id).values(is_active=False))
            session.exec(_credential(user.id).values(generation=Credential.generation + 1))
            session.exec(delete(SignInLink).where(col(SignInLink.user_id) == user.id))

    def issue_token(self, user: User) -> tuple[str, int]:
        """A session token and when it expires (milliseconds since 1970)."""
        with self._database.session() as session:
            credential = session.get(Credential, user.id)
        if credential is None:
            raise NotFound("there is no such user")
        token, expires_at = self._sessions.issue(user.id, credential.generation)
        return token, expires_at * 1000

    def user_of(self, token: str) -> User:
        """The user whose session it is; raises :class:`BadToken` or :class:`ExpiredToken`."""
        claimed = self._sessions.read(token)
        with self._database.session() as session:
            user = session.get(User, claimed.user_id)
            credential = session.get(Credential, claimed.user_id)
            revoked = session.get(RevokedToken, claimed.token_id)
        current = credential is not None and credential.generation == claimed.generation
        if user is None or not user.is_active or not current or revoked is not None:
            raise BadToken("the session has ended; sign in again")
        return user

    def revoke(self, token: str) -> None:
        """End one session (sign-out); revoking twice is harmless."""
        claimed = self._sessions.read(token)
        with self._database.write() as session:
            session.exec(delete(RevokedToken).where(col(RevokedToken.expires_at) <= int(self._clock())))
            session.merge(RevokedToken(token_id=claimed.token_id, expires_at=claimed.expires_at))

    def make_link(self, user: User, *, lifetime_s: int = LINK_LIFETIME_S) -> str:
        """The secret of a link that signs ``user`` in once; only its hash is kept."""
        with self._database.write() as session:
            return links.add(session, user.id, now=int(self._clock() * 1000), lifetime_s=lifetime_s)

    def redeem_link(self, link: str) -> User:
        """The user whom the link signs in; a link works once. Raises :class:`BadLink`."""
        with self._database.write() as session:
            row = links.take(session, link)
            user = session.get(User, row.user_id)
        if user is None or not user.is_active or row.expires_at <= int(self._clock() * 1000):
            raise BadLink
        return user

    def _signed_in(self, user: User, name: str, password: str, encoded: str | None) -> None:
        """Forget the attempts; hash anew when new passwords cost more than this one did."""
        stale = encoded is not None and passwords.needs_rehash(encoded)
        renewed = passwords.hash_password(password) if stale else None
        with self._database.write() as session:
            self._throttle.succeeded(session, name)
            if renewed:
                session.exec(_credential(user.id).values(password_hash=renewed))


def _display_name(name: str) -> str:
    if len(name) > LONGEST_DISPLAY_NAME or not name.isprintable():
        raise Invalid(f"a display name has at most {LONGEST_DISPLAY_NAME} visible characters", code="bad_display_name")
    return name


def _language(language: str) -> str:
    if language not in LANGUAGES:
        raise Invalid(f"languages are {' and '.join(LANGUAGES)}", code="unknown_language")
    return language


def _named(session: DatabaseSession, username: str) -> User | None:
    if not could_be_username(username):
        return None
    return session.exec(select(User).where(User.username_key == lookup_key(username))).first()


def _found(user: User | None) -> User:
    if user is None:
        raise NotFound("there is no such user")
    return user


def _credential(user_id: str) -> Update:
    return update(Credential).where(col(Credential.user_id) == user_id)


def _hash(password: str | None) -> str | None:
    return None if password is None else passwords.hash_password(password)
