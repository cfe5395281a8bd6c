"""An execution of a stored definition: proposed as its version has it, started as soon as all have accepted."""

from typing import Any

from tallystick.core import canonical
from tallystick.node.parts import Parts
from tallystick.node.record import beginning
from tallystick.node.record.loaded import Loaded
from tallystick.node.record.unit import Unit
from tallystick.node.schemas import check_value
from tallystick.node.services.agreeing import compiled_for, draft, facts
from tallystick.node.services.values import resolve
from tallystick.tenants.models.definition import AwaitingRow, DefinitionRow


def propose(unit: Unit, parts: Parts, row: DefinitionRow, values: dict[str, Any]) -> Loaded:
    """Propose what the version compiled to when it came; partners may have changed since, and are looked at again."""
    source, compiled = canonical.parse(row.source), canonical.parse(row.compiled)
    compiled_for(source, facts(parts, source))
    return beginning.offer(unit, parts.context, draft(parts, source, compiled), values, source)


def launch(unit: Unit, parts: Parts, row: DefinitionRow, values: dict[str, Any]) -> Loaded:
    """Propose, and start: at once where nobody else takes part, else when everyone has accepted."""
    given = resolve(unit, values)  # what it refuses is told now, not when the last partner has accepted
    check_value(canonical.parse(row.compiled).get("input_schema"), given, "/input")
    loaded = propose(unit, parts, row, values)
    if loaded.state.status == "ready":
        beginning.start(unit, parts.context, loaded, given)
    else:
        unit.insert(AwaitingRow, execution=loaded.row.id)
    return loaded
