"""This organisation's own tasks as rows: what staff, workers and the runner have before them.

Changed by the effects of entries (:mod:`tallystick.node.record.effects`), in their transaction.
"""

from typing import Any

from sqlalchemy import bindparam, null, update
from sqlmodel import col

from tallystick.core.definition.model import SubWorkflow
from tallystick.core.engine import names
from tallystick.node.record import calls, queues
from tallystick.node.record.context import Context
from tallystick.node.record.loaded import Loaded
from tallystick.node.record.store import find, step_of_task
from tallystick.node.record.tables import word
from tallystick.node.record.unit import Unit
from tallystick.tenants.models.record import TaskRow

_OPEN = ("open", "claimed")
_CLOSE = (
    update(TaskRow)
    .where(col(TaskRow.key) == bindparam("b_key"), col(TaskRow.status).in_(map(word, _OPEN)))
    .values(status=bindparam("b_status"), retry_at=null())
)
Event = dict[str, Any]


class OwnTasks:
    """Our tasks of one execution; built for a transaction and thrown away with it."""

    def __init__(self, unit: Unit, context: Context, loaded: Loaded) -> None:
        self.unit = unit
        self.context = context
        self.loaded = loaded

    def inherit(self, row: Any) -> None:
        """What the attempt before said last of itself is where this one may begin."""
        if row.attempt > 1:
            before = self.unit.get(TaskRow, calls.task_key(self.loaded.row, row.task, row.attempt - 1))
            if before is not None and before.details is not None:
                row.details = before.details
                self.unit.change(TaskRow, row.key, details=before.details)

    def prepare(self, row: TaskRow) -> None:
        """Its input is read from values, some of which may come with this very entry: the runner does that."""
        self.inherit(row)
        self.unit.change(TaskRow, row.key, retry_at=0)
        self.unit.note("due", 0)

    def add(self, event: Event, kind: str, due_at: int | None, priority: str) -> Any:
        """A task of ours; work that the node does by itself is due at once, or leased to the call that follows."""
        key = calls.task_key(self.loaded.row, event["task"], event["attempt"])
        step = names.step_of(event["task"])
        now = self.context.now()
        retry_at = {"user": None, calls.QUEUED: None, calls.ACTIVITY: now + calls.LEASE_MS}.get(kind, 0)
        if retry_at is not None:
            self.unit.note("due", retry_at)
        return self.unit.put(
            TaskRow,
            key=key,
            execution=self.loaded.row.id,
            task=event["task"],
            step=step,
            attempt=event["attempt"],
            kind=kind,
            status="open",
            since=now,
            due_at=due_at,
            priority=priority,
            retry_at=retry_at,
        )

    def close(self, event: Event, status: str) -> None:
        """An attempt's task ends here, if it is one of ours and nothing ended it before."""
        key = calls.task_key(self.loaded.row, event["task"], event["attempt"])
        step = step_of_task(self.loaded.agreement, event["task"])
        if queues.queue_of(step):
            queues.close(self.unit, key, status)
        if isinstance(step, SubWorkflow) and status != "completed":
            self._revisit(key)  # its child ends too
            return
        held = self.unit.known(TaskRow, key)
        if held is None:
            self.unit.later(TaskRow, _CLOSE, {"b_key": key, "b_status": status})
        elif held["status"] in _OPEN:
            self.unit.change(TaskRow, key, status=status, retry_at=None)
        if status != "completed":
            self.unit.note("ended", key)

    def _revisit(self, key: str) -> None:
        """The runner looks at a sub-workflow of ours again: it, or its child, has ended."""
        if self.unit.get(TaskRow, key) is not None:
            self.unit.change(TaskRow, key, status="open", claimed_by=None, retry_at=0)
            self.unit.note("due", 0)

    def revisit_parents(self) -> None:
        """We do a sub-workflow that has ended: its head is its parent's result."""
        parent = self.loaded.agreement.parent
        around = find(self.unit, parent.execution) if parent else None
        if parent and around and self.loaded.agreement.initiator == self.context.org_id:
            self._revisit(calls.task_key(around.row, parent.task, parent.attempt))
