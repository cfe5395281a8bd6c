"""Parallel and for-each: who runs, who wins, what becomes of the others."""

from __future__ import annotations

from typing import Any

import pytest

from support.flows import DONE, Flow, activity, event, to, types
from support.parties import BUYER, CARRIER, SUPPLIER
from tallystick.core.definition import model as m
from tallystick.core.engine import agenda, flow

HASH = "0" * 64


def parallel(threshold: int, *names: str, **facts: Any) -> list[m.Step]:
    """A parallel step with a branch of one activity for each name."""
    branches = [m.Branch(id=name, start=name) for name in names]
    facts.setdefault("next_steps", DONE)
    block = m.Parallel(id="fork", name="", branches=branches, threshold=threshold, **facts)
    return [block, *(activity(name, block=f"fork/{name}") for name in names)]


def each(body: list[m.Step], **facts: Any) -> list[m.Step]:
    """A for-each over the body, which begins with its first step."""
    facts.setdefault("next_steps", DONE)
    block = m.ForEach(id="lines", name="", assigned_org=BUYER, items="input.lines", body=body[0].id, **facts)
    return [block, *body]


def task(branch: str, step: str | None = None) -> str:
    return f"fork.1#{branch}/{step or branch}.1"


def pay(index: int) -> str:
    return f"lines.1#{index}/pay.1"


def counted(total: int, **facts: Any) -> Flow:
    """A for-each whose items have been counted."""
    run = Flow(*each([activity("pay", block="lines")], **facts))
    run.answer("lines.1", outcome=str(total), data={"items": HASH})
    return run


def test_all_branches_must_end() -> None:
    run = Flow(*parallel(3, "a", "b", "c"))
    assert run.open == [task("a"), task("b"), task("c")]
    run.answer(task("b"))
    run.answer(task("a"))
    assert run.open == [task("c")]
    assert types(run.answer(task("c"))) == [
        "answered",
        "step_completed",
        "branch_ended",
        "block_ended",
        "step_completed",
        "step_entered",
        "closed",
    ]


def test_the_first_branch_wins_and_the_others_are_withdrawn() -> None:
    run = Flow(*parallel(1, "a", "b", "c", next_steps=to("after")), activity("after", timeout_seconds=9))
    entry = run.answer(task("b"))
    assert event(entry, "withdrawn")["tasks"] == [task("a"), task("c")]
    assert run.open == ["after.1"]
    assert run.state.frames.keys() == {""}
    assert run.answer(task("a")).outcome == "void:not_open"
    assert run.answer(task("b")).outcome == "void:not_open"
    assert run.answer("fork.2#a/a.1").outcome == "void:unknown_task"
    assert run.answer("fork.1#a/").outcome == "void:unknown_task"


def test_a_threshold_of_branches() -> None:
    run = Flow(*parallel(2, "a", "b", "c"))
    run.failure(task("a"))
    run.answer(task("c"))
    assert run.state.status == "running"
    run.answer(task("b"))
    assert run.ended == ("completed", "completed")


def test_a_block_fails_when_its_threshold_is_out_of_reach() -> None:
    run = Flow(*parallel(2, "a", "b", "c", catches=[m.Catch(step="mend", code="worse")]), activity("mend"))
    run.failure(task("a"))
    entry = run.failure(task("c"), "worse")
    assert event(entry, "withdrawn")["tasks"] == [task("b")]
    assert event(entry, "caught") == {"type": "caught", "task": "fork.1", "code": "worse", "step": "mend"}
    assert run.open == ["mend.1"]


def test_failure_goes_outwards_through_every_level() -> None:
    inner = m.Parallel(
        id="inner", name="", block="fork/a", branches=[m.Branch(id="x", start="x")], threshold=1, next_steps=[]
    )
    steps = parallel(2, "a", "b")
    steps[0] = m.Parallel(
        id="fork",
        name="",
        threshold=2,
        branches=[m.Branch(id="a", start="inner"), m.Branch(id="b", start="b")],
        next_steps=DONE,
    )
    run = Flow(*steps, inner, activity("x", block="inner/x"))
    entry = run.failure("fork.1#a/inner.1#x/x.1", "lost")
    assert [one["task"] for one in entry.events if one["type"] == "failed"] == [
        "fork.1#a/inner.1#x/x.1",
        "fork.1#a/inner.1",
        "fork.1",
    ]
    assert run.ended == ("failed", "lost")
    assert not run.state.tasks


def test_steps_of_a_branch_follow_each_other() -> None:
    steps = parallel(1, "a")
    steps[1] = activity("a", block="fork/a", next_steps=to("b"))
    run = Flow(*steps, activity("b", block="fork/a"))
    run.answer(task("a"))
    assert run.open == [task("a", "b")]
    run.answer(task("a", "b"))
    assert run.ended == ("completed", "completed")


def test_any_branch_may_be_a_timer_or_a_wait() -> None:
    block = m.Parallel(
        id="fork",
        name="",
        threshold=1,
        next_steps=DONE,
        branches=[m.Branch(id="a", start="late"), m.Branch(id="b", start="hold"), m.Branch(id="c", start="c")],
    )
    late = m.Timer(id="late", name="", block="fork/a", duration_seconds=9)
    hold = m.Wait(id="hold", name="", block="fork/b", event_name="go")
    steps = [block, late, hold, activity("c", block="fork/c", timeout_seconds=99)]
    run = Flow(*steps)
    run.say(CARRIER, "signal", name="go")
    assert run.ended == ("completed", "completed")
    other = Flow(*steps)
    entry = other.fire(f"{task('a', 'late')}/delay")
    assert event(entry, "withdrawn")["tasks"] == [task("b", "hold"), task("c")]
    assert (other.state.timers, other.state.waits) == ({}, {})


def test_one_signal_ends_the_oldest_wait_only() -> None:
    branches = [m.Branch(id=name, start=name) for name in ("a", "b")]
    block = m.Parallel(id="fork", name="", threshold=2, next_steps=DONE, branches=branches)
    waits = [
        m.Wait(id="a", name="", block="fork/a", event_name="go", senders=[CARRIER]),
        m.Wait(id="b", name="", block="fork/b", event_name="go"),
    ]
    run = Flow(block, *waits)
    assert event(run.say(SUPPLIER, "signal", name="go"), "signalled")["task"] == task("b")
    assert event(run.say(CARRIER, "signal", name="go"), "signalled")["task"] == task("a")
    assert run.ended == ("completed", "completed")


@pytest.mark.parametrize("count", ["-1", "10001", "01", "1e3", "３", "", None])
def test_a_for_each_says_how_many_items_there_are(count: str | None) -> None:
    run = Flow(*each([activity("pay", block="lines")]))
    assert run.answer("lines.1", outcome=count, data={"items": HASH}).outcome == "void:bad_count"
    assert run.answer("lines.1", outcome="2").outcome == "void:other_outputs"


def test_bodies_run_as_many_at_once_as_are_allowed() -> None:
    run = counted(5, max_concurrency=2)
    assert run.open == [pay(0), pay(1)]
    run.answer(pay(1))
    assert run.open == [pay(0), pay(2)]
    assert run.answer(pay(1)).outcome == "void:not_open"
    assert run.answer(pay(4)).outcome == "void:unknown_task"
    for index in (0, 2, 3, 4):
        run.answer(pay(index))
    assert run.ended == ("completed", "completed")
    assert run.state.done["pay"].task == pay(4)


def test_a_for_each_of_nothing_is_over_at_once() -> None:
    assert counted(0).ended == ("completed", "completed")


def test_one_failed_body_fails_the_for_each() -> None:
    run = counted(3)
    entry = run.failure(pay(1), "lost")
    assert event(entry, "withdrawn")["tasks"] == [pay(0), pay(2)]
    assert run.ended == ("failed", "lost")


def test_thousands_of_bodies_begin_over_several_entries() -> None:
    run = counted(10_000, max_concurrency=1000)
    while "/continue" in run.state.timers:
        assert len(run.entries[-1].events) < agenda.MAX_EVENTS + 10
        run.fire("/continue")
    assert len(run.state.tasks) == flow.MAX_FRAMES
    for index in range(3):
        run.answer(pay(index))
    assert len(run.state.tasks) == len(run.state.frames) - 1 == flow.MAX_FRAMES
    run.say(BUYER, "terminate", reason=HASH)
    assert run.ended == ("terminated", "terminated")


def test_for_each_in_for_each() -> None:
    inner = m.ForEach(id="parts", name="", assigned_org=BUYER, items="item", body="pay", block="lines")
    run = Flow(*each([inner, activity("pay", block="parts")]))
    run.answer("lines.1", outcome="2", data={"items": HASH})
    for index in (0, 1):
        run.answer(f"lines.1#{index}/parts.1", outcome="2", data={"items": HASH})
    assert len(run.open) == 4
    for name in run.open:
        run.answer(name)
    assert run.ended == ("completed", "completed")


def test_a_step_may_be_visited_again() -> None:
    routes = [m.Route(step="fork", outcome="again"), m.Route(step="finalize_collaboration")]
    choice = m.Decision(id="choice", name="", assigned_org=BUYER, expression="1", next_steps=routes)
    run = Flow(*parallel(2, "a", "b", next_steps=to("choice")), choice)
    for name in run.open:
        run.answer(name)
    run.answer("choice.1", outcome="again")
    assert run.open == ["fork.2#a/a.1", "fork.2#b/b.1"]
    assert run.answer(task("a")).outcome == "void:not_open"
