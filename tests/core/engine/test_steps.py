"""Each kind of step: what its task is, what answers it, what follows."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from support.flows import DONE, Flow, activity, event, to, types
from support.parties import BUYER, CARRIER, NOON, SUPPLIER
from tallystick.core.definition import model as m

HASH = "0" * 64
SEALED = ["ab" * 32]


def decision(**facts: Any) -> m.Decision:
    routes = [m.Route(step="a", outcome="yes"), m.Route(step="b", outcome="no")]
    return m.Decision(id="choice", name="", assigned_org=SUPPLIER, next_steps=routes, **facts)


def test_an_activity_is_assigned_answered_and_left() -> None:
    flow = Flow(activity("work", timeout_seconds=100, reminder_seconds=[50]))
    assert flow.open == ["work.1"]
    assert sorted(flow.state.timers) == ["work.1/1/reminder1", "work.1/1/timeout"]
    entry = flow.answer("work.1", data={"x": HASH})
    assert types(entry) == ["answered", "step_completed", "step_entered", "closed"]
    assert flow.ended == ("completed", "completed")
    assert (flow.state.tasks, flow.state.timers, flow.state.frames) == ({}, {}, {})
    assert flow.state.done["work"].task == "work.1"


def test_a_form_is_complete_and_names_nothing_else() -> None:
    form = [m.Field(id="weight", name="", required=True), m.Field(id="note", name="")]
    flow = Flow(m.UserTask(id="ask", name="", assigned_org=CARRIER, form=form, next_steps=DONE))
    assert flow.answer("ask.1").outcome == "void:missing_property"
    assert flow.answer("ask.1", data={"weight": HASH, "x": HASH}).outcome == "void:unknown_property"
    assert flow.answer("ask.1", data={"weight": HASH}, outcome="x").outcome == "void:outcome_not_allowed"
    assert flow.answer("ask.1", data={"weight": HASH}).applied


def test_a_decision_takes_the_route_of_its_outcome() -> None:
    flow = Flow(decision(expression="true"), activity("a"), activity("b"))
    assert flow.answer("choice.1", outcome="maybe").outcome == "void:no_route"
    assert flow.answer("choice.1").outcome == "void:no_route"
    assert flow.answer("choice.1", "failed", outcome="yes").outcome == "void:outcome_not_allowed"
    assert flow.answer("choice.1", outcome="no").applied
    assert flow.open == ["b.1"]
    assert flow.state.done["choice"].outcome == "no"


def test_a_table_answers_with_its_outputs() -> None:
    table = m.Table(columns=["input.x"], outputs=["level", "days"], rows=[], default=["yes", 3])
    flow = Flow(decision(table=table), activity("a"), activity("b"))
    assert flow.answer("choice.1", outcome="yes", data={"level": HASH}).outcome == "void:other_outputs"
    assert flow.answer("choice.1", outcome="yes", data={"level": HASH, "days": HASH}).applied
    assert flow.open == ["a.1"]


def test_data_is_done_when_it_has_been_received() -> None:
    step = m.DataExchange(id="send", name="", assigned_org=BUYER, targets=[SUPPLIER, CARRIER, BUYER], next_steps=DONE)
    flow = Flow(step)
    assert flow.answer("send.1").outcome == "void:nothing_sealed"
    assert event(flow.answer("send.1", sealed=SEALED), "delivering")["waiting"] == [SUPPLIER, CARRIER]
    assert flow.answer("send.1", sealed=SEALED).outcome == "void:already_answered"
    receipt: dict[str, Any] = {"task": "send.1", "attempt": 1, "sealed": SEALED}
    assert flow.say(SUPPLIER, "received", **receipt).applied
    assert flow.say(SUPPLIER, "received", **receipt).outcome == "void:not_expected"
    assert flow.say(CARRIER, "received", **{**receipt, "sealed": ["cd" * 32]}).outcome == "void:other_data"
    assert types(flow.say(CARRIER, "received", **receipt))[:3] == ["received", "answered", "step_completed"]
    assert flow.say(CARRIER, "received", **receipt).outcome == "void:closed"


@pytest.mark.parametrize("asks", [True, False])
def test_a_notification_waits_for_those_it_asks(asks: bool) -> None:
    facts: dict[str, Any] = {"message": "hello", "requires_acknowledgment": asks, "targets": [SUPPLIER]}
    flow = Flow(m.Notification(id="tell", name="", assigned_org=BUYER, next_steps=DONE, **facts))
    assert event(flow.answer("tell.1"), "notified")["targets"] == [SUPPLIER]
    if asks:
        assert flow.say(SUPPLIER, "acknowledge", task="tell.1", attempt=2).outcome == "void:wrong_attempt"
        assert flow.say(SUPPLIER, "acknowledge", task="tell.1", attempt=1).applied
    assert flow.ended == ("completed", "completed")


@pytest.mark.parametrize(
    ("facts", "due"), [({"duration_seconds": 60}, NOON + 60_000), ({"until": NOON + 5}, NOON + 5), ({"until": 1}, 1)]
)
def test_a_timer_fires_when_it_is_due_or_late(facts: dict[str, int], due: int) -> None:
    flow = Flow(m.Timer(id="pause", name="", next_steps=DONE, **facts))  # type: ignore[arg-type]
    [(name, timer)] = flow.state.timers.items()
    assert (timer.due_at, flow.state.tasks["pause.1"].due_at) == (due, due)
    if due > NOON:
        assert flow.say(BUYER, "timer", timer=name).outcome == "void:not_due"
    flow.fire(name)
    assert flow.ended == ("completed", "completed")


def test_what_is_due_by_cron_the_coordinator_states() -> None:
    flow = Flow(m.Timer(id="night", name="", cron="0 2 * * *", time_zone="Asia/Shanghai", next_steps=DONE))
    wanted = event(flow.entries[-1], "timer_wanted")
    assert (wanted["by"], wanted["cron"], wanted["time_zone"]) == (BUYER, "0 2 * * *", "Asia/Shanghai")
    timer = wanted["timer"]
    assert flow.say(SUPPLIER, "schedule", timer=timer, due_at=NOON + 9).outcome == "void:not_assigned"
    assert flow.say(BUYER, "schedule", timer="x", due_at=NOON + 9).outcome == "void:unknown_timer"
    for due_at in (NOON - 1, NOON + 2 * m.TEN_YEARS * 1000):
        assert flow.say(BUYER, "schedule", timer=timer, due_at=due_at).outcome == "void:bad_due_time"
    flow.at += 20
    assert flow.say(BUYER, "schedule", timer=timer, due_at=NOON + 9).applied
    assert flow.say(BUYER, "schedule", timer=timer, due_at=NOON + 10).outcome == "void:already_scheduled"
    flow.fire(timer)
    assert flow.ended == ("completed", "completed")


def test_a_due_date_is_stated_by_who_has_the_task_and_changes_nothing_when_it_passes() -> None:
    flow = Flow(m.UserTask(id="ask", name="", assigned_org=CARRIER, due_date="60", next_steps=DONE))
    assert flow.say(BUYER, "schedule", timer="ask.1/1/due", due_at=NOON + 9).outcome == "void:not_assigned"
    flow.say(CARRIER, "schedule", timer="ask.1/1/due", due_at=NOON + 60_000)
    assert flow.state.tasks["ask.1"].due_at == NOON + 60_000
    assert event(flow.fire("ask.1/1/due"), "overdue")["orgs"] == [CARRIER]
    assert flow.answer("ask.1").applied


def test_a_wait_is_ended_by_a_signal_of_its_name() -> None:
    flow = Flow(m.Wait(id="hold", name="", event_name="go", senders=[CARRIER], next_steps=DONE))
    assert flow.say(SUPPLIER, "signal", name="go").outcome == "void:not_a_sender"
    assert event(flow.say(SUPPLIER, "signal", name="other"), "signalled")["buffered"] is False
    assert flow.say(CARRIER, "signal", name="not a name").outcome == "void:bad_name"
    assert event(flow.say(CARRIER, "signal", name="go", data={"x": HASH}), "signalled")["task"] == "hold.1"
    assert flow.ended == ("completed", "completed")


def test_a_signal_that_comes_early_is_kept() -> None:
    wait = m.Wait(id="hold", name="", event_name="go", senders=[CARRIER], next_steps=to("again"))
    other = m.Wait(id="again", name="", event_name="go", next_steps=DONE)
    flow = Flow(activity("work", next_steps=to("hold")), wait, other)
    for _ in range(99):
        assert event(flow.say(BUYER, "signal", name="go"), "signalled")["buffered"]
    assert flow.say(CARRIER, "signal", name="go").applied
    assert flow.say(CARRIER, "signal", name="go").outcome == "void:too_many_signals"
    entry = flow.answer("work.1")
    assert [one["by"] for one in entry.events if one["type"] == "signal_taken"] == [CARRIER, BUYER]
    assert flow.ended == ("completed", "completed")


def test_a_wait_that_takes_too_long_fails_and_is_caught() -> None:
    wait = m.Wait(
        id="hold",
        name="",
        event_name="go",
        timeout_seconds=10,
        next_steps=DONE,
        catches=[m.Catch(step="late", code="timed_out")],
    )
    flow = Flow(wait, activity("late"))
    assert types(flow.fire("hold.1/timeout"))[1:3] == ["timed_out", "caught"]
    assert (flow.open, flow.state.waits) == (["late.1"], {})
    assert event(flow.say(BUYER, "signal", name="go"), "signalled")["buffered"], "too late for the wait"


def test_a_sub_workflow_is_over_with_its_childs_closing_head() -> None:
    flow = Flow(m.SubWorkflow(id="sub", name="", assigned_org=SUPPLIER, definition="child", next_steps=DONE))
    child = {"execution": "c" * 64, "term": 0, "size": 9, "root": HASH, "status": "completed"}
    assert flow.answer("sub.1").outcome == "void:no_child"
    assert flow.answer("sub.1", child={**child, "status": "failed"}).outcome == "void:child_not_completed"
    assert flow.answer("sub.1", child=child, outcome="x").outcome == "void:outcome_not_allowed"
    assert flow.answer("sub.1", child=child).applied
    other = Flow(activity("work"))
    assert other.answer("work.1", child=child).outcome == "void:child_not_allowed"


def test_a_childs_failure_is_the_steps() -> None:
    flow = Flow(m.SubWorkflow(id="sub", name="", assigned_org=SUPPLIER, definition="child", next_steps=DONE))
    child = {"execution": "c" * 64, "term": 0, "size": 9, "root": HASH, "status": "failed"}
    flow.answer("sub.1", "failed", child=child, error={"code": "child_failed"})
    assert flow.ended == ("failed", "child_failed")


def test_a_state_does_not_grow_with_what_is_over() -> None:
    """Two steps that lead to each other, round and round."""
    limits = msgspec.structs.replace(Flow(activity("a")).agreement.limits, max_entries=10_000)
    flow = Flow(activity("a", timeout_seconds=60, next_steps=to("b")), activity("b", next_steps=to("a")), limits=limits)
    sizes = []
    for _ in range(2000):
        [name] = flow.open
        flow.answer(name)
        sizes.append(len(msgspec.msgpack.encode(flow.state)))
    assert sizes[-1] < sizes[9] + 40, "numbers have more digits, and that is all"
