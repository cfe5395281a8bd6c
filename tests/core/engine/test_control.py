"""Steering an execution: suspend, resume, cancel, terminate, and who may."""

from __future__ import annotations

import msgspec
import pytest

from support.flows import EXECUTION, Flow, activity, event, statement, to, types
from support.parties import BUYER, CARRIER, NOON, SUPPLIER, Parties
from tallystick.core.definition import model as m
from tallystick.core.engine.decide import HANDLERS, decide
from tallystick.core.engine.draft import Draft
from tallystick.core.engine.evolve import apply, evolve
from tallystick.core.engine.state import initial
from tallystick.core.entry import Entry
from tallystick.core.statement import KINDS

HASH = "0" * 64


def two() -> Flow:
    return Flow(activity("work", timeout_seconds=100, next_steps=to("next")), activity("next"))


def test_every_kind_has_a_handler() -> None:
    assert HANDLERS.keys() == KINDS.keys()


def test_while_suspended_answers_are_taken_in_and_nothing_follows() -> None:
    run = two()
    assert run.say(SUPPLIER, "suspend", reason=HASH).outcome == "void:may_not_suspend"
    assert run.say(BUYER, "suspend", reason=HASH).applied
    assert run.say(BUYER, "suspend", reason=HASH).outcome == "void:already_suspended"
    assert run.state.status == "suspended"
    assert types(run.answer("work.1")) == ["answered", "deferred"]
    assert run.answer("work.1").outcome == "void:already_answered"
    assert run.say(CARRIER, "resume").outcome == "void:may_not_resume"
    assert types(run.say(BUYER, "resume")) == ["resumed", "continued", "step_completed", "step_entered", "assigned"]
    assert run.say(BUYER, "resume").outcome == "void:not_suspended"
    assert run.open == ["next.1"]


def test_timers_run_later_by_the_time_of_the_suspension() -> None:
    branches = [m.Branch(id="a", start="a"), m.Branch(id="b", start="b")]
    fork = m.Parallel(id="fork", name="", threshold=2, branches=branches, next_steps=to("finalize_collaboration"))
    until = m.Timer(id="b", name="", until=NOON + 500_000, block="fork/b")
    run = Flow(fork, activity("a", block="fork/a", timeout_seconds=100), until)
    run.at += 60_000
    run.say(BUYER, "suspend", reason=HASH)
    run.at += 100_000
    assert run.say(BUYER, "timer", timer="fork.1#a/a.1/1/timeout").outcome == "void:suspended"
    assert event(run.say(BUYER, "resume"), "resumed")["moved_ms"] == 100_000
    assert run.state.timers["fork.1#a/a.1/1/timeout"].due_at == NOON + 200_000
    assert run.state.tasks["fork.1#a/a.1"].due_at == NOON + 200_000
    assert run.state.timers["fork.1#b/b.1/due"].due_at == NOON + 500_000, "an instant stays where it is"


def test_what_is_to_be_scheduled_waits_for_the_resume() -> None:
    run = Flow(m.Timer(id="night", name="", cron="0 2 * * *", next_steps=to("finalize_collaboration")))
    run.say(BUYER, "suspend", reason=HASH)
    assert run.say(BUYER, "schedule", timer="night.1/due", due_at=NOON).outcome == "void:suspended"


def test_a_signal_that_comes_while_suspended_is_not_lost() -> None:
    run = Flow(m.Wait(id="hold", name="", event_name="go", next_steps=to("next")), activity("next"))
    run.say(BUYER, "suspend", reason=HASH)
    assert event(run.say(CARRIER, "signal", name="go"), "signalled")["task"] == "hold.1"
    assert run.say(CARRIER, "signal", name="go").applied
    run.say(BUYER, "resume")
    assert (run.open, run.state.signals) == (["next.1"], {"go": (CARRIER,)})


def test_a_held_task_in_a_suspended_execution_stays_until_both_are_let_go() -> None:
    run = Flow(activity("work", hold_on_failure=True))
    run.failure("work.1")
    assert run.say(BUYER, "suspend", reason=HASH).applied
    assert types(run.say(SUPPLIER, "retry", task="work.1")) == ["retried", "deferred"]
    assert run.state.status == "suspended"
    assert types(run.say(BUYER, "resume"))[-1] == "assigned"


@pytest.mark.parametrize("kind", ["suspend", "cancel"])
def test_before_the_start(kind: str) -> None:
    run = Flow(activity("work"), begin=False)
    run.say(BUYER, "propose", nonce="")
    assert run.say(BUYER, "signal", name="x").outcome == "void:not_running"
    entry = run.say(BUYER, kind, reason=HASH)
    if kind == "suspend":
        assert entry.outcome == "void:not_running"
        assert run.say(BUYER, "resume").outcome == "void:not_suspended"
        assert run.say(BUYER, "retry", task="work.1").outcome == "void:not_held"
        assert run.say(BUYER, "received", task="work.1", attempt=1, sealed=[]).outcome == "void:not_running"
    else:
        assert run.ended == ("cancelled", "cancelled")


def test_a_suspended_execution_can_be_terminated() -> None:
    run = two()
    run.say(BUYER, "suspend", reason=HASH)
    run.answer("work.1")
    run.say(BUYER, "terminate", reason=HASH)
    assert (run.ended, run.state.deferred) == (("terminated", "terminated"), ())


@pytest.mark.parametrize(
    "name", ["", ".", "work", "work.0", "work.2", "work.01", "work.٣", "x.1", "/", "#/x.1", "work.1#0/x.1", "a/" * 900]
)
def test_answers_to_what_never_was(name: str) -> None:
    assert two().answer(name).outcome == "void:unknown_task"


def test_an_unsigned_world_changes_nothing() -> None:
    """An entry with events that no ``decide`` makes leaves all but size and time as it was."""
    run = two()
    for wrong in ({"type": "answered"}, {"type": "timer_fired", "timer": 1}, {"type": "branch_ended", "block": "x"}):
        entry = Entry(
            v=1,
            execution=EXECUTION,
            term=0,
            seq=run.state.size,
            at=run.at,
            statement_id="",
            outcome="applied",
            events=[{"type": "signalled", "name": "x", "by": BUYER, "task": None, "buffered": True}, wrong],
        )
        assert evolve(run.state, entry) == msgspec.structs.replace(run.state, size=run.state.size + 1)


def test_unknown_events_are_no_events() -> None:
    draft = Draft(initial(EXECUTION), NOON)
    apply(draft, {"type": "unheard_of"})
    apply(draft, {})
    assert draft.state == initial(EXECUTION)


def test_strangers_are_void() -> None:
    agreement = Parties().agreement
    said = statement("mallory", "propose", {"nonce": ""})
    assert decide(agreement, initial(EXECUTION), said, NOON).outcome == "void:not_a_participant"
