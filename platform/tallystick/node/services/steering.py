"""Signals, suspend and resume, cancel, and another attempt at a held task.

What would be void is not said: the engine is asked first, on the record as this node has it. Where somebody else's
statement comes in between, the record says so and nothing follows.
"""

import secrets
from functools import partial
from typing import Any

from sqlmodel import select

from tallystick.core.engine.decide import decide
from tallystick.core.errors import Invalid, NotFound, WrongState
from tallystick.core.statement import Body, Cancel, Resume, Retry, Signal, Statement, Suspend
from tallystick.node.record import audience, store
from tallystick.node.record.authoring import MakeBody, Saying, say
from tallystick.node.record.calls import task_key
from tallystick.node.record.loaded import Loaded
from tallystick.node.record.unit import Unit
from tallystick.node.services import views
from tallystick.node.services.base import Service
from tallystick.node.services.values import resolve
from tallystick.tenants.models.record import ExecutionRow, TaskRow
from tallystick.tenants.permissions import Permission
from tallystick.tenants.users import User

_PLACE = "0" * 64  # where a commitment will stand


class Steering(Service):
    """What people do to a whole execution while it runs."""

    async def signal_execution(
        self, who: User, execution_id: str, name: str, data: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Send a signal: it ends the oldest wait for it, or is kept for one."""

        def work(unit: Unit) -> dict[str, Any]:
            loaded = store.load(unit, execution_id)
            body = Signal(name=name)
            _check(self.parts.context.org_id, loaded, "signal", body, self.parts.context.now())
            saying = Saying(
                kind="signal",
                make=partial(_signal, name),
                answer_key=f"signal/{name}/{secrets.token_hex(8)}",
                values=resolve(unit, data or {}),
                readers=audience.of_everyone(loaded.agreement),
                task=f"signal:{name}",
            )
            say(unit, self.parts.context, loaded, saying)
            return views.collaboration(loaded)

        return await self.write(who, Permission.WORK_ON_TASKS, work)

    async def suspend_execution(self, who: User, execution_id: str, reason: str) -> dict[str, Any]:
        """Let nothing follow until it is resumed."""
        body = Suspend(reason=_PLACE)
        return await self._steer(who, execution_id, "suspend", body, partial(_with_reason, Suspend), reason)

    async def resume_execution(self, who: User, execution_id: str) -> dict[str, Any]:
        """Let it go on."""
        return await self._steer(who, execution_id, "resume", Resume(), lambda _data, _sealed: Resume())

    async def cancel_execution(self, who: User, execution_id: str, reason: str) -> dict[str, Any]:
        """Withdraw what is open, undo what was done, then close."""
        body = Cancel(reason=_PLACE)
        return await self._steer(who, execution_id, "cancel", body, partial(_with_reason, Cancel), reason)

    async def retry_task(self, who: User, task_id: str) -> dict[str, Any]:
        """Try a held task again; its organisation may, and the initiator."""

        def work(unit: Unit) -> dict[str, Any]:
            loaded, task = _held(unit, task_id)
            body = Retry(task=task)
            _check(self.parts.context.org_id, loaded, "retry", body, self.parts.context.now())
            key = f"retry/{task}/{loaded.state.tasks[task].attempt}"
            saying = Saying(kind="retry", make=lambda _data, _sealed: body, answer_key=key)
            say(unit, self.parts.context, loaded, saying)
            return views.collaboration(loaded)

        return await self.write(who, Permission.WORK_ON_TASKS, work)

    async def _steer(
        self, who: User, execution_id: str, kind: str, body: Body, make: MakeBody, reason: str | None = None
    ) -> dict[str, Any]:
        if reason is not None and not reason.strip():
            raise Invalid("a reason is required", code="reason_required", pointer="/reason")

        def work(unit: Unit) -> dict[str, Any]:
            loaded = store.load(unit, execution_id)
            _check(self.parts.context.org_id, loaded, kind, body, self.parts.context.now())
            saying = Saying(
                kind=kind,
                make=make,
                answer_key=f"{kind}/{loaded.state.size}",  # a second click comes before the first one is through
                values={"$reason": reason} if reason else {},
                readers=audience.of_everyone(loaded.agreement) if reason else [],
            )
            say(unit, self.parts.context, loaded, saying)
            return views.collaboration(loaded)

        return await self.write(who, Permission.CREATE_COLLABORATION, work)


def _signal(name: str, data: dict[str, str], sealed: list[str]) -> Signal:
    return Signal(name=name, data=data, sealed=sealed)


def _with_reason(kind: type[Suspend | Cancel], data: dict[str, str], sealed: list[str]) -> Body:
    return kind(reason=data["$reason"], sealed=sealed)


def _check(me: str, loaded: Loaded, kind: str, body: Body, now: int) -> None:
    """Refuse what the engine would find void, with its reason as the code."""
    said = Statement(id="", kid="", iss=me, aud="", kind=kind, execution=loaded.row.id, basis=None, iat=now, body=body)
    outcome = decide(loaded.agreement, loaded.state, said, max(now, loaded.state.at)).outcome
    if outcome.startswith("void:"):
        reason = outcome.removeprefix("void:")
        raise WrongState(f"this would change nothing: {reason}", state=loaded.state.status, code=reason)


def _held(unit: Unit, task_id: str) -> tuple[Loaded, str]:
    """The open task of that id: one of ours, or another organisation's by the id that our views give it."""
    row = unit.get(TaskRow, task_id)
    if row is not None:
        return store.load(unit, row.execution), row.task
    number = task_id[2:18]
    if not (task_id.startswith("t_") and len(number) == 16 and set(number) <= set("0123456789abcdef")):
        raise NotFound("there is no such task here")
    found = unit.exec(select(ExecutionRow.id).where(ExecutionRow.number == min(int(number, 16), 2**63 - 1)))
    loaded = store.find(unit, found[0]) if found else None
    for name, task in loaded.state.tasks.items() if loaded else ():
        if loaded and task_key(loaded.row, name, task.attempt) == task_id:
            return loaded, name
    raise NotFound("there is no such task here")
