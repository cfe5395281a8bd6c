"""Session tokens: JWTs (RFC 7519) that one organisation's node issues to its own users."""

import secrets
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jwt
from jwt.types import Options

from tallystick.core.errors import TallystickError

ALGORITHM = "HS256"
LIFETIME_S = 8 * 3600  # one shift
MAX_TOKEN = 4096  # characters; ours have some 400
_REQUIRED = ["iss", "aud", "sub", "iat", "exp", "jti"]


class NotSignedIn(TallystickError):
    """Base of all reasons to ask for a sign-in (HTTP 401)."""

    default_code = "not_signed_in"


class BadToken(NotSignedIn):
    """The session token is malformed, forged, revoked or meant for another organisation."""

    default_code = "bad_token"


class ExpiredToken(BadToken):
    """The session token was good once."""

    default_code = "expired_token"


class Session(NamedTuple):
    """What a good token says; ``expires_at`` in seconds since 1970."""

    user_id: str
    token_id: str
    generation: int
    expires_at: int


class Sessions:
    """Issues and reads the tokens of one organisation (``iss`` and ``aud``)."""

    def __init__(self, org_id: str, secret: bytes, *, clock: Callable[[], float] = time.time) -> None:
        self._org_id = org_id
        self._secret = secret
        self._clock = clock

    def issue(self, user_id: str, generation: int, *, lifetime_s: int = LIFETIME_S) -> tuple[str, int]:
        """A token and when it expires (seconds); ``generation`` is raised to end all of a user's sessions."""
        now = int(self._clock())
        claims = {
            "iss": self._org_id,
            "aud": self._org_id,
            "sub": user_id,
            "iat": now,
            "exp": now + lifetime_s,
            "jti": secrets.token_urlsafe(16),
            "gen": generation,
        }
        return jwt.encode(claims, self._secret, algorithm=ALGORITHM), now + lifetime_s

    def read(self, token: str) -> Session:
        """What a token says that this node issued and that is still good; raises :class:`BadToken`."""
        if len(token) > MAX_TOKEN:
            raise BadToken("the session token is too long")
        session = _session(self._claims(token))
        if session.expires_at <= self._clock():
            raise ExpiredToken("the session has expired; sign in again")
        return session

    def _claims(self, token: str) -> dict[str, Any]:
        # Times are checked in `read`, by the one clock that also issued them.
        options: Options = {"require": _REQUIRED, "verify_exp": False, "verify_iat": False, "strict_aud": True}
        try:
            return jwt.decode(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                audience=self._org_id,
                issuer=self._org_id,
                options=options,
            )
        except (jwt.PyJWTError, ValueError) as error:
            raise BadToken("the session token is not one of this organisation's") from error

    def __repr__(self) -> str:
        return f"Sessions({self._org_id!r})"


def _session(claims: dict[str, Any]) -> Session:
    generation, expires_at = claims.get("gen"), claims["exp"]
    if not isinstance(generation, int) or not isinstance(expires_at, int):
        raise BadToken("the session token lacks a claim")
    return Session(claims["sub"], claims["jti"], generation, expires_at)
