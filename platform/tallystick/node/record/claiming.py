"""A worker's claim: which tasks of a queue are next, and how many the limits let out.

Each activity type of the queue is looked at where the index has its most urgent tasks, so a claim costs the same
however many wait, also when a type that has reached its limit is in front.
"""

import heapq
import secrets
from collections.abc import Mapping
from typing import Any, cast

import msgspec
from sqlalchemy import Connection, CursorResult, bindparam, func, select, update

from tallystick.node.record.queues import TABLE, digest

MAX_TYPES = 200  # activity types of one queue that a claim looks at
_Place = tuple[int, str, int | None]  # rank, key, heartbeat_ms


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """A task that a worker holds until ``lease_until``, and the token that proves it."""

    key: str
    token: str
    deliveries: int
    lease_ms: int
    lease_until: int


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How many tasks workers may hold at once: of all, and of single activity types."""

    in_all: int
    types: Mapping[str, int] = {}


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks for how much, for how long (milliseconds)."""

    queue: str
    claimed_by: str
    worker_id: str
    at_most: int
    lease_ms: int


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What a claim got; ``limited`` says that more waits than the limits let out."""

    tasks: list[Claimed]
    limited: bool


def claim(connection: Connection, asked: Claim, limits: Limits, now: int) -> Taken:
    """Take the most urgent tasks of a queue that the limits allow."""
    room = _room(connection, limits)
    found: list[_Place] = []
    limited = False
    for activity_type in _types(connection, asked.queue):
        free = min(room[""], room.get(activity_type, limits.in_all))
        limited = limited or free < asked.at_most
        if free > 0:
            found += _first(connection, asked.queue, activity_type, min(free, asked.at_most))
    chosen = heapq.nsmallest(max(min(asked.at_most, room[""]), 0), found)
    taken = [_take(connection, asked, key, heartbeat_ms, now) for _, key, heartbeat_ms in chosen]
    return Taken(tasks=[one for one in taken if one is not None], limited=limited)


def _types(connection: Connection, queue: str) -> list[str]:
    """The activity types that wait in a queue, by one look at the index each."""
    types: list[str] = []
    query = (
        select(TABLE.c.activity_type)
        .where(TABLE.c.queue == queue, TABLE.c.rank.is_not(None), TABLE.c.activity_type > bindparam("after"))
        .order_by(TABLE.c.activity_type)
        .limit(1)
    )
    while len(types) < MAX_TYPES:
        found = connection.execute(query, {"after": types[-1] if types else ""}).scalar()
        if found is None:
            break
        types.append(found)
    return types


def _room(connection: Connection, limits: Limits) -> dict[str, int]:
    """How many more may be held: of the types that have a limit, and under "" of all."""
    counted = (
        select(TABLE.c.activity_type, func.count().label("held"))
        .where(TABLE.c.lease_until.is_not(None))
        .group_by(TABLE.c.activity_type)
    )
    counts = {row.activity_type: row.held for row in connection.execute(counted)}
    room = {name: limit - counts.get(name, 0) for name, limit in limits.types.items()}
    return {**room, "": limits.in_all - sum(counts.values())}


def _first(connection: Connection, queue: str, activity_type: str, count: int) -> list[_Place]:
    query = (
        select(TABLE.c.rank, TABLE.c.key, TABLE.c.heartbeat_ms)
        .where(TABLE.c.queue == queue, TABLE.c.activity_type == activity_type, TABLE.c.rank.is_not(None))
        .order_by(TABLE.c.rank, TABLE.c.key)
        .limit(count)
        .with_for_update(skip_locked=True)  # another replica's claim takes the next ones instead of waiting
    )
    return [(row.rank, row.key, row.heartbeat_ms) for row in connection.execute(query)]


def _take(connection: Connection, asked: Claim, key: str, heartbeat_ms: int | None, now: int) -> Claimed | None:
    token = secrets.token_urlsafe(24)
    lease_ms = asked.lease_ms if heartbeat_ms is None else heartbeat_ms
    until = now + lease_ms
    taken = connection.execute(
        update(TABLE)
        .where(TABLE.c.key == key, TABLE.c.rank.is_not(None))
        .values(
            state="claimed",
            rank=None,
            deliveries=TABLE.c.deliveries + 1,
            claim_hash=digest(token),
            claimed_by=asked.claimed_by,
            worker_id=asked.worker_id,
            claimed_at=now,
            lease_ms=lease_ms,
            lease_until=until,
        )
    )
    if cast("CursorResult[Any]", taken).rowcount != 1:
        return None
    count = connection.execute(select(TABLE.c.deliveries).where(TABLE.c.key == key)).scalar_one()
    return Claimed(key=key, token=token, deliveries=count, lease_ms=lease_ms, lease_until=until)
