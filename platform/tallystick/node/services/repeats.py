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
from sqlalchemy import bindparam, delete, literal_column, select
from sqlmodel import col

from tallystick.core.errors import Invalid
from tallystick.node.record.unit import Unit
from tallystick.tenants.models.repeat import RepeatRow

MAX_KEY = 255  # characters: seven UUIDs
KEPT_MS = 24 * 60 * 60 * 1000  # longer than any client waits before it asks a person
KEPT_OF_A_USER = 1000  # the newest; at a few kilobytes an answer, what one user can make the database hold

_user, _at = col(RepeatRow.user_id), col(RepeatRow.at)
_OLD = delete(RepeatRow).where(_at <= bindparam("b_before"))
_newest = select(_at).where(_user == bindparam("b_user")).order_by(_at.desc()).limit(literal_column("1"))
_MANY = delete(RepeatRow).where(
    _user == bindparam("b_user"), _at <= _newest.offset(bindparam("b_kept")).scalar_subquery()
)


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


def once(unit: Unit, asked: Asked | None, now: int, work: Callable[[Unit], dict[str, Any]]) -> dict[str, Any]:
    """Do ``work`` and keep its answer, or return the answer kept; without a key, just do it.

    Raises Invalid (``idempotency_key_reused``) for another request under the same key.
    """
    if asked is None:
        return work(unit)
    kept = unit.get(RepeatRow, (asked.user_id, asked.key))
    if kept is None or kept.at <= now - KEPT_MS:
        answer = work(unit)
        _keep(unit, asked, now, answer)
        return answer
    if kept.fingerprint != asked.fingerprint:
        raise Invalid("this Idempotency-Key was used for another request", code="idempotency_key_reused")
    found: dict[str, Any] = msgspec.json.decode(kept.answer)
    return found


def _keep(unit: Unit, asked: Asked, now: int, answer: dict[str, Any]) -> None:
    """Write the answer, and drop those that are too old or more of one user's than are kept."""
    facts = {"user_id": asked.user_id, "key": asked.key, "fingerprint": asked.fingerprint}
    unit.put(RepeatRow, **facts, answer=msgspec.json.encode(answer), at=now)
    unit.later(RepeatRow, _OLD, {"b_before": now - KEPT_MS})
    unit.later(RepeatRow, _MANY, {"b_user": asked.user_id, "b_kept": KEPT_OF_A_USER})
