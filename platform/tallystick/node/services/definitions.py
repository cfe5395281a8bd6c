"""Definitions that the organisation keeps as immutable versions, and executions that start from them."""

import asyncio
from typing import Any

import msgspec
from sqlmodel import Session, col, select, tuple_

from tallystick.core import canonical
from tallystick.core.errors import NotFound, WrongState
from tallystick.node.record import definitions
from tallystick.node.record.triggering import happening, input_of
from tallystick.node.record.unit import Unit
from tallystick.node.services import launching, repeats, views
from tallystick.node.services.agreeing import compiled_for, facts
from tallystick.node.services.base import Service, bounded, cursor_values, page
from tallystick.node.services.repeats import Asked
from tallystick.node.work.trigger_runs import view as run_view
from tallystick.tenants.models.definition import DefinitionRow, TriggerRunRow
from tallystick.tenants.permissions import Permission, require
from tallystick.tenants.users import User

_CREATE = Permission.CREATE_COLLABORATION
_RECENT = 20  # of what a definition's triggers did


class Definitions(Service):
    """Definitions by id and version."""

    async def add_definition(self, who: User, definition: dict[str, Any]) -> dict[str, Any]:
        """Compile with the partners that are known, every fault at once, and keep the version.

        The same content under the same version again is harmless; other content is refused.
        """
        require(who, _CREATE)
        compiled = await asyncio.to_thread(lambda: compiled_for(definition, facts(self.parts, definition)))

        def work(unit: Unit) -> dict[str, Any]:
            row, _ = definitions.add(unit, definition, compiled, who.username, self.parts.context.now())
            return _view(row)

        return await self.write(who, _CREATE, work)

    async def definitions(self, who: User, *, limit: int = 50, cursor: str | None = None) -> dict[str, Any]:
        """All versions, newest first."""
        limit, after = bounded(limit), cursor_values(cursor, (int, str, str))
        key = tuple_(col(DefinitionRow.created_at), col(DefinitionRow.id), col(DefinitionRow.version))
        query = select(DefinitionRow).order_by(
            col(DefinitionRow.created_at).desc(), col(DefinitionRow.id).desc(), col(DefinitionRow.version).desc()
        )
        if after is not None:
            query = query.where(key < tuple(after))

        def work(session: Session) -> dict[str, Any]:
            rows = list(session.exec(query.limit(limit + 1)))
            return page(rows, limit, lambda row: [row.created_at, row.id, row.version], _view)

        return await self.read(who, work)

    async def definition(
        self, who: User, definition_id: str, *, limit: int = 50, cursor: str | None = None
    ) -> dict[str, Any]:
        """A definition's versions with their sources, newest first, and what its triggers did last."""
        limit, after = bounded(limit), cursor_values(cursor, (int,))
        query = select(DefinitionRow).where(DefinitionRow.id == definition_id)
        if after is not None:
            query = query.where(col(DefinitionRow.number) < after[0])
        runs = select(TriggerRunRow).where(TriggerRunRow.definition_id == definition_id)

        def work(session: Session) -> dict[str, Any]:
            rows = list(session.exec(query.order_by(col(DefinitionRow.number).desc()).limit(limit + 1)))
            if not rows and after is None:
                raise NotFound("there is no such definition here")
            recent = session.exec(runs.order_by(col(TriggerRunRow.at).desc()).limit(_RECENT))
            found = page(rows, limit, lambda row: [row.number], _whole)
            return {"definition_id": definition_id, **found, "recent_runs": [run_view(one) for one in recent]}

        return await self.read(who, work)

    async def deprecate_definition(self, who: User, definition_id: str, version: str | None = None) -> dict[str, Any]:
        """Let nothing more start from a version, or from any; executions that run are pinned to theirs."""

        def work(unit: Unit) -> dict[str, Any]:
            definitions.deprecate(unit, definition_id, version, self.parts.context.now())
            now_current = definitions.current(unit, definition_id)
            return {"definition_id": definition_id, "current_version": now_current.version if now_current else None}

        return await self.write(who, _CREATE, work)

    async def start_definition(
        self,
        who: User,
        definition_id: str,
        input: dict[str, Any],
        *,
        version: str | None = None,
        asked: Asked | None = None,
    ) -> dict[str, Any]:
        """Act as the version's API trigger: propose, and start as soon as everyone has accepted."""

        def work(unit: Unit) -> dict[str, Any]:
            row = definitions.to_start(unit, definition_id, version)
            triggers = [one for one in definitions.triggers_of(row.triggers) if one.trigger_type == "api"]
            if not triggers:
                raise WrongState("this definition has no api trigger", state="active", code="no_api_trigger")
            values = input_of(triggers[0], happening("", input))
            return views.collaboration(launching.launch(unit, self.parts, row, values))

        return await self._once(who, asked, work)

    async def propose_definition(
        self,
        who: User,
        definition_id: str,
        input: dict[str, Any],
        *,
        version: str | None = None,
        asked: Asked | None = None,
    ) -> dict[str, Any]:
        """Propose a stored version, as one proposes a definition that is sent along."""

        def work(unit: Unit) -> dict[str, Any]:
            row = definitions.to_start(unit, definition_id, version)
            return views.collaboration(launching.propose(unit, self.parts, row, input))

        return await self._once(who, asked, work)

    async def send_event(self, who: User, topic: str, payload: Any, event_id: str | None = None) -> dict[str, Any]:
        """An event for this organisation's triggers, from a program of its own or a person; what it started."""
        if not who.may(Permission.WORK_ON_QUEUES):
            require(who, _CREATE)
        return await self.parts.triggers.event(topic, payload, event_id)

    async def _once(self, who: User, asked: Asked | None, work: Any) -> dict[str, Any]:
        now = self.parts.context.now
        return await self.write(who, _CREATE, lambda unit: repeats.once(unit, asked, now(), work))


def _view(row: DefinitionRow) -> dict[str, Any]:
    return {
        "definition_id": row.id,
        "version": row.version,
        "name": row.name,
        "triggers": msgspec.json.decode(row.triggers),
        "created_by": row.created_by,
        "created_at": row.created_at,
        "deprecated_at": row.deprecated_at,
    }


def _whole(row: DefinitionRow) -> dict[str, Any]:
    return {**_view(row), "definition": canonical.parse(row.source)}
