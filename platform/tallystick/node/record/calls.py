"""Which of our tasks the node does by itself, and the activity calls that become due with an entry."""

import hashlib
from collections.abc import Container
from typing import Any, Protocol

import msgspec

from tallystick.core.definition import model as m
from tallystick.core.definition.model import Task as Step
from tallystick.node.record.queues import queue_of

ACTIVITY = "activity"  # the kind of a task that a registered function does
QUEUED = "queued"  # the kind of a task that an external worker does
AUTOMATIC = ("decision", "notification", "sub_workflow", "receive")
LEASE_MS = 30_000  # a call that nobody has renewed for so long is taken up again


class Row(Protocol):
    """What a call needs of its task's row."""

    key: str
    execution: str
    task: str
    step: str
    attempt: int
    due_at: int | None
    priority: str
    since: int
    details: str | None


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """An activity that is due here; ``key`` is its task's and the idempotency token, ``details`` are JSON."""

    key: str
    execution: str
    task: str
    step: str
    attempt: int
    activity_type: str
    input: dict[str, Any]
    due_at: int | None
    priority: str
    since: int
    heartbeat_seconds: int | None = None
    details: str | None = None


_BY_ITSELF: dict[type[Step], str] = {
    m.Decision: "decision",
    m.ForEach: "decision",
    m.Notification: "notification",
    m.SubWorkflow: "sub_workflow",
}


class Execution(Protocol):
    """What a task's key is made of."""

    number: int
    id: str


def task_key(execution: Execution, task: str, attempt: int) -> str:
    """The id under which staff and workers know a task; those of one execution lie side by side."""
    digest = hashlib.sha256(f"{execution.id}/{task}/{attempt}".encode()).hexdigest()
    return f"t_{execution.number:016x}{digest[:16]}"


def keys_of(number: int) -> dict[str, str]:
    """The range in which the keys of an execution's tasks lie, as the parameters of a statement."""
    return {"b_first": f"t_{number:016x}", "b_last": f"t_{number:016x}g"}


def kind_of(step: Step, activities: Container[str]) -> str:
    """Who does a step of ours: the node by itself (and how), a worker, or ``user``."""
    if type(step) in _BY_ITSELF:
        return _BY_ITSELF[type(step)]
    if queue_of(step):
        return QUEUED
    return ACTIVITY if isinstance(step, m.Activity) and step.activity_type in activities else "user"


def heartbeat_of(step: Step) -> int | None:
    """How often, in seconds, a step wants to hear from whoever does it; None where it does not."""
    if not isinstance(step, m.Activity):
        return None
    seconds = step.heartbeat_seconds or step.input.get("heartbeat_seconds")  # the short form has no other place
    return seconds if isinstance(seconds, int) and not isinstance(seconds, bool) and seconds > 0 else None


def call_of(row: Row, step: Step, given: dict[str, Any] | None = None) -> Call:
    """The call for a task that is in the table; ``given`` is its input where that has a mapping."""
    return Call(
        key=row.key,
        execution=row.execution,
        task=row.task,
        step=row.step,
        attempt=row.attempt,
        activity_type=step.activity_type if isinstance(step, m.Activity) else "",
        input=step.input if given is None else given,
        due_at=row.due_at,
        priority=row.priority,
        since=row.since,
        heartbeat_seconds=heartbeat_of(step),
        details=row.details,
    )
