"""Jobs that do one task of ours: by itself, by calling its function after the commit, or by a worker in a queue."""

from collections.abc import Callable

from tallystick.core.errors import TallystickError, WrongState
from tallystick.node.record import queues, store
from tallystick.node.record.calls import LEASE_MS, QUEUED, call_of
from tallystick.node.record.context import Context
from tallystick.node.record.loaded import Loaded
from tallystick.node.record.unit import Unit
from tallystick.node.schemas import SchemaMismatch
from tallystick.node.work import automatic
from tallystick.tenants.models.record import TaskRow

# Our answer is on its way into the record, which will close the task.
ANSWERED = {"status": "claimed", "claimed_by": "node", "retry_at": None}


def do(unit: Unit, context: Context, key: str) -> int:
    """Do one automatic task; why it cannot be done now is noted where staff can see it."""
    row = unit.get(TaskRow, key)
    if row is None or row.status != "open":
        unit.change(TaskRow, key, retry_at=None)
        return 0
    try:
        loaded = store.load(unit, row.execution)
        if row.kind == QUEUED:
            return _enqueue(unit, context, loaded, row)
        automatic.DOERS[row.kind](unit, context, loaded, row)
    except WrongState as error:
        unit.discard()
        unit.change(TaskRow, key, **ANSWERED, note=_reason(error))
        return 0
    except SchemaMismatch as error:
        unit.discard()
        automatic.mismatched(unit, context, loaded, row, _reason(error))
        return 0
    except TallystickError as error:
        unit.discard()
        retry_at = automatic.retry_at(row, context.now())
        unit.change(TaskRow, key, note=_reason(error), retry_at=retry_at)
        unit.note("due", retry_at)
        return 0
    _said(unit, key)
    return 1


def take_up(unit: Unit, context: Context, key: str, running: Callable[[str], bool]) -> int:
    """Lease an activity that nobody seems to be running, and call it after the commit."""
    row, until = unit.get_one(TaskRow, key), context.now() + LEASE_MS
    unit.change(TaskRow, key, retry_at=until)
    if not running(key):
        _call(unit, context, row)
    unit.note("due", until)
    return 1


def later(row: TaskRow) -> Callable[[Unit, int], None]:
    """Put a task off that this node cannot even look after; why stands in its log."""

    def later(unit: Unit, now: int) -> None:
        retry_at = automatic.retry_at(row, now)
        unit.change(TaskRow, row.key, note="internal: this node cannot do it now", retry_at=retry_at)
        unit.note("due", retry_at)

    return later


def _call(unit: Unit, context: Context, row: TaskRow) -> None:
    loaded = store.load(unit, row.execution)
    if row.task not in loaded.state.tasks:
        unit.change(TaskRow, row.key, retry_at=None)
        return
    given = automatic.prepared(unit, context, loaded, row)
    if given is None:
        _said(unit, row.key)
    else:
        unit.note("call", call_of(row, store.step_of(loaded.agreement, row.step), given))


def _enqueue(unit: Unit, context: Context, loaded: Loaded, row: TaskRow) -> int:
    """A worker may claim it now that its input can be read."""
    if automatic.prepared(unit, context, loaded, row) is None:
        _said(unit, row.key)
    else:
        queues.enqueue(unit, row, store.step_of(loaded.agreement, row.step))
        unit.change(TaskRow, row.key, retry_at=None)
    return 1


def _said(unit: Unit, key: str) -> None:
    """The record will close the task, or has done so."""
    if unit.get_one(TaskRow, key).status == "open":
        unit.change(TaskRow, key, **ANSWERED)


def _reason(error: TallystickError) -> str:
    return f"{error.code}: {error.detail}"[:300]
