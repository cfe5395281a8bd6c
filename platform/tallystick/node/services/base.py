"""What every service shares: the tenant's parts, permissions, pages."""

import asyncio
import base64
import binascii
from collections.abc import Callable
from typing import Any, TypeVar

from sqlmodel import Session

from tallystick.core import canonical
from tallystick.core.errors import Invalid
from tallystick.node.parts import Parts
from tallystick.node.record.rekeying import NOTE
from tallystick.node.record.unit import Unit
from tallystick.tenants.permissions import Holder, Permission, require
from tallystick.tenants.users import User

T = TypeVar("T")
MAX_PAGE = 200


class Service:
    """Base of the services; each call checks its permission first, then works in one transaction."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    async def read(self, who: User, work: Callable[[Session], T], permission: Permission = Permission.READ) -> T:
        """Run ``work`` on a snapshot."""
        require(who, permission)

        def run() -> T:
            with self.parts.database.session() as session:
                return work(session)

        return await asyncio.to_thread(run)

    async def write(self, who: Holder, permission: Permission, work: Callable[[Unit], T]) -> T:
        """Run ``work`` in a unit of its own, durable when this returns."""
        require(who, permission)
        return await self.parts.committer.run(work)

    async def _look_after_keys(self) -> None:
        """Wake the keeper: our keys, our card, or who has it, may be others now."""
        await self.parts.committer.run(lambda unit: unit.note(NOTE, None))


def page(rows: list[T], limit: int, cursor_of: Callable[[T], list[Any]], view: Callable[[T], Any]) -> dict[str, Any]:
    """A page of at most ``limit`` of the rows (one more was fetched to know whether there is a next page)."""
    following = encode_cursor(cursor_of(rows[limit - 1])) if len(rows) > limit else None
    return {"items": [view(row) for row in rows[:limit]], "next_cursor": following}


def bounded(limit: int) -> int:
    """A page size within bounds."""
    if not 1 <= limit <= MAX_PAGE:
        raise Invalid(f"limit must lie between 1 and {MAX_PAGE}", code="bad_limit", pointer="/limit")
    return limit


def cursor_values(cursor: str | None, kinds: tuple[type, ...]) -> list[Any] | None:
    """The keys of the last row of the page before, of the types named; None on the first page."""
    if cursor is None:
        return None
    try:
        values = canonical.parse(base64.urlsafe_b64decode(cursor.encode()), max_bytes=500)
    except (binascii.Error, ValueError, Invalid) as error:
        raise Invalid("cursor is not one that this API gave", code="bad_cursor", pointer="/cursor") from error
    if not isinstance(values, list) or [type(one) for one in values] != list(kinds):
        raise Invalid("cursor is not one that this API gave", code="bad_cursor", pointer="/cursor")
    return values


def encode_cursor(values: list[Any]) -> str:
    """A cursor for the keys of a page's last row."""
    return base64.urlsafe_b64encode(canonical.encode(values)).decode()
