"""Staff's tasks: claim, answer, give back."""

from typing import Any

from sqlmodel import Session

from tallystick.core.errors import NotFound, WrongState
from tallystick.node.record import store
from tallystick.node.record.answering import say_result
from tallystick.node.record.forms import check_form
from tallystick.node.record.unit import Reader, Unit
from tallystick.node.services import task_listing, views
from tallystick.node.services.base import Service, bounded
from tallystick.node.services.searching import Wanted, cursor_key
from tallystick.node.services.values import resolve
from tallystick.tenants.groups import require_group
from tallystick.tenants.models.record import TaskRow
from tallystick.tenants.permissions import Permission
from tallystick.tenants.users import User

_WORK = Permission.WORK_ON_TASKS
_OPEN = ("open", "claimed")


class Tasks(Service):
    """Tasks that people of this organisation answer."""

    async def tasks(
        self,
        who: User,
        *,
        status: str | None = "open",
        limit: int = 50,
        cursor: str | None = None,
        mine: bool = False,
        **filters: Any,
    ) -> dict[str, Any]:
        """Oldest first (or by ``order``), in keyset pages; ``open`` includes what colleagues have claimed.

        ``mine`` leaves those that one may take or has taken.
        """
        limit, after = bounded(limit), cursor_key(cursor)
        statuses = _OPEN if status == "open" else (status,) if status else ()
        wanted = Wanted(statuses=statuses, for_whom=who if mine else None, **filters)

        def work(session: Session) -> dict[str, Any]:
            found = task_listing.tasks(session, wanted, limit, after)
            return found.page(lambda row: self._view(session, row))

        return await self.read(who, work)

    async def task(self, who: User, task_key: str) -> dict[str, Any]:
        """One task."""
        return await self.read(who, lambda session: self._view(session, self._row(session, task_key)))

    async def claim(self, who: User, task_key: str) -> dict[str, Any]:
        """Take the task for oneself; taking it twice is harmless, taking a colleague's is refused."""

        def work(unit: Unit) -> dict[str, Any]:
            row = self._takeable_row(unit, task_key, who)
            now = self.parts.context.now()
            unit.change(TaskRow, row.key, status="claimed", claimed_by=who.username, claimed_at=now)
            return self._view(unit, unit.get_one(TaskRow, row.key))

        return await self.write(who, _WORK, work)

    async def release(self, who: User, task_key: str) -> dict[str, Any]:
        """Give a claimed task back."""

        def work(unit: Unit) -> dict[str, Any]:
            row = self._open_row(unit, task_key, who)
            unit.change(TaskRow, row.key, status="open", claimed_by=None, claimed_at=None)
            return self._view(unit, unit.get_one(TaskRow, row.key))

        return await self.write(who, _WORK, work)

    async def complete(self, who: User, task_key: str, data: dict[str, Any]) -> dict[str, Any]:
        """Answer with data, checked against the task's form."""
        return await self._answer(who, task_key, status="completed", data=data)

    async def approve(self, who: User, task_key: str, comments: str = "") -> dict[str, Any]:
        """Approve."""
        return await self._decide(who, task_key, approved=True, comments=comments)

    async def reject(self, who: User, task_key: str, comments: str = "") -> dict[str, Any]:
        """Reject, which is an answer and not a failure."""
        return await self._decide(who, task_key, approved=False, comments=comments)

    async def fail(self, who: User, task_key: str, code: str, message: str) -> dict[str, Any]:
        """Say that it could not be done; the step's retry policy decides what follows."""
        return await self._answer(who, task_key, status="failed", code=code, message=message)

    async def cancel(self, who: User, task_key: str, reason: str) -> dict[str, Any]:
        """Withdraw from the task, which cancels the execution."""
        return await self._answer(who, task_key, status="cancelled", code="cancelled", message=reason)

    async def _decide(self, who: User, task_key: str, *, approved: bool, comments: str) -> dict[str, Any]:
        data: dict[str, Any] = {"approval_decision": approved, **({"comments": comments} if comments else {})}
        return await self._answer(who, task_key, status="completed", data=data, only="approval")

    async def _answer(
        self,
        who: User,
        task_key: str,
        *,
        status: str,
        data: dict[str, Any] | None = None,
        code: str | None = None,
        message: str = "",
        only: str | None = None,
    ) -> dict[str, Any]:
        def work(unit: Unit) -> dict[str, Any]:
            row = self._takeable_row(unit, task_key, who)
            loaded = store.load(unit, row.execution)
            step = store.step_of(loaded.agreement, row.step)
            if only and views.task_type(step) != only:
                raise WrongState(f"only an {only} can be approved or rejected", state=views.task_type(step))
            values = resolve(unit, data or {})
            if status == "completed":
                check_form(step, values)
            facts: dict[str, Any] = {"status": status, "values": values, "code": code, "message": message}
            say_result(unit, self.parts.context, loaded, row, **facts)
            if unit.get_one(TaskRow, row.key).status in _OPEN:  # on its way to the coordinator
                unit.change(TaskRow, row.key, status="answered", claimed_by=who.username)
            return self._view(unit, unit.get_one(TaskRow, row.key))

        return await self.write(who, _WORK, work)

    def _takeable_row(self, unit: Unit, task_key: str, who: User) -> TaskRow:
        """An open task that ``who`` may answer; whoever has left its groups meanwhile may only give it back."""
        row = self._open_row(unit, task_key, who)
        require_group(who, task_listing.groups_of(row))
        return row

    def _open_row(self, unit: Unit, task_key: str, who: User) -> TaskRow:
        row = self._row(unit, task_key)
        if row.status not in _OPEN:
            raise WrongState(f"the task is {row.status}", state=row.status)
        if row.claimed_by not in {None, who.username}:
            raise WrongState(f"the task is claimed by {row.claimed_by}", state="claimed", code="claimed_by_other")
        return row

    def _row(self, reader: Reader, task_key: str) -> TaskRow:
        row = reader.get(TaskRow, task_key)
        if row is None or row.kind != "user":
            raise NotFound("there is no such task here")
        return row

    def _view(self, reader: Reader, row: TaskRow) -> dict[str, Any]:
        return views.task(row, store.load(reader, row.execution), self.parts.context.now())
