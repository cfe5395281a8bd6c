"""Answering a repeated request with its first answer (draft-ietf-httpapi-idempotency-key-header).

The answer is written in the transaction of what it answers: whatever crashes, both are there or neither is. So a client
that lost an answer sends its request again, before or after a restart, and nothing happens twice. A refused request
changed nothing and is not kept: it may be corrected and sent again under its key.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import msgspec
from sqlalchemy import Connection, delete, insert
from sqlmodel import col, select

from tallystick.core.errors import Invalid
from tallystick.tenants.models.repeat import RepeatRow

MAX_KEY = 255  # characters: seven UUIDs
KEPT_MS = 24 * 60 * 60 * 1000  # longer than any client waits before it asks a person
KEPT_OF_A_USER = 1000  # the newest; at a few kilobytes an answer, what one user can make the database hold


@dataclass(frozen=True)
class Asked:
    """A request under a key of its user's."""

    user_id: str
    key: str
    fingerprint: bytes

    @classmethod
    def of(cls, user_id: str, key: str, request: bytes) -> Self:
        """The request by its bytes; Invalid when the key is not one."""
        if not 0 < len(key) <= MAX_KEY:
            raise Invalid(f"an Idempotency-Key has 1 to {MAX_KEY} characters", code="invalid")
        return cls(user_id, key, hashlib.sha256(request).digest())


def once(connection: Connection, asked: Asked, now: int, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Do ``work`` and keep its answer, or return the answer kept; within the caller's one write transaction.

    Raises Invalid (``idempotency_key_reused``) for another request under the same key.
    """
    _forget(connection, asked.user_id, now)
    mine = (col(RepeatRow.user_id) == asked.user_id, col(RepeatRow.key) == asked.key)
    kept = connection.execute(select(RepeatRow.fingerprint, RepeatRow.answer).where(*mine)).first()
    if kept is None:
        answer = work()
        row = {"user_id": asked.user_id, "key": asked.key, "fingerprint": asked.fingerprint}
        connection.execute(insert(RepeatRow).values(**row, answer=msgspec.json.encode(answer), at=now))
        return answer
    if kept.fingerprint != asked.fingerprint:
        raise Invalid("this Idempotency-Key was used for another request", code="idempotency_key_reused")
    found: dict[str, Any] = msgspec.json.decode(kept.answer)
    return found


def _forget(connection: Connection, user_id: str, now: int) -> None:
    """Drop what is too old, and the user's oldest answers beyond the number that is kept with the one to come."""
    connection.execute(delete(RepeatRow).where(col(RepeatRow.at) <= now - KEPT_MS))
    mine = select(RepeatRow.at).where(RepeatRow.user_id == user_id).order_by(col(RepeatRow.at).desc())
    oldest = connection.execute(mine.offset(KEPT_OF_A_USER).limit(1)).scalar()
    if oldest is not None:
        connection.execute(delete(RepeatRow).where(col(RepeatRow.user_id) == user_id, col(RepeatRow.at) <= oldest))
