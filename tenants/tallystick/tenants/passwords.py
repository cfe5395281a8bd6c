"""Passwords: argon2id (RFC 9106), NFC text (RFC 8265), a few at a time."""

import threading
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from tallystick.core.errors import Invalid

SHORTEST = 10  # characters
LONGEST = 256  # characters; hashing time must not depend on what a stranger sends
_HASHER = PasswordHasher(time_cost=2, memory_cost=65_536, parallelism=2)
# Each hash takes 64 MiB: a flood of sign-ins waits here instead of taking the host's memory.
_AT_ONCE = threading.BoundedSemaphore(2)
# Of a random password: verified when there is no such user, so that the answer takes as long.
_NOBODY = "$argon2id$v=19$m=65536,t=2,p=2$1eNGbpGGDzNpePyibR+geQ$HvPPFd0Nt5RoZh8IdKr7geze9rP/GxIzUT6abYeqrsU"


def hash_password(password: str) -> str:
    """The encoded argon2id hash of a new password; a weak one raises :class:`Invalid`."""
    text = _text(password)
    if not SHORTEST <= len(text) <= LONGEST:
        raise Invalid(f"a password has {SHORTEST} to {LONGEST} characters", code="weak_password")
    with _AT_ONCE:
        return _HASHER.hash(text)


def password_matches(password: str, encoded: str | None) -> bool:
    """Whether ``password`` is the hashed one; takes the same time when there is no hash."""
    if len(password) > LONGEST:
        return False
    with _AT_ONCE:
        try:
            return _HASHER.verify(encoded or _NOBODY, _text(password)) and encoded is not None
        except (Argon2Error, InvalidHashError, Invalid):
            return False


def needs_rehash(encoded: str) -> bool:
    """Whether the hash was made at another cost than new ones are."""
    return _HASHER.check_needs_rehash(encoded)


def _text(password: str) -> str:
    text = unicodedata.normalize("NFC", password)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise Invalid("a password is Unicode text", code="weak_password") from None
    return text
