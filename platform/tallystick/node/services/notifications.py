"""Notifications: what staff should see, and what asks to be acknowledged."""

from typing import Any

from sqlmodel import Session, col, select

from tallystick.core import canonical
from tallystick.core.errors import NotFound, WrongState
from tallystick.core.statement import Acknowledge
from tallystick.node.record import store
from tallystick.node.record.authoring import Saying, say
from tallystick.node.record.unit import Reader, Unit
from tallystick.node.services import views
from tallystick.node.services.base import Service, bounded, cursor_values, page
from tallystick.tenants.models.record import NotificationRow, OpeningRow
from tallystick.tenants.permissions import Permission
from tallystick.tenants.users import User


class Notifications(Service):
    """Reading and acknowledging."""

    async def notifications(self, who: User, *, limit: int = 50, cursor: str | None = None) -> dict[str, Any]:
        """Newest first, in keyset pages."""
        limit, after = bounded(limit), cursor_values(cursor, (int,))

        def work(session: Session) -> dict[str, Any]:
            query = select(NotificationRow).order_by(col(NotificationRow.id).desc())
            if after:
                query = query.where(col(NotificationRow.id) < after[0])
            rows = list(session.exec(query.limit(limit + 1)))
            return page(rows, limit, lambda row: [row.id], lambda row: _view(session, row))

        return await self.read(who, work)

    async def acknowledge(self, who: User, notification_id: int | str) -> dict[str, Any]:
        """Mark as read; where the step asks for it, state the acknowledgement in the record."""

        def work(unit: Unit) -> dict[str, Any]:
            row = unit.get(NotificationRow, int(notification_id)) if str(notification_id).isdecimal() else None
            if row is None:
                raise NotFound("there is no such notification here")
            unit.change(NotificationRow, row.id, read=True)
            if row.requires_acknowledgment and not row.acknowledged:
                self._say(unit, row)
            return _view(unit, unit.get_one(NotificationRow, row.id))

        return await self.write(who, Permission.WORK_ON_TASKS, work)

    def _say(self, unit: Unit, row: NotificationRow) -> None:
        loaded = store.load(unit, row.execution)
        if loaded.state.status != "running":
            raise WrongState("the execution has ended", state=loaded.state.status)
        task, attempt = row.task or "", row.attempt or 0
        saying = Saying(
            kind="acknowledge",
            make=lambda _data, _sealed: Acknowledge(task=task, attempt=attempt),
            answer_key=f"acknowledge/{task}/{attempt}",
            task=task,
            attempt=attempt,
        )
        say(unit, self.parts.context, loaded, saying)


def _view(reader: Reader, row: NotificationRow) -> dict[str, Any]:
    loaded = store.load(reader, row.execution)
    key = (loaded.row.number, row.statement_id, "$reason")
    reason = reader.get(OpeningRow, key) if row.notification_type in _REASONED and row.statement_id else None
    facts = {"reason": canonical.parse(reason.value) if reason else None}
    return {**views.notification(row, views.names(loaded.agreement), loaded.row.name), **facts}


_REASONED = frozenset({"terminated", "suspended", "replaced"})
