"""Task queues of external workers, inside the caller's transaction.

A worker claims tasks for a time (the lease) and proves with the claim's token that they are its own. A lease that runs
out puts the task back, so a task reaches a worker at least once; whoever comes with an older token is told what became
of the task. Only the hash of a token is kept.

The order is an index's: a task's rank is when it came less what its priority is worth (:data:`AHEAD_MS`), so a waiting
task is passed only by more urgent ones that came within that time after it.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, func, null, select, tuple_, update
from sqlmodel import col

from tallystick.core.definition.model import Activity
from tallystick.core.definition.model import Task as Step
from tallystick.core.errors import WrongState
from tallystick.node.record.tables import word
from tallystick.node.record.unit import Unit
from tallystick.tenants.models.queue import QueueTaskRow
from tallystick.tenants.models.record import TaskRow

AHEAD_MS = {"low": -60_000, "normal": 0, "high": 60_000, "critical": 300_000}
TABLE = QueueTaskRow.__table__  # type: ignore[attr-defined]
_OPEN = ("waiting", "claimed", "answered")
_ENDED: dict[str, Any] = {"rank": None, "lease_until": None}

CLOSE = (
    update(QueueTaskRow)
    .where(col(QueueTaskRow.key) == bindparam("b_key"), col(QueueTaskRow.state).in_(map(word, _OPEN)))
    .values(state=bindparam("b_state"), rank=null(), lease_until=null())
)


class StaleClaim(WrongState):
    """The claim no longer holds; ``state`` says what became of the task."""

    def __init__(self, state: str) -> None:
        words = {"waiting": "it waits in its queue again", "claimed": "another worker has claimed it"}
        super().__init__(f"this claim has ended: {words.get(state, f'the task is {state}')}", state=state)
        self.code = "stale_claim"


class Expired(msgspec.Struct, frozen=True, kw_only=True):
    """Leases that ran out: tasks that were put back, by queue, and tasks that missed a heartbeat."""

    put_back: dict[str, list[str]]
    missed: list[str]


def queue_of(step: Step) -> tuple[str, int | None] | None:
    """The queue that a step's tasks wait in, and its heartbeat in milliseconds; None when no worker does them."""
    if not isinstance(step, Activity):
        return None
    # Definitions of the short form have no place for it but the input.
    queue, seconds = step.task_queue, step.heartbeat_seconds
    if not queue:
        queue, seconds = step.input.get("task_queue"), step.input.get("heartbeat_seconds")
    if not isinstance(queue, str) or not queue:
        return None
    return queue, seconds * 1000 if isinstance(seconds, int) and seconds > 0 else None


def enqueue(unit: Unit, row: TaskRow, step: Step) -> None:
    """Let a task of ours wait for a worker; those who wait for one hear of it after the commit."""
    place = queue_of(step)
    if place is None or not isinstance(step, Activity):
        return
    queue, heartbeat_ms = place
    unit.put(
        QueueTaskRow,
        key=row.key,
        execution=row.execution,
        queue=queue,
        activity_type=step.activity_type,
        since=row.since,
        due_at=row.due_at,
        priority=row.priority,
        heartbeat_ms=heartbeat_ms,
        rank=rank_of(row.since, row.priority),
    )
    unit.note("queued", queue)


def close(unit: Unit, key: str, status: str) -> None:
    """An attempt has ended, by whomever: its claim ends with it."""
    unit.later(QueueTaskRow, CLOSE, {"b_key": key, "b_state": status})


def rank_of(since: int, priority: str) -> int:
    """Where a task stands in its queue."""
    return since - AHEAD_MS.get(priority, 0)


def renew(connection: Connection, key: str, token: str, now: int) -> int:
    """Extend the lease of a claim from now on; until when. Raises :class:`StaleClaim`."""
    row = held(connection, key, token)
    until = now + int(row["lease_ms"])
    connection.execute(update(TABLE).where(TABLE.c.key == key).values(lease_until=until))
    return until


def held(connection: Connection, key: str, token: str) -> Mapping[str, Any]:
    """The task of a claim that still holds; raises :class:`StaleClaim`.

    A lease whose time is over holds until somebody else has the task: the work is done, and nothing is won by doing
    it again.
    """
    row = peek(connection, key)
    if row is None:
        raise StaleClaim("unknown")
    if row["state"] != "claimed" or not is_holder(row, token):
        raise StaleClaim(row["state"])
    return row


def peek(connection: Connection, key: str) -> Mapping[str, Any] | None:
    """A task as it stands in its queue, or after."""
    row = connection.execute(select(TABLE).where(TABLE.c.key == key)).mappings().first()
    return None if row is None else dict(row)


def is_holder(row: Mapping[str, Any], token: str) -> bool:
    """Whether ``token`` is that of the task's last claim."""
    return hmac.compare_digest(row["claim_hash"] or "", digest(token))


def answer(connection: Connection, key: str, status: str) -> None:
    """The worker has answered; what becomes of it stands in the record."""
    here = TABLE.c.key == key
    connection.execute(update(TABLE).where(here).values(answered_with=status))
    # Where this node coordinates, the record has closed the task already.
    connection.execute(update(TABLE).where(here, TABLE.c.state == "claimed").values(state="answered", **_ENDED))


def expire(connection: Connection, now: int, *, at_most: int = 500) -> Expired:
    """Put back what has been held too long; tasks whose heartbeat was missed stay for the caller to fail."""
    late = (
        select(TABLE.c.key, TABLE.c.queue, TABLE.c.since, TABLE.c.priority, TABLE.c.heartbeat_ms)
        .where(TABLE.c.lease_until.is_not(None), TABLE.c.lease_until <= now)
        .order_by(TABLE.c.lease_until)
        .limit(at_most)
    )
    put_back: dict[str, list[str]] = {}
    missed = []
    for row in connection.execute(late).all():
        if row.heartbeat_ms is not None:
            missed.append(row.key)
            continue
        again = {"state": "waiting", "rank": rank_of(row.since, row.priority), "lease_until": None}
        connection.execute(update(TABLE).where(TABLE.c.key == row.key).values(**again))
        put_back.setdefault(row.queue, []).append(row.key)
    return Expired(put_back=put_back, missed=missed)


def next_expiry(connection: Connection) -> int | None:
    """When the next lease runs out."""
    return connection.execute(select(func.min(TABLE.c.lease_until)).where(TABLE.c.lease_until.is_not(None))).scalar()


def overview(connection: Connection) -> list[dict[str, Any]]:
    """Every queue that has something: how many wait, the oldest since when, how many workers hold."""
    queues: dict[str, dict[str, Any]] = {}
    waiting = select(TABLE.c.queue, func.count(), func.min(TABLE.c.since)).where(TABLE.c.rank.is_not(None))
    leased = select(TABLE.c.queue, func.count()).where(TABLE.c.lease_until.is_not(None))
    empty = {"depth": 0, "oldest_since": None, "in_flight": 0}
    for queue, depth, oldest in connection.execute(waiting.group_by(TABLE.c.queue)):
        queues[queue] = {"queue": queue, **empty, "depth": depth, "oldest_since": oldest}
    for queue, count in connection.execute(leased.group_by(TABLE.c.queue)):
        queues.setdefault(queue, {"queue": queue, **empty})["in_flight"] = count
    return [queues[name] for name in sorted(queues)]


def waiting_tasks(
    connection: Connection, queue: str, limit: int, after: tuple[str, int, str] | None
) -> list[Mapping[str, Any]]:
    """What waits in a queue, by activity type and then as claims take it; ``after`` is (type, rank, key)."""
    place = (TABLE.c.activity_type, TABLE.c.rank, TABLE.c.key)
    query = select(TABLE).where(TABLE.c.queue == queue, TABLE.c.rank.is_not(None))
    if after is not None:
        query = query.where(tuple_(*place) > after)
    return [dict(row) for row in connection.execute(query.order_by(*place).limit(limit)).mappings()]


def claimed_tasks(connection: Connection, queue: str, limit: int) -> list[Mapping[str, Any]]:
    """What workers hold of a queue, the lease that ends first before the others."""
    query = select(TABLE).where(TABLE.c.lease_until.is_not(None), TABLE.c.queue == queue)
    return [dict(row) for row in connection.execute(query.order_by(TABLE.c.lease_until).limit(limit)).mappings()]


def digest(token: str) -> str:
    """What is kept of a claim's token."""
    return hashlib.sha256(token.encode()).hexdigest()
