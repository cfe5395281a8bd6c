"""Bounds guessing: after a few attempts on a name, each further one must wait longer.

Attempts are counted before the password is looked at, so that parallel guesses gain nothing. Names without a user are
counted too: being told to wait must not reveal that a name exists.
"""

import hashlib
import time
from collections.abc import Callable

from sqlalchemy import delete, func
from sqlmodel import Session, col, select

from tallystick.tenants.models.user import SignInAttempt
from tallystick.tenants.sessions import NotSignedIn

FREE = 5  # attempts that need not wait
LONGEST_WAIT_MS = 300_000  # longer, and strangers could keep a person out for good
FORGET_MS = 3_600_000
MAX_NAMES = 10_000  # rows that strangers can make; the oldest give way


class TooManyAttempts(NotSignedIn):
    """The name must wait before it is tried again (``retry_after_s``)."""

    default_code = "too_many_attempts"

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"too many attempts; try again in {retry_after_s} seconds")
        self.retry_after_s = retry_after_s


class Throttle:
    """Counts attempts a name in the caller's write transaction."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock

    def attempt(self, session: Session, name: str) -> int:
        """Count one attempt on ``name``; the seconds it must wait instead, or 0 when it may go on."""
        now = int(self._clock() * 1000)
        self._prune(session, now)
        row = session.get(SignInAttempt, _key(name))
        if row is not None and row.blocked_until > now:
            return -(-(row.blocked_until - now) // 1000)
        attempts = (row.attempts if row is not None else 0) + 1
        session.merge(
            SignInAttempt(
                name_hash=_key(name),
                attempts=attempts,
                blocked_until=now + _wait_ms(attempts),
                forget_at=now + FORGET_MS,
            )
        )
        return 0

    def succeeded(self, session: Session, name: str) -> None:
        """Forget the attempts on ``name``."""
        session.exec(delete(SignInAttempt).where(col(SignInAttempt.name_hash) == _key(name)))

    def _prune(self, session: Session, now: int) -> None:
        session.exec(delete(SignInAttempt).where(col(SignInAttempt.forget_at) <= now))
        count = session.exec(select(func.count()).select_from(SignInAttempt)).one()
        if count >= MAX_NAMES:
            oldest = select(SignInAttempt.name_hash).order_by(col(SignInAttempt.forget_at)).limit(MAX_NAMES // 10)
            session.exec(delete(SignInAttempt).where(col(SignInAttempt.name_hash).in_(oldest)))


def _wait_ms(attempts: int) -> int:
    """1, 2, 4 … seconds once the free attempts are used up."""
    doublings = min(attempts - FREE, 16)
    return min(1000 << doublings, LONGEST_WAIT_MS) if doublings >= 0 else 0


def _key(name: str) -> str:
    """Names are people's; attempts on them are kept by hash, which also bounds what a stranger can store."""
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
