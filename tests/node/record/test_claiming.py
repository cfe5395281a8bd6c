"""Which task a worker gets: urgent ones first, none for ever, and no more than the limits allow."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, insert

from tallystick.node.record import claiming, queues
from tallystick.node.record.claiming import Claim, Limits, Taken
from tallystick.node.record.queues import StaleClaim
from tallystick.tenants.database import Database
from tallystick.tenants.models.queue import QueueTaskRow

NOW = 1_795_485_600_000
MINUTE = 60_000
QUEUE = "冲压 a!b@c$d()e*_,:;=?@ff[]22"
FREE = Limits(in_all=1_000)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    tmp_path.chmod(0o700)
    with Database(tmp_path / "tenant.db") as database:
        database.create_schema()
        with database.write() as session:
            yield session.connection()


def put(connection: Connection, key: str, *, since: int = NOW, priority: str = "normal", **more: Any) -> None:
    facts = {"queue": QUEUE, "activity_type": "press", "execution": "e", "rank": queues.rank_of(since, priority)}
    values = {**facts, "key": key, "since": since, "priority": priority, "state": "waiting", "deliveries": 0, **more}
    connection.execute(insert(QueueTaskRow).values(**values))


def take(connection: Connection, count: int = 10, *, limits: Limits = FREE, now: int = NOW, **more: Any) -> Taken:
    facts = {"queue": QUEUE, "claimed_by": "token:1", "worker_id": "w", "at_most": count, "lease_ms": MINUTE}
    return claiming.claim(connection, Claim(**{**facts, **more}), limits, now)


def keys(taken: Taken) -> list[str]:
    return [one.key for one in taken.tasks]


def test_urgent_first_and_the_oldest_among_equals(connection: Connection) -> None:
    for number, priority in enumerate(("low", "normal", "critical", "high", "normal")):
        put(connection, f"{priority}{number}", since=NOW + number, priority=priority)
    assert keys(take(connection)) == ["critical2", "high3", "normal1", "normal4", "low0"]


def test_waiting_makes_up_for_priority(connection: Connection) -> None:
    put(connection, "low", since=NOW - 6 * MINUTE - 1, priority="low")
    put(connection, "critical", priority="critical")
    assert keys(take(connection, 1)) == ["low"]  # critical is worth six minutes over low, and no more
    put(connection, "late", since=NOW + MINUTE, priority="low")
    assert keys(take(connection, 1)) == ["critical"]


def test_queues_are_apart_and_a_claim_takes_what_it_asked_for(connection: Connection) -> None:
    for number in range(5):
        put(connection, str(number), since=NOW + number)
    put(connection, "other", queue="other")
    assert keys(take(connection, 2)) == ["0", "1"]
    assert keys(take(connection, 2)) == ["2", "3"]
    assert keys(take(connection, 2)) == ["4"]
    assert keys(take(connection)) == []
    assert keys(take(connection, queue="none")) == []
    assert keys(take(connection, queue="other")) == ["other"]


def test_limits_of_a_type_and_of_all(connection: Connection) -> None:
    for number in range(4):
        put(connection, f"press{number}", since=NOW + number)
    for number in range(4):
        put(connection, f"paint{number}", since=NOW + 10 + number, activity_type="paint")
    limits = Limits(in_all=3, types={"press": 1})
    first = take(connection, limits=limits)
    assert (keys(first), first.limited) == (["press0", "paint0", "paint1"], True)
    assert keys(take(connection, limits=limits)) == []
    queues.answer(connection, "paint0", "completed")
    assert keys(take(connection, limits=limits)) == ["paint2"]  # press is still at its limit
    queues.answer(connection, "press0", "completed")
    assert keys(take(connection, limits=limits)) == ["press1"]
    assert not take(connection, 1, limits=FREE).limited


def test_a_claim_costs_the_same_however_many_wait(connection: Connection) -> None:
    """Neither the queue's length nor a type in front that has reached its limit is walked through."""
    put(connection, "a")
    said: list[tuple[str, Any]] = []
    event.listen(connection, "before_cursor_execute", lambda _c, _k, words, values, *_: said.append((words, values)))
    take(connection)
    queues.expire(connection, NOW)
    queues.next_expiry(connection)
    read = [one for one in said if one[0].startswith("SELECT")]
    plans = [
        row[-1] for words, values in read for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {words}", values)
    ]
    assert len(read) >= 6
    # What workers hold at one time is counted, and limits bound it.
    assert [plan for plan in plans if not plan.startswith("SEARCH")] == ["USE TEMP B-TREE FOR GROUP BY"], plans
    assert all("INDEX" in plan for plan in plans if plan.startswith("SEARCH")), plans


def test_only_the_newest_claim_holds(connection: Connection) -> None:
    put(connection, "k")
    [first] = take(connection).tasks
    assert (first.deliveries, first.lease_until) == (1, NOW + MINUTE)
    assert queues.renew(connection, "k", first.token, NOW + 5) == NOW + 5 + MINUTE
    assert queues.expire(connection, NOW + MINUTE).put_back == {}
    assert queues.expire(connection, NOW + 5 + MINUTE).put_back == {QUEUE: ["k"]}
    with pytest.raises(StaleClaim) as caught:
        queues.held(connection, "k", first.token)
    assert caught.value.state == "waiting"
    [second] = take(connection).tasks
    assert (second.deliveries, second.token != first.token) == (2, True)
    for token, state in ((first.token, "claimed"), ("", "claimed"), (second.token + "x", "claimed")):
        with pytest.raises(StaleClaim) as caught:
            queues.renew(connection, "k", token, NOW)
        assert (caught.value.state, caught.value.code) == (state, "stale_claim")
    queues.answer(connection, "k", "completed")
    with pytest.raises(StaleClaim) as caught:
        queues.held(connection, "k", second.token)
    assert caught.value.state == "answered"
    with pytest.raises(StaleClaim) as caught:
        queues.held(connection, "none", second.token)
    assert caught.value.state == "unknown"


def test_a_task_that_was_put_back_keeps_its_place(connection: Connection) -> None:
    put(connection, "old", since=NOW - MINUTE)
    put(connection, "new")
    assert keys(take(connection, 1)) == ["old"]
    queues.expire(connection, NOW + MINUTE)
    assert keys(take(connection, 1)) == ["old"]


def test_a_missed_heartbeat_is_told_apart(connection: Connection) -> None:
    put(connection, "beats", heartbeat_ms=5_000)
    put(connection, "leased")
    taken = take(connection)
    assert {one.key: one.lease_until - NOW for one in taken.tasks} == {"beats": 5_000, "leased": MINUTE}
    assert queues.next_expiry(connection) == NOW + 5_000
    assert queues.expire(connection, NOW + MINUTE).missed == ["beats"]


def test_what_ends_a_task_elsewhere_ends_its_claim(connection: Connection) -> None:
    put(connection, "held", since=NOW - 1)
    put(connection, "waits")
    put(connection, "cancelled", execution="e2")
    [held, *_] = take(connection, 1).tasks
    connection.execute(queues.CLOSE, {"b_key": held.key, "b_state": "timed_out"})
    connection.execute(queues.CLOSE, {"b_key": "cancelled", "b_state": "cancelled"})
    with pytest.raises(StaleClaim) as caught:
        queues.held(connection, held.key, held.token)
    assert caught.value.state == "timed_out"
    assert len(keys(take(connection))) == 1
    connection.execute(queues.CLOSE, {"b_key": "cancelled", "b_state": "completed"})
    row = queues.peek(connection, "cancelled")
    assert row is not None
    assert row["state"] == "cancelled"  # an end is final


def test_overview(connection: Connection) -> None:
    assert queues.overview(connection) == []
    put(connection, "a", since=NOW - 7)
    put(connection, "b")
    put(connection, "c", queue="other")
    take(connection, 1, queue="other")
    assert queues.overview(connection) == [
        {"queue": "other", "depth": 0, "oldest_since": None, "in_flight": 1},
        {"queue": QUEUE, "depth": 2, "oldest_since": NOW - 7, "in_flight": 0},
    ]
