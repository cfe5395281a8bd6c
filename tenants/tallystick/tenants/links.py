"""One-time sign-in links: a public half to find the row by, a secret half kept only as its hash."""

import hashlib
import hmac
import secrets

from sqlalchemy import delete
from sqlmodel import Session, col

from tallystick.core import b64
from tallystick.core.errors import Invalid
from tallystick.tenants.models.user import SignInLink
from tallystick.tenants.sessions import NotSignedIn

MAX_LINK = 128  # characters; ours have 54
_SELECTOR_BYTES = 8
_SECRET_BYTES = 32


class BadLink(NotSignedIn):
    """The sign-in link is unknown, used or expired; which one is not told."""

    default_code = "bad_link"

    def __init__(self) -> None:
        super().__init__("the sign-in link is unknown, used or expired")


def add(session: Session, user_id: str, *, now: int, lifetime_s: int) -> str:
    """Keep a fresh link (``now`` in milliseconds) and return its text; expired ones are cleared away."""
    selector, secret = secrets.token_bytes(_SELECTOR_BYTES), secrets.token_bytes(_SECRET_BYTES)
    session.exec(delete(SignInLink).where(col(SignInLink.expires_at) <= now))
    session.add(
        SignInLink(
            selector=selector.hex(), secret_hash=_digest(secret), user_id=user_id, expires_at=now + lifetime_s * 1000
        )
    )
    return b64.encode(selector + secret)


def take(session: Session, link: str) -> SignInLink:
    """Remove the row of ``link`` and return it, expired or not; raises :class:`BadLink`."""
    selector, secret = _halves(link)
    row = session.get(SignInLink, selector)
    # The database finds the row by its public half; the secret one is compared in constant time.
    if row is None or not hmac.compare_digest(row.secret_hash, _digest(secret)):
        raise BadLink
    session.delete(row)
    return row


def _digest(secret: bytes) -> str:
    return hashlib.sha256(secret).hexdigest()


def _halves(link: str) -> tuple[str, bytes]:
    if len(link) > MAX_LINK:
        raise BadLink
    try:
        raw = b64.decode(link)
    except Invalid as error:
        raise BadLink from error
    return raw[:_SELECTOR_BYTES].hex(), raw[_SELECTOR_BYTES:]
