"""What expressions of our steps read: the values of applied statements that were opened to us."""

from typing import Any

from sqlmodel import col, select

from tallystick.core import canonical
from tallystick.core.deciding import mapped
from tallystick.core.scope import Value, variables
from tallystick.node.record.loaded import Loaded
from tallystick.node.record.store import step_of_task
from tallystick.node.record.unit import Reader
from tallystick.tenants.models.record import EntryRow, OpeningRow, StatementRow

# Only an applied entry's leaf has this outside a string; a void entry has no events that could hold it.
_APPLIED = b'"outcome":"applied"'


def scope_of(reader: Reader, loaded: Loaded, task: str) -> dict[str, Any]:
    """The variables of an open task's expressions: as of the entry that assigned it."""
    held = loaded.state.tasks[task]
    return variables(values(reader, loaded), held.undoes or task, held.seq)


def values(reader: Reader, loaded: Loaded) -> list[Value]:
    """Every value of the execution that was said with effect and opened to us."""
    number = loaded.row.number
    query = (
        select(OpeningRow, StatementRow.seq, EntryRow.leaf)
        .join(StatementRow, col(StatementRow.id) == col(OpeningRow.statement_id))
        .join(EntryRow, col(EntryRow.seq) == col(StatementRow.seq))
        .where(OpeningRow.number == number, StatementRow.number == number)
        .where(EntryRow.number == number, EntryRow.term == loaded.state.term)
    )
    return [
        Value(row.task, row.attempt, row.property, canonical.parse(row.value), seq or 0)
        for row, seq, leaf in reader.exec(query)
        if _APPLIED in leaf
    ]


def input_of(reader: Reader, loaded: Loaded, task: str) -> dict[str, Any]:
    """What a task's work is given: the step's parameters, and what its input mapping reads."""
    step = step_of_task(loaded.agreement, task)
    if not step.input_mapping:
        return step.input
    return {**step.input, **mapped(step.input_mapping, scope_of(reader, loaded, task))}


def output_of(reader: Reader, loaded: Loaded, task: str, result: dict[str, Any]) -> dict[str, Any]:
    """What becomes of a work's result: its output mapping reads it as ``result``."""
    step = step_of_task(loaded.agreement, task)
    if not step.output_mapping:
        return result
    return mapped(step.output_mapping, {**scope_of(reader, loaded, task), "result": result})
