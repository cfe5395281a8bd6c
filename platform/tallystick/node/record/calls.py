"""Which of our tasks the node does by itself, and the activity calls that become due with an entry."""

import hashlib
from collections.abc import Container
from typing import Any, Protocol

import msgspec

from tallystick.node.record.queues import queue_of

ACTIVITY = "activity"  # the kind of a task that a registered function does
QUEUED = "queued"  # the kind of a task that an external worker does
AUTOMATIC = ("decision", "notification", "receive")
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


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """An activity that is due here; ``key`` is its task's and the idempotency token."""

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


def kind_of(step: dict[str, Any], activities: Container[str]) -> str:
    """Who does a step of ours: the node by itself (and how), a worker, or ``user``."""
    if step["step_type"] == "decision":
        return "decision"
    if queue_of(step):
        return QUEUED
    activity_type = step["activity_type"]
    if activity_type in AUTOMATIC:
        return str(activity_type)
    return ACTIVITY if activity_type is not None and activity_type in activities else "user"


def call_of(row: Row, step: dict[str, Any]) -> Call:
    """The call for a task that is in the table."""
    return Call(
        key=row.key,
        execution=row.execution,
        task=row.task,
        step=row.step,
        attempt=row.attempt,
        activity_type=step["activity_type"],
        input=step["input"] or {},
        due_at=row.due_at,
        priority=row.priority,
        since=row.since,
    )
