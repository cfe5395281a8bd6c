"""Nonces of signed requests: each is taken once, in the transaction of what the request does, over restarts too.

A request that came to nothing leaves no nonce behind, so its sender may repeat it.
"""

import msgspec
from sqlalchemy import bindparam, delete
from sqlmodel import Session, col

from tallystick.core.errors import TallystickError
from tallystick.node.record.unit import Unit
from tallystick.tenants.models.transport import NonceRow

_OLD = delete(NonceRow).where(col(NonceRow.until) < bindparam("b_now"))


class Nonce(msgspec.Struct, frozen=True, kw_only=True):
    """A partner's nonce; ``until`` (milliseconds since 1970) its request could be sent again."""

    partner: str
    value: str
    until: int


class Replayed(TallystickError):
    """The request was taken before; the same bytes under a fresh signature may come again."""

    default_code = "replayed"

    def __init__(self) -> None:
        super().__init__("a request under this nonce was taken before")


def is_known(session: Session, nonce: Nonce) -> bool:
    """Whether it was used; a look before a body is read, that decides nothing."""
    return session.get(NonceRow, (nonce.partner, nonce.value)) is not None


def check(unit: Unit, nonce: Nonce | None) -> None:
    """Raise `Replayed` if it was used."""
    if nonce is not None and unit.get(NonceRow, (nonce.partner, nonce.value)) is not None:
        raise Replayed


def keep(unit: Unit, nonce: Nonce | None) -> None:
    """Note that it is used; the insertion refuses one that another replica of this node has just taken."""
    if nonce is not None:
        unit.insert(NonceRow, partner=nonce.partner, nonce=nonce.value, until=nonce.until)


def forget(unit: Unit, now: int) -> None:
    """Drop those whose requests are too old to be sent again."""
    unit.later(NonceRow, _OLD, {"b_now": now})
