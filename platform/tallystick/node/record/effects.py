"""What an entry changes in this organisation's own tables, in the transaction that takes the entry in."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import bindparam, text, true, update
from sqlmodel import col

from tallystick.core import canonical
from tallystick.core.commitment import data_hash
from tallystick.core.definition.model import Notification, Task, UserTask
from tallystick.core.engine import names
from tallystick.core.entry import Entry
from tallystick.core.statement import Statement
from tallystick.node.record import attesting, calls, onchain, proposed, queues
from tallystick.node.record.context import Context
from tallystick.node.record.loaded import Loaded
from tallystick.node.record.own_tasks import OwnTasks
from tallystick.node.record.store import step_of, step_of_task
from tallystick.node.record.unit import Unit
from tallystick.tenants.models.record import NotificationRow, TaskRow

KEYS = "keys"  # the note that our keys, or where they speak, have changed
_ACKNOWLEDGE = (
    update(NotificationRow)
    .where(
        col(NotificationRow.execution) == bindparam("b_execution"),
        col(NotificationRow.task) == bindparam("b_task"),
        text("requires_acknowledgment"),
    )
    .values(acknowledged=true())
)
Event = dict[str, Any]


class Effects:
    """One entry's effects; built for a transaction and thrown away with it."""

    def __init__(self, unit: Unit, context: Context, loaded: Loaded, entry: Entry, said: Statement) -> None:
        self.unit = unit
        self.context = context
        self.loaded = loaded
        self.entry = entry
        self.said = said
        self.tasks = OwnTasks(unit, context, loaded)

    def run(self) -> None:
        """Apply the effect of each event, in order."""
        for event in self.entry.events:
            handler = _HANDLERS.get(event["type"])
            if handler:
                handler(self, event)

    def assigned(self, event: Event) -> None:
        """A task begins; ours goes to staff or to the runner."""
        if event["org"] != self.context.org_id:
            return
        step = step_of(self.loaded.agreement, event["step"])
        kind = calls.kind_of(step, self.context.activities)
        row = self.tasks.add(event, kind, event["due_at"], step.priority)
        if step.input_mapping and kind in {calls.ACTIVITY, calls.QUEUED}:
            self.tasks.prepare(row)
        elif kind == calls.ACTIVITY:
            self.tasks.inherit(row)
            self.unit.note("call", calls.call_of(row, step))
        elif kind == calls.QUEUED:
            queues.enqueue(self.unit, row, step)
        elif kind == "user":
            if isinstance(step, UserTask) and step.candidate_groups:
                self.unit.change(TaskRow, row.key, candidate_groups=canonical.encode(step.candidate_groups).decode())
            self._notify("activity_assigned", step.name)

    def timer_set(self, event: Event) -> None:
        """The due date of a task of ours is stated; people see it instead of the time-out."""
        if event["purpose"] != "due":
            return
        held = self.loaded.state.tasks.get(event["task"])
        if held is not None and held.org == self.context.org_id:
            key = calls.task_key(self.loaded.row, event["task"], held.attempt)
            self.unit.change(TaskRow, key, due_at=event["due_at"])

    def readied(self, _event: Event) -> None:
        """Everyone has accepted: what a trigger has proposed can start."""
        self.unit.note("ready", self.entry.execution)

    def delivering(self, event: Event) -> None:
        """Data is under way; recipients fetch, check and confirm it."""
        step = step_of_task(self.loaded.agreement, event["task"])
        if step.assigned_org == self.context.org_id:
            self.tasks.close(event, "completed")
        elif self.context.org_id in event["waiting"] and event["sealed"]:
            self.tasks.add(event, "receive", None, step.priority)

    def received(self, event: Event) -> None:
        """A recipient confirmed; its own work on it is done."""
        if event["org"] == self.context.org_id:
            self.tasks.close(event, "completed")
            self._notify("data_received", self._step_name(event["task"]))

    def answered(self, event: Event) -> None:
        """An attempt ended."""
        self.tasks.close(event, event["status"])
        if self._wants_activities() and event["status"] in {"completed", "failed"}:
            self._notify(f"activity_{event['status']}", self._step_name(event["task"]))

    def timed_out(self, event: Event) -> None:
        """An attempt took too long."""
        self.tasks.close(event, "timed_out")
        if self._wants_activities():
            self._notify("activity_failed", self._step_name(event["task"]))

    def withdrawn(self, event: Event) -> None:
        """Nobody need do these any more; workers that hold some make room for others."""
        self.unit.note("freed", None)
        steps = self.loaded.agreement.compiled.steps
        for task, attempt in zip(event["tasks"], event["attempts"], strict=True):
            if isinstance(steps[names.step_of(task)], Task):
                self.tasks.close({"task": task, "attempt": attempt}, "cancelled")

    def held(self, event: Event) -> None:
        """A failure waits for somebody to decide what is to be done."""
        step = step_of_task(self.loaded.agreement, event["task"])
        if self.context.org_id in {step.assigned_org, self.loaded.agreement.initiator}:
            self._notify("activity_held", step.name, task=event["task"])

    def suspended(self, event: Event) -> None:
        """Somebody suspended the execution."""
        self._notify("suspended", self.loaded.row.name)

    def resumed(self, event: Event) -> None:
        """It goes on."""
        self._notify("resumed", self.loaded.row.name)

    def reminded(self, event: Event) -> None:
        """A task waits for us."""
        if self.context.org_id in event["orgs"]:
            self._notify("reminder", self._step_name(event["task"]), task=event["task"], attempt=event["attempt"])

    def notified(self, event: Event) -> None:
        """A notification step speaks to us."""
        if self.context.org_id not in event["targets"]:
            return
        step = step_of_task(self.loaded.agreement, event["task"])
        if isinstance(step, Notification):
            self._notify(
                event["notification_type"],
                step.message,
                task=event["task"],
                attempt=self.said.place[1],
                requires_acknowledgment=step.requires_acknowledgment,
            )

    def acknowledged(self, event: Event) -> None:
        """Our acknowledgement stands in the record."""
        if event["org"] != self.context.org_id:
            return
        self.unit.later(NotificationRow, _ACKNOWLEDGE, {"b_execution": self.entry.execution, "b_task": event["task"]})

    def proposed(self, event: Event) -> None:
        """A collaboration was proposed."""
        self._notify("created", self.loaded.row.name)

    def replaced(self, event: Event) -> None:
        """A changed proposal takes this one's place."""
        self.loaded.row.replaced_by = event["execution"]

    def started(self, event: Event) -> None:
        """Work begins: the start leaf anchors the log as of this entry."""
        self._notify("started", self.loaded.row.name)
        self.loaded.row.start_size = self.entry.seq + 1
        if self.loaded.agreement.coordinator != self.context.org_id:
            proposed.started(self.unit, self.loaded.row.agreement_hash)
        if self.loaded.agreement.anchoring is None:
            return
        inputs = data_hash(list(self.said.commitments.values()))
        self._leaf(onchain.START, "running", inputs, data_hash([]))

    def closed(self, event: Event) -> None:
        """All is done: tasks end, we attest the closing head, and the completion leaf is due."""
        self.unit.note("closed", self.entry.execution)
        kind = "terminated" if event["status"] in {"terminated", "cancelled"} else event["status"]
        kind = "replaced" if event["outcome"] == "replaced" else kind
        self._notify(kind, self.loaded.row.name)
        self.tasks.revisit_parents()
        attesting.attest(self.unit, self.context, self.loaded, self.entry)
        if self.loaded.row.start_size is not None and self.loaded.agreement.anchoring is not None:
            inputs, results = attesting.commitments(self.unit, self.loaded)
            self._leaf(onchain.COMPLETION, event["status"], inputs, results)

    def key_changed(self, event: Event) -> None:
        """One of our keys: whoever keeps them has something to follow up."""
        if event["org"] == self.context.org_id:
            self.unit.note(KEYS, None)

    def _leaf(self, kind: int, status: str, inputs: str, results: str) -> None:
        attesting.leaf(self.unit, self.context, self.loaded, self.entry, kind, status, inputs, results)

    def _wants_activities(self) -> bool:
        me = self.loaded.agreement.participant(self.context.org_id)
        return bool(me and me.need_activity_notifications)

    def _step_name(self, task: str) -> str:
        return step_of_task(self.loaded.agreement, task).name

    def _notify(
        self,
        kind: str,
        message: str,
        *,
        task: str | None = None,
        attempt: int | None = None,
        requires_acknowledgment: bool = False,
    ) -> None:
        self.unit.insert(
            NotificationRow,
            notification_type=kind,
            message=message,
            execution=self.entry.execution,
            from_org=self.said.iss,
            at=self.context.now(),
            task=task,
            attempt=attempt,
            requires_acknowledgment=requires_acknowledgment,
            statement_id=self.said.id,
        )


_HANDLERS: dict[str, Callable[[Effects, Event], None]] = {
    "proposed": Effects.proposed,
    "replaced": Effects.replaced,
    "started": Effects.started,
    "assigned": Effects.assigned,
    "delivering": Effects.delivering,
    "received": Effects.received,
    "answered": Effects.answered,
    "timed_out": Effects.timed_out,
    "timer_set": Effects.timer_set,
    "reminded": Effects.reminded,
    "overdue": Effects.reminded,
    "withdrawn": Effects.withdrawn,
    "held": Effects.held,
    "readied": Effects.readied,
    "suspended": Effects.suspended,
    "resumed": Effects.resumed,
    "notified": Effects.notified,
    "acknowledged": Effects.acknowledged,
    "closed": Effects.closed,
    "key_rotated": Effects.key_changed,
    "key_revoked": Effects.key_changed,
}
