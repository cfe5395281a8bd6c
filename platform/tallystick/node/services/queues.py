"""Task queues: what external workers take, keep and answer."""

from collections.abc import Mapping
from typing import Any, Protocol

from sqlmodel import Session

from tallystick.core.engine.names import MISMATCH
from tallystick.core.errors import NotFound
from tallystick.node.record import calls, queues, store
from tallystick.node.record.answering import say_result
from tallystick.node.record.claiming import Claim, Claimed
from tallystick.node.record.forms import check_form
from tallystick.node.record.queues import StaleClaim
from tallystick.node.record.scopes import input_of, output_of
from tallystick.node.record.unit import Unit
from tallystick.node.schemas import SchemaMismatch
from tallystick.node.services.base import MAX_PAGE, Service, bounded, cursor_values, page
from tallystick.node.services.values import resolve
from tallystick.tenants.access_tokens import check_queue, may_use
from tallystick.tenants.models.record import TaskRow
from tallystick.tenants.permissions import Permission, require
from tallystick.tenants.users import User

_WORK = Permission.WORK_ON_QUEUES
_OPEN = ("open", "claimed")


class Somebody(Protocol):
    """A worker, or a user who does a worker's work."""

    @property
    def username(self) -> str: ...
    def may(self, permission: Permission) -> bool: ...


class TaskQueues(Service):
    """Tasks of steps that name a queue; a task is a worker's from its claim until its answer or the lease's end."""

    async def task_queues(self, who: Somebody) -> dict[str, Any]:
        """The queues that have something waiting or in work, of those that one may take from."""

        def work(unit: Unit) -> list[dict[str, Any]]:
            return [one for one in queues.overview(unit.connection) if may_use(who, one["queue"])]

        require(who, _WORK)
        return {"items": await self.parts.committer.run(work)}

    async def queue_tasks(self, who: User, queue: str, *, limit: int = 50, cursor: str | None = None) -> dict[str, Any]:
        """What workers hold of a queue (``claimed``), and what waits in it, by activity type, in keyset pages.

        For people: a token that leaked from the plant shows nobody which executions there are.
        """
        limit = bounded(limit)
        values = cursor_values(cursor, (str, int, str))
        after = (values[0], values[1], values[2]) if values else None

        def work(session: Session) -> dict[str, Any]:
            connection = session.connection()
            waiting = queues.waiting_tasks(connection, queue, limit + 1, after)
            found = page(waiting, limit, lambda row: [row["activity_type"], row["rank"], row["key"]], _shown)
            claimed = [_shown(row) for row in queues.claimed_tasks(connection, queue, MAX_PAGE)]
            return {"queue": queue, "claimed": claimed, **found}

        return await self.read(who, work)

    async def claim_tasks(
        self, who: Somebody, queue: str, *, worker_id: str, max_tasks: int, wait_seconds: int, lease_seconds: int
    ) -> dict[str, Any]:
        """The most urgent tasks, or, where there are none, the first that come within ``wait_seconds``."""
        require(who, _WORK)
        check_queue(who, queue)
        asked = Claim(
            queue=queue,
            claimed_by=who.username,
            worker_id=worker_id,
            at_most=max_tasks,
            lease_ms=lease_seconds * 1000,
        )
        return {"items": await self.parts.queues.claim(asked, wait_seconds, _view)}

    async def heartbeat(self, who: Somebody, task_key: str, claim_token: str) -> dict[str, Any]:
        """Keep a task for as long again."""

        def work(unit: Unit) -> dict[str, Any]:
            _row(unit, who, task_key)
            until = queues.renew(unit.connection, task_key, claim_token, self.parts.context.now())
            return {"task_id": task_key, "lease_expires_at": until}

        return await self.write(who, _WORK, work)

    async def complete_claimed(
        self, who: Somebody, task_key: str, claim_token: str, data: dict[str, Any]
    ) -> dict[str, Any]:
        """Answer with data; what does not fit the step's form or schema ends the attempt as failed."""
        return await self._answer_claimed(who, task_key, claim_token, status="completed", data=data)

    async def fail_claimed(
        self, who: Somebody, task_key: str, claim_token: str, code: str, message: str
    ) -> dict[str, Any]:
        """Say that it could not be done; the step's retry policy decides what follows."""
        return await self._answer_claimed(who, task_key, claim_token, status="failed", code=code, message=message)

    async def _answer_claimed(
        self,
        who: Somebody,
        task_key: str,
        claim_token: str,
        *,
        status: str,
        data: dict[str, Any] | None = None,
        code: str | None = None,
        message: str = "",
    ) -> dict[str, Any]:
        def work(unit: Unit) -> dict[str, Any]:
            held = _row(unit, who, task_key)
            if held["answered_with"] == status and queues.is_holder(held, claim_token):
                return _answered(unit, task_key)  # the worker did not hear that we have it
            queues.held(unit.connection, task_key, claim_token)
            row = unit.get_one(TaskRow, task_key)
            if row.status not in _OPEN:
                raise StaleClaim(row.status)
            loaded = store.load(unit, row.execution)
            facts: dict[str, Any] = {"status": status, "values": {}, "code": code, "message": message}
            try:
                if status == "completed":
                    facts["values"] = output_of(unit, loaded, row.task, resolve(unit, data or {}))
                    check_form(store.step_of(loaded.agreement, row.step), facts["values"])
            except SchemaMismatch as error:  # it would not fit the next time either
                facts = {"status": "failed", "values": {}, "code": MISMATCH, "message": error.detail}
            say_result(unit, self.parts.context, loaded, row, **facts)
            queues.answer(unit.connection, task_key, status)
            if unit.get_one(TaskRow, task_key).status in _OPEN:  # on its way to the coordinator
                unit.change(TaskRow, task_key, status="answered")
            unit.note("freed", None)
            return _answered(unit, task_key)

        return await self.write(who, _WORK, work)


def _row(unit: Unit, who: Somebody, task_key: str) -> Mapping[str, Any]:
    row = queues.peek(unit.connection, task_key)
    if row is None:
        raise NotFound("there is no such task in a queue")
    check_queue(who, row["queue"])
    return row


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """A task of a queue for people: no secret, and nothing of its input."""
    names = ("activity_type", "since", "due_at", "priority", "state", "deliveries", "claimed_by", "worker_id")
    held = row["state"] == "claimed"
    facts = {name: row[name] for name in names}
    if not held:  # the last claim's facts stay until the next one
        facts |= {"claimed_by": None, "worker_id": None}
    times = {"claimed_at": row["claimed_at"] if held else None, "lease_expires_at": row["lease_until"]}
    return {"task_id": row["key"], "execution_id": row["execution"], **facts, **times}


def _answered(unit: Unit, task_key: str) -> dict[str, Any]:
    return {"task_id": task_key, "status": unit.get_one(TaskRow, task_key).status}


def _view(unit: Unit, claimed: Claimed) -> dict[str, Any]:
    row = unit.get_one(TaskRow, claimed.key)
    loaded = store.load(unit, row.execution)
    step = store.step_of(loaded.agreement, row.step)
    call = calls.call_of(row, step, input_of(unit, loaded, row.task))
    return {
        "task_id": row.key,
        "claim_token": claimed.token,
        "idempotency_token": row.key,
        "execution_id": row.execution,
        "step": row.step,
        "name": step.name,
        "attempt": row.attempt,
        "activity_type": call.activity_type,
        "input": call.input,
        "priority": row.priority,
        "due_at": row.due_at,
        "delivery": claimed.deliveries,
        "lease_expires_at": claimed.lease_until,
        "lease_seconds": claimed.lease_ms / 1000,
    }
