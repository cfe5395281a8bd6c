"""Failure: retried, caught, held, or undone in reverse order."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from support.flows import DONE, Flow, activity, event, to, types
from support.parties import BUYER, CARRIER, SUPPLIER
from tallystick.core.definition import model as m
from tallystick.core.engine.timers import backoff_ms

HASH = "0" * 64
POLICY = m.RetryPolicy(max_attempts=2, initial_interval_seconds=10, non_retryable_errors=["lost"])


def trip(**facts: Any) -> Flow:
    """Three steps that can be undone, and a fourth that cannot."""
    names = ["flight", "hotel", "car", "pay"]
    steps = [
        activity(name, next_steps=to(following), compensate_with=f"un{name}")
        for name, following in itertools.pairwise(names)
    ]
    handlers = [activity(f"un{name}", compensates=True) for name in names[:3]]
    run = Flow(*steps, activity("pay", **facts), *handlers)
    for name in names[:3]:
        run.answer(f"{name}.1")
    return run


def test_a_failure_is_tried_again_after_a_while() -> None:
    run = Flow(activity("work", retry_policy=POLICY, timeout_seconds=100))
    assert types(run.failure("work.1")) == ["answered", "retry_scheduled", "timer_set"]
    assert list(run.state.timers) == ["work.1/1/retry"]
    assert run.answer("work.1").outcome == "void:already_answered"
    run.fire("work.1/1/retry")
    assert run.answer("work.1").outcome == "void:wrong_attempt"
    run.failure("work.1", attempt=2)
    assert run.ended == ("failed", "broken")


def test_some_failures_are_final() -> None:
    run = Flow(activity("work", retry_policy=POLICY))
    run.failure("work.1", "lost")
    assert run.ended == ("failed", "lost")
    assert Flow(activity("work")).failure("work.1", "x" * 201).outcome == "void:bad_code"


def test_a_time_out_is_a_failure_too() -> None:
    run = Flow(activity("work", retry_policy=POLICY, timeout_seconds=100))
    assert types(run.fire("work.1/1/timeout")) == ["timer_fired", "timed_out", "retry_scheduled", "timer_set"]
    assert run.answer("work.1").outcome == "void:already_answered", "the time-out came first"
    run.fire("work.1/1/retry")
    assert run.answer("work.1", attempt=2).applied
    assert run.say(BUYER, "timer", timer="work.1/2/timeout").outcome == "void:closed"


def test_an_answer_that_came_first_stops_the_time_out() -> None:
    run = Flow(activity("work", timeout_seconds=100, next_steps=to("next")), activity("next"))
    run.at += 100_000
    assert run.answer("work.1").applied
    assert run.say(BUYER, "timer", timer="work.1/1/timeout").outcome == "void:unknown_timer"


@pytest.mark.parametrize(("code", "step"), [("lost", "search"), ("broken", "mend"), ("timed_out", "mend")])
def test_the_first_catch_that_fits_is_followed(code: str, step: str) -> None:
    catches = [m.Catch(step="search", code="lost"), m.Catch(step="mend")]
    run = Flow(activity("work", catches=catches, timeout_seconds=9), activity("search"), activity("mend"))
    entry = run.fire("work.1/1/timeout") if code == "timed_out" else run.failure("work.1", code)
    assert event(entry, "caught") == {"type": "caught", "task": "work.1", "code": code, "step": step}
    assert run.open == [f"{step}.1"]
    assert run.answer("work.1").outcome == "void:already_answered"


def test_a_held_failure_suspends_until_somebody_tries_again() -> None:
    run = Flow(activity("work", hold_on_failure=True, timeout_seconds=100))
    assert event(run.failure("work.1"), "held") == {"type": "held", "task": "work.1", "code": "broken"}
    assert (run.state.status, run.state.tasks["work.1"].status, run.state.timers) == ("suspended", "held", {})
    assert run.answer("work.1").outcome == "void:already_answered"
    assert run.say(BUYER, "resume").outcome == "void:task_held"
    assert run.say(CARRIER, "retry", task="work.1").outcome == "void:not_assigned"
    assert run.say(SUPPLIER, "retry", task="x").outcome == "void:not_held"
    run.at += 5000
    assert event(run.say(SUPPLIER, "retry", task="work.1"), "resumed")["moved_ms"] == 5000
    assert run.answer("work.1", attempt=2).applied
    assert run.ended == ("completed", "completed")


def test_a_held_branch_holds_what_the_others_would_do() -> None:
    branches = [m.Branch(id=name, start=name) for name in ("a", "b", "c")]
    fork = m.Parallel(id="fork", name="", threshold=3, branches=branches, next_steps=DONE)
    a, b, c = (activity(name, block=f"fork/{name}", hold_on_failure=name != "c") for name in ("a", "b", "c"))
    run = Flow(fork, a, b, c)
    run.failure("fork.1#a/a.1")
    assert types(run.answer("fork.1#c/c.1")) == ["answered", "deferred"]
    assert types(run.failure("fork.1#b/b.1")) == ["answered", "deferred"]
    assert types(run.say(BUYER, "retry", task="fork.1#a/a.1")) == [
        "retried",
        "resumed",
        "continued",
        "step_completed",
        "branch_ended",
        "held",
        "deferred",
    ]
    run.say(BUYER, "retry", task="fork.1#b/b.1")
    for name in ("fork.1#a/a.1", "fork.1#b/b.1"):
        run.answer(name, attempt=2)
    assert run.ended == ("completed", "completed")


def test_what_was_done_is_undone_in_reverse_order() -> None:
    run = trip()
    entry = run.failure("pay.1", "declined")
    assert event(entry, "compensating") == {"type": "compensating", "task": "car.1", "handler": "uncar.1"}
    assert run.state.tasks["uncar.1"].undoes == "car.1"
    assert run.answer("pay.1").outcome == "void:not_open"
    assert run.say(BUYER, "signal", name="x").outcome == "void:not_running"
    for name in ("uncar.1", "unhotel.1", "unflight.1"):
        assert run.open == [name]
        run.answer(name)
    assert run.ended == ("failed", "declined")


def test_a_handler_that_fails_is_recorded_and_the_next_one_runs() -> None:
    run = trip()
    run.failure("pay.1", "declined")
    assert event(run.failure("uncar.1", "gone"), "compensation_failed")["code"] == "gone"
    run.answer("unhotel.1", "cancelled")
    run.answer("unflight.1")
    assert run.ended == ("failed", "declined")


def test_cancelling_undoes_and_terminating_does_not() -> None:
    run = trip()
    assert run.say(CARRIER, "cancel", reason=HASH).outcome == "void:may_not_cancel"
    entry = run.say(BUYER, "cancel", reason=HASH)
    assert types(entry)[:3] == ["cancelling", "withdrawn", "closing"]
    assert run.say(BUYER, "cancel", reason=HASH).outcome == "void:already_closing"
    for name in ("uncar.1", "unhotel.1", "unflight.1"):
        run.answer(name)
    assert run.ended == ("cancelled", "cancelled")
    other = trip()
    other.say(BUYER, "terminate", reason=HASH)
    assert other.ended == ("terminated", "terminated")


def test_an_answer_that_cancels_undoes_too() -> None:
    run = trip()
    run.answer("pay.1", "cancelled")
    assert run.open == ["uncar.1"]
    run.say(BUYER, "terminate", reason=HASH)
    assert run.ended == ("terminated", "terminated")


def test_a_held_handler_waits() -> None:
    undo = activity("unwork", compensates=True, hold_on_failure=True)
    run = Flow(activity("work", compensate_with="unwork", next_steps=to("rest")), activity("rest"), undo)
    run.answer("work.1")
    run.failure("rest.1")
    run.failure("unwork.1")
    assert run.state.status == "suspended"
    run.say(SUPPLIER, "retry", task="unwork.1")
    assert run.state.tasks["unwork.1"].undoes == "work.1"
    run.answer("unwork.1", attempt=2)
    assert run.ended == ("failed", "broken")


def test_a_held_execution_can_be_cancelled() -> None:
    run = trip(hold_on_failure=True)
    run.failure("pay.1")
    assert run.state.status == "suspended"
    run.say(BUYER, "cancel", reason=HASH)
    assert (run.state.status, run.open) == ("running", ["uncar.1"])


def test_what_was_done_in_a_body_is_undone_too() -> None:
    body = activity("pay", block="lines", compensate_with="refund")
    lines = m.ForEach(id="lines", name="", assigned_org=BUYER, items="input.x", body="pay", next_steps=DONE)
    run = Flow(lines, body, activity("refund", compensates=True))
    run.answer("lines.1", outcome="2", data={"items": HASH})
    run.answer("lines.1#1/pay.1")
    run.failure("lines.1#0/pay.1")
    assert run.state.tasks["refund.1"].undoes == "lines.1#1/pay.1"
    run.answer("refund.1")
    assert run.ended == ("failed", "broken")


def test_backoff_stops_at_its_most() -> None:
    policy = m.RetryPolicy(initial_interval_seconds=10, max_interval_seconds=25, backoff_percent=200)
    assert [backoff_ms(policy, attempt) for attempt in (1, 2, 3, 4, 10**6)] == [10_000, 20_000, *[25_000] * 3]
    assert backoff_ms(m.RetryPolicy(max_interval_seconds=1, initial_interval_seconds=5), 1) == 1000
