"""What a node does by itself: decisions, notifications, receipts."""

from collections.abc import Callable
from typing import Any

import msgspec
from sqlmodel import select

from tallystick.core import canonical
from tallystick.core.errors import Invalid, NotYet
from tallystick.core.expression.evaluate import evaluate, outcome_of
from tallystick.core.manifest import is_file
from tallystick.core.scope import Value, variables
from tallystick.core.statement import Received, Result
from tallystick.node.record.authoring import Saying, say
from tallystick.node.record.context import Context
from tallystick.node.record.loaded import Loaded
from tallystick.node.record.store import step_of
from tallystick.node.record.unit import Unit
from tallystick.tenants.chunks import FileOpener, read_manifest
from tallystick.tenants.models.record import OpeningRow, TaskRow

SOONEST_MS, LATEST_MS = 500, 30_000  # between two tries: half of what the task has waited already


def retry_at(row: TaskRow, now: int) -> int:
    """When to try a task again that cannot be done now."""
    return now + min(max((now - row.since) // 2, SOONEST_MS), LATEST_MS)


def decision(unit: Unit, context: Context, loaded: Loaded, row: TaskRow) -> None:
    """Evaluate the step's expression over the values that we may read, and state the outcome."""
    step = step_of(loaded.agreement, row.step)
    try:
        outcome = outcome_of(evaluate(step["expression"], _scope(unit, loaded.row.number)))
        saying = _result(row, status="completed", outcome=outcome)
    except Invalid as error:
        saying = _result(row, status="failed", error={"code": error.code})
    say(unit, context, loaded, saying)


def notification(unit: Unit, context: Context, loaded: Loaded, row: TaskRow) -> None:
    """The text stands in the agreement; stating the result sends it."""
    say(unit, context, loaded, _result(row, status="completed"))


def receive(unit: Unit, context: Context, loaded: Loaded, row: TaskRow) -> None:
    """Confirm a delivery once every value and every byte of it is here and right."""
    task = loaded.state.tasks[row.task]
    query = select(OpeningRow).where(
        OpeningRow.number == loaded.row.number, OpeningRow.task == row.task, OpeningRow.attempt == row.attempt
    )
    held = unit.exec(query)
    if not held:
        raise NotYet(f"waits for the data of {task.org}", code="no_data")
    for one in held:
        _check_file(context, canonical.parse(one.value), task.org)
    sealed = list(task.sealed)
    saying = Saying(
        kind="received",
        make=lambda _data, _sealed: Received(task=row.task, attempt=row.attempt, sealed=sealed),
        answer_key=f"received/{row.task}/{row.attempt}",
        task=row.task,
        attempt=row.attempt,
    )
    say(unit, context, loaded, saying)


def _check_file(context: Context, value: Any, sender: str) -> None:
    if not is_file(value):
        return
    manifest = read_manifest(value)
    missing = [name for name in manifest.chunks if not context.chunks.has(name)]
    if missing:
        raise NotYet(f"waits for {len(missing)} of {len(manifest.chunks)} chunks from {sender}", code="chunks_missing")
    opener = FileOpener(manifest)
    for name in manifest.chunks:
        opener.open(context.chunks.get(name))
    opener.finish()


def _result(row: TaskRow, *, status: str, outcome: str | None = None, error: dict[str, str] | None = None) -> Saying:
    facts: dict[str, Any] = {"task": row.task, "attempt": row.attempt, "status": status}

    def make(_data: dict[str, str], _sealed: list[str]) -> Result:
        return msgspec.convert({**facts, "outcome": outcome, "error": error}, Result)

    return Saying(
        kind="result",
        make=make,
        answer_key=f"result/{row.task}/{row.attempt}",
        task=row.task,
        attempt=row.attempt,
    )


def _scope(unit: Unit, number: int) -> dict[str, Any]:
    rows = unit.exec(select(OpeningRow).where(OpeningRow.number == number))
    return variables(Value(row.task, row.attempt, row.property, canonical.parse(row.value)) for row in rows)


DOERS: dict[str, Callable[[Unit, Context, Loaded, TaskRow], None]] = {
    "decision": decision,
    "notification": notification,
    "receive": receive,
}
