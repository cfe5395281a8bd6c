"""What an organisation waits for in all of its executions, and what lies in its outbox."""

from typing import Any

from sqlmodel import Session, col, select

from tallystick.core.engine.state import OPEN
from tallystick.node.record.outgoing import undelivered
from tallystick.node.services import searching
from tallystick.node.services.base import Service, bounded, cursor_values, page
from tallystick.node.services.searching import Wanted, cursor_key
from tallystick.node.services.waiting import delivery, waits
from tallystick.tenants.models.record import OutboxRow
from tallystick.tenants.users import User

_NEEDED = tuple(sorted(OPEN))


class Waits(Service):
    """Lists over all executions; what one of them waits for is :mod:`.waiting`."""

    async def all_waiting(self, who: User, *, limit: int = 50, cursor: str | None = None) -> dict[str, Any]:
        """Executions that have not ended, the newest first, each with all that it waits for."""
        limit, after = bounded(limit), cursor_key(cursor)

        def work(session: Session) -> dict[str, Any]:
            found = searching.executions(session, Wanted(statuses=_NEEDED), limit, after)
            return found.page(lambda row: self._execution(session, row))

        return await self.read(who, work)

    def _execution(self, session: Session, row: Any) -> dict[str, Any]:
        return {
            "execution_id": row.id,
            "name": row.name,
            "status": row.status,
            "since": row.updated_at,
            "waiting": waits(session, self.parts.context, row.id),
        }

    async def outbox(
        self, who: User, *, partner: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> dict[str, Any]:
        """Messages that no partner's stream has confirmed, in the order in which each partner gets its own."""
        limit, after = bounded(limit), cursor_values(cursor, (int,))

        def work(session: Session) -> dict[str, Any]:
            names = {card.id: card.name for card in self.parts.partners.pinned()}
            query = select(OutboxRow).where(undelivered()).order_by(col(OutboxRow.id))
            if partner is not None:
                query = query.where(OutboxRow.partner == partner)
            if after:
                query = query.where(col(OutboxRow.id) > after[0])
            rows = list(session.exec(query.limit(limit + 1)))
            return page(rows, limit, lambda row: [row.id], lambda row: _message(row, names))

        return await self.read(who, work)


def _message(row: OutboxRow, names: dict[str, str]) -> dict[str, Any]:
    return {
        "outbox_id": row.id,
        "message_id": row.message_id,
        "execution_id": row.execution,
        "bytes": len(row.payload),
        **delivery(row),
        "for_whom_name": names.get(row.partner, row.partner),
    }
