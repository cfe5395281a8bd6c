"""Access tokens of external workers: long-lived, shown once, listed, and ended by removing them.

A token is no user: it can take tasks from the queues that it names and do nothing else, so that one that leaks from a
machine in the plant opens neither the portal nor the record.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Sequence

import msgspec
from sqlmodel import col, delete, func, select

from tallystick.core import b64
from tallystick.core.errors import Forbidden, Invalid, NotFound, WrongState
from tallystick.tenants.database import Database
from tallystick.tenants.models.access_token import AccessToken
from tallystick.tenants.permissions import Holder, Permission, Role, permissions_of
from tallystick.tenants.sessions import BadToken

PREFIX = "tally_"  # tells it from a session, and lets scanners find one that lies about
MAX_TOKENS = 1_000
MAX_DAYS = 730
MAX_QUEUES = 100
_ID_BYTES, _SECRET_BYTES = 8, 32
_LENGTH = len(PREFIX) + 54
_DAY_MS = 86_400_000


class WrongQueue(Forbidden):
    """The token is for other queues (``queue``)."""

    default_code = "wrong_queue"

    def __init__(self, queue: str) -> None:
        super().__init__("this token is for other task queues")
        self.queue = queue


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """The holder of a token, where else a user stands; ``queues`` None means every queue."""

    id: str
    username: str
    display_name: str
    queues: frozenset[str] | None
    roles: tuple[str, ...] = (Role.WORKER,)
    groups: tuple[str, ...] = ()  # programs take tasks from queues only
    language: str = "en"

    def may(self, permission: Permission) -> bool:
        """Whether a worker has that permission."""
        return permission in permissions_of(self.roles)


class AccessTokens:
    """All access tokens in one tenant database."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def create(
        self, name: str, *, created_by: str, queues: Sequence[str] | None = None, days: int = 365
    ) -> tuple[str, AccessToken]:
        """A new token: its text, which nobody can show again, and what is kept of it."""
        if not 1 <= len(name) <= 100 or not name.isprintable():
            raise Invalid("a token has a name of 1 to 100 visible characters", code="bad_name", pointer="/name")
        if not 1 <= days <= MAX_DAYS:
            raise Invalid(f"a token lives 1 to {MAX_DAYS} days", code="bad_lifetime", pointer="/days")
        if queues is not None and not 1 <= len(queues) <= MAX_QUEUES:
            raise Invalid(f"name 1 to {MAX_QUEUES} queues, or none at all", code="bad_queues", pointer="/queues")
        half, secret = secrets.token_bytes(_ID_BYTES), secrets.token_bytes(_SECRET_BYTES)
        now = self._now()
        row = AccessToken(
            id=half.hex(),
            secret_hash=_digest(secret),
            name=name,
            queues=None if queues is None else sorted(set(queues)),
            created_by=created_by,
            created_at=now,
            expires_at=now + days * _DAY_MS,
        )
        with self._database.write() as session:
            session.exec(delete(AccessToken).where(col(AccessToken.expires_at) <= now))
            if session.exec(select(func.count()).select_from(AccessToken)).one() >= MAX_TOKENS:
                raise WrongState(f"there are {MAX_TOKENS} tokens; remove some", state="full", code="too_many_tokens")
            session.add(row)
        return PREFIX + b64.encode(half + secret), row

    def holder_of(self, token: str) -> Worker:
        """Whose token it is; raises :class:`BadToken`."""
        try:
            raw = b64.decode(token.removeprefix(PREFIX)) if len(token) == _LENGTH else b""
        except Invalid:
            raw = b""
        with self._database.session() as session:
            row = session.get(AccessToken, raw[:_ID_BYTES].hex())
        # The database finds the row by its public half; the secret one is compared in constant time.
        if row is None or not hmac.compare_digest(row.secret_hash, _digest(raw[_ID_BYTES:])):
            raise BadToken("the access token is unknown or was removed")
        if row.expires_at <= self._now():
            raise BadToken("the access token has expired; ask for a new one")
        queues = None if row.queues is None else frozenset(row.queues)
        return Worker(id=f"token:{row.id}", username=f"token:{row.id}", display_name=row.name, queues=queues)

    def all(self) -> list[AccessToken]:
        """Every token, the oldest first; none of them can be used by what stands here."""
        with self._database.session() as session:
            return list(session.exec(select(AccessToken).order_by(col(AccessToken.created_at), col(AccessToken.id))))

    def remove(self, token_id: str) -> None:
        """End a token at once."""
        with self._database.write() as session:
            row = session.get(AccessToken, token_id)
            if row is None:
                raise NotFound("there is no such access token")
            session.delete(row)

    def _now(self) -> int:
        return int(self._clock() * 1000)


def is_access_token(token: str) -> bool:
    """Whether a bearer token is one of these rather than a session."""
    return token.startswith(PREFIX)


def check_queue(who: Holder, queue: str) -> None:
    """Raise :class:`WrongQueue` when ``who`` is a token for other queues."""
    if not may_use(who, queue):
        raise WrongQueue(queue)


def may_use(who: Holder, queue: str) -> bool:
    """Whether a queue is one that ``who`` may take from, given the permission to take from any."""
    return not isinstance(who, Worker) or who.queues is None or queue in who.queues


def _digest(secret: bytes) -> str:
    return hashlib.sha256(secret).hexdigest()
