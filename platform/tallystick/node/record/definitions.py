"""The organisation's definitions in its database: immutable versions, and when their schedules are due."""

from typing import Any

import msgspec
from sqlmodel import col, select

from tallystick.core import canonical
from tallystick.core.definition import cron
from tallystick.core.definition.model import Trigger
from tallystick.core.errors import NotFound, WrongState
from tallystick.node.record.unit import Reader, Unit
from tallystick.tenants.models.definition import DefinitionRow, ScheduleRow


def add(
    unit: Unit, source: dict[str, Any], compiled: dict[str, Any], created_by: str, now: int
) -> tuple[DefinitionRow, bool]:
    """Keep a version, and whether it is new; WrongState when the same version is there with other content."""
    name, version, content = compiled["id"], compiled.get("version", "1"), canonical.encode(source)
    held = unit.get(DefinitionRow, (name, version))
    if held is not None:
        if held.source != content:
            detail = f"version {version} of {name} is there with other content; a change needs another version"
            raise WrongState(detail, state="stored", code="version_exists")
        return held, False
    newest = next(iter(_numbers(unit, name)), 0)
    unit.insert(
        DefinitionRow,
        id=name,
        version=version,
        number=newest + 1,
        name=compiled["name"],
        source=content,
        compiled=canonical.encode(compiled),
        triggers=canonical.encode(compiled.get("triggers", [])),
        created_by=created_by,
        created_at=now,
    )
    changed(unit, name, now)
    return unit.get_one(DefinitionRow, (name, version)), True


def deprecate(unit: Unit, name: str, version: str | None, now: int) -> None:
    """Let nothing more start from a version, or from any of the definition; what runs stays as it was agreed."""
    versions = [version] if version is not None else _versions(unit, name)
    if not versions:
        raise NotFound("there is no such definition here")
    for one in versions:
        if get(unit, name, one).deprecated_at is None:
            unit.change(DefinitionRow, (name, one), deprecated_at=now)
    changed(unit, name, now)


def get(reader: Reader, name: str, version: str) -> DefinitionRow:
    """That version; NotFound without it."""
    row = reader.get(DefinitionRow, (name, version))
    if row is None:
        raise NotFound("there is no such version of a definition here")
    return row


def current(unit: Unit, name: str) -> DefinitionRow | None:
    """The newest version that is not deprecated: the one whose triggers act."""
    query = (
        select(col(DefinitionRow.version))
        .where(DefinitionRow.id == name, col(DefinitionRow.deprecated_at).is_(None))
        .order_by(col(DefinitionRow.number).desc())
        .limit(1)
    )
    found = unit.exec(query)
    return unit.get(DefinitionRow, (name, found[0])) if found else None


def to_start(unit: Unit, name: str, version: str | None) -> DefinitionRow:
    """The version named, or the current one; NotFound, or WrongState when it is deprecated."""
    row = get(unit, name, version) if version is not None else current(unit, name)
    if row is None and not _versions(unit, name):
        raise NotFound("there is no such definition here")
    if row is None or row.deprecated_at is not None:
        raise WrongState("this definition is deprecated: nothing more starts from it", state="deprecated")
    return row


def triggers_of(content: bytes) -> list[Trigger]:
    """The triggers of a version."""
    return msgspec.json.decode(content, type=list[Trigger])


def changed(unit: Unit, name: str, now: int) -> None:
    """Schedule anew after a version came or went; a schedule that stays as it is keeps the time that it is due."""
    query = select(ScheduleRow).where(ScheduleRow.definition_id == name)
    held = {(row.trigger, row.cron, row.time_zone): row.next_due for row in unit.exec(query)}
    for place, _, _ in held:
        unit.delete(ScheduleRow, (name, place))
    row = current(unit, name)
    for place, one in enumerate(triggers_of(row.triggers) if row else []):
        if one.trigger_type == "schedule":
            line, zone = one.cron or "", one.time_zone or cron.UTC
            due = held.get((place, line, zone)) or cron.next_due(line, zone, now)
            unit.put(ScheduleRow, definition_id=name, trigger=place, cron=line, time_zone=zone, next_due=due)
    unit.note("definitions", name)


def _numbers(unit: Unit, name: str) -> list[int]:
    number = col(DefinitionRow.number)
    return list(unit.exec(select(number).where(DefinitionRow.id == name).order_by(number.desc()).limit(1)))


def _versions(unit: Unit, name: str) -> list[str]:
    return list(unit.exec(select(col(DefinitionRow.version)).where(DefinitionRow.id == name)))
