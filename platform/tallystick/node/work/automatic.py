"""What a node does by itself: decisions, notifications, receipts."""

from collections.abc import Callable
from typing import Any

from sqlmodel import select

from tallystick.core import canonical, deciding
from tallystick.core.definition.model import DataExchange, Decision, ForEach
from tallystick.core.engine.flow import route
from tallystick.core.errors import Invalid, NotYet
from tallystick.core.manifest import is_file
from tallystick.core.statement import Received
from tallystick.node.record import children
from tallystick.node.record.answering import say_result
from tallystick.node.record.authoring import Saying, say
from tallystick.node.record.context import Context
from tallystick.node.record.forms import check_received
from tallystick.node.record.loaded import Loaded
from tallystick.node.record.scopes import input_of, scope_of
from tallystick.node.record.store import step_of
from tallystick.node.record.unit import Unit
from tallystick.tenants.chunks import FileOpener, read_manifest
from tallystick.tenants.models.record import NotificationRow, OpeningRow, TaskRow

SOONEST_MS, LATEST_MS = 500, 30_000  # between two tries: half of what the task has waited already


def retry_at(row: TaskRow, now: int) -> int:
    """When to try a task again that cannot be done now."""
    return now + min(max((now - row.since) // 2, SOONEST_MS), LATEST_MS)


def decision(unit: Unit, context: Context, loaded: Loaded, row: TaskRow) -> None:
    """Take a decision, or count what a for-each goes over, on the values that we may read, and state it."""
    step = step_of(loaded.agreement, row.step)
    if not isinstance(step, Decision | ForEach):
        return
    try:
        found = deciding.answer(step, scope_of(unit, loaded, row.task))
    except Invalid as error:
        say_result(unit, context, loaded, row, status="failed", values={}, code=error.code)
        return
    if isinstance(step, Decision) and step.next_steps and route(step, found.outcome) is None:
        say_result(unit, context, loaded, row, status="failed", values={}, code="no_route")
        return
    say_result(unit, context, loaded, row, status="completed", values=found.data, outcome=found.outcome)


def prepared(unit: Unit, context: Context, loaded: Loaded, row: TaskRow) -> dict[str, Any] | None:
    """The input of a task whose step reads it; None when that cannot be read, which is the attempt's failure."""
    try:
        return input_of(unit, loaded, row.task)
    except Invalid as error:
        say_result(unit, context, loaded, row, status="failed", values={}, code=error.code)
        return None


def notification(unit: Unit, context: Context, loaded: Loaded, row: TaskRow) -> None:
    """The text stands in the agreement; stating the result sends it."""
    say_result(unit, context, loaded, row, status="completed", values={})


def receive(unit: Unit, context: Context, loaded: Loaded, row: TaskRow) -> None:
    """Confirm a delivery once every value and every byte of it is here and right."""
    task = loaded.state.tasks[row.task]
    query = select(OpeningRow).where(
        OpeningRow.number == loaded.row.number, OpeningRow.task == row.task, OpeningRow.attempt == row.attempt
    )
    held = unit.exec(query)
    if not held:
        raise NotYet(f"waits for the data of {task.org}", code="no_data")
    step = step_of(loaded.agreement, row.step)
    if isinstance(step, DataExchange):
        check_received(step, {one.property: canonical.parse(one.value) for one in held})
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


def mismatched(unit: Unit, context: Context, loaded: Loaded, row: TaskRow, why: str) -> None:
    """A delivery does not fit what was agreed: it stays unconfirmed, and staff are told why, once."""
    unit.change(TaskRow, row.key, note=why, retry_at=None)
    if row.note != why:
        unit.insert(
            NotificationRow,
            notification_type="data_mismatch",
            message=f"{step_of(loaded.agreement, row.step).name}: {why}",
            execution=row.execution,
            from_org=loaded.state.tasks[row.task].org,
            at=context.now(),
            task=row.task,
            attempt=row.attempt,
        )


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


DOERS: dict[str, Callable[[Unit, Context, Loaded, TaskRow], None]] = {
    "decision": decision,
    "notification": notification,
    "sub_workflow": children.work,
    "receive": receive,
}
