"""Any definition, any statements: total, the same everywhere, bounded, and consistent after every entry."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from support.flows import EXECUTION, Flow
from support.parties import BUYER, new_key, rotation
from support.rerun import replayed
from support.wild import BODIES, ORGS, flows
from tallystick.core.definition import model as m
from tallystick.core.engine import keyring
from tallystick.core.engine.agenda import MAX_EVENTS
from tallystick.core.engine.evolve import evolve
from tallystick.core.engine.names import block_of, frame_of, step_of
from tallystick.core.engine.state import OPEN, Key, initial

HASH = "0" * 64
FIRST = Key(org="")
CHILD = {"execution": "c" * 64, "term": 0, "size": 1, "root": HASH, "status": "completed"}


class Machine(RuleBasedStateMachine):
    """An execution that staff work on, and that others trouble."""

    kept: list[dict[str, Any]] | None = None

    @initialize(steps=flows())
    def begin(self, steps: list[m.Step]) -> None:
        self.run = Flow(*steps)
        self.said: list[tuple[str, str, dict[str, Any], int, str]] = []
        self.answers: set[tuple[str, int]] = set()

    def say(self, org: str, kind: str, *, by: str = "", **body: Any) -> None:
        reason = keyring.fault(self.run.state, by, self.run.state.size)
        entry = self.run.say(org, kind, by=by, **body)
        self.said.append((org, kind, body, self.run.at, by))
        assert not (reason and entry.applied), "a key that has gone speaks"
        if kind == "result" and entry.applied:
            place = (body["task"], body["attempt"])
            assert place not in self.answers, "two answers applied to one attempt"
            self.answers.add(place)

    def tasks(self, *statuses: str) -> list[str]:
        return [name for name, one in self.run.state.tasks.items() if one.status in statuses]

    @precondition(lambda self: self.tasks("open"))
    @rule(data=st.data())
    def complete(self, data: st.DataObject) -> None:
        self.answer(data, "completed")

    @precondition(lambda self: self.tasks("open"))
    @rule(data=st.data())
    def go_on(self, data: st.DataObject) -> None:
        self.answer(data, "completed")

    @precondition(lambda self: self.tasks("open"))
    @rule(data=st.data(), status=st.sampled_from(["failed"] * 9 + ["cancelled"]))
    def fail(self, data: st.DataObject, status: str) -> None:
        self.answer(data, status)

    def answer(self, data: st.DataObject, status: str) -> None:
        names = self.tasks("open")
        name = data.draw(st.sampled_from(names))
        task = self.run.state.tasks[name]
        body: dict[str, Any] = {"task": name, "attempt": task.attempt, "status": status}
        if status == "failed":
            body["error"] = {"code": data.draw(st.sampled_from(["lost", "broken"]))}
        elif status == "completed":
            body |= self.content(data, name)
        self.say(task.org, "result", **body)
        if data.draw(st.integers(0, 5)) == 0:
            self.say(task.org, "result", **body)

    def content(self, data: st.DataObject, name: str) -> dict[str, Any]:
        step = self.run.agreement.compiled.steps[step_of(name)]
        match step:
            case m.Decision(table=table):
                outcome = data.draw(st.sampled_from(["again", "other"]))
                return {"outcome": outcome, "data": {"a": HASH} if table else {}}
            case m.ForEach():
                return {"outcome": data.draw(st.sampled_from(["0", "1", "3", "300"])), "data": {"items": HASH}}
            case m.SubWorkflow():
                return {"child": CHILD}
            case m.DataExchange():
                return {"sealed": [HASH]}
            case m.UserTask():
                return {"data": {"a": HASH}}
        return {}

    @precondition(lambda self: self.tasks("delivering"))
    @rule(data=st.data())
    def receive(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self.tasks("delivering")))
        task = self.run.state.tasks[name]
        place: dict[str, Any] = {"task": name, "attempt": task.attempt}
        kind = "received" if task.sealed else "acknowledge"
        if task.waiting:
            self.say(task.waiting[0], kind, **place | ({"sealed": list(task.sealed)} if task.sealed else {}))

    @precondition(lambda self: self.run.state.timers)
    @rule(data=st.data(), early=st.integers(0, 5))
    def fire(self, data: st.DataObject, early: int) -> None:
        timers = self.run.state.timers
        name = data.draw(st.sampled_from(sorted(timers)))
        self.run.at = max(self.run.at, timers[name].due_at - (early == 0))
        self.say(BUYER, "timer", timer=name)

    @precondition(lambda self: self.run.state.wanted)
    @rule(data=st.data())
    def schedule(self, data: st.DataObject) -> None:
        wanted = self.run.state.wanted
        name = data.draw(st.sampled_from(sorted(wanted)))
        due_at = self.run.at + data.draw(st.integers(-1, 100_000))
        self.say(wanted[name].by, "schedule", timer=name, due_at=due_at)

    @precondition(lambda self: self.run.agreement.waits)
    @rule(org=st.sampled_from(ORGS), name=st.sampled_from(["go", "stop", "other"]))
    def signal(self, org: str, name: str) -> None:
        self.say(org, "signal", name=name, data={"x": HASH})

    @precondition(lambda self: self.run.state.status == "running" and len(self.said) % 4 == 3)
    @rule(passed=st.integers(0, 100_000))
    def suspend(self, passed: int) -> None:
        self.say(BUYER, "suspend", reason=HASH)
        self.run.at += passed

    @precondition(lambda self: self.run.state.status == "suspended")
    @rule()
    def resume(self) -> None:
        self.say(BUYER, "resume")

    @precondition(lambda self: self.tasks("held"))
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        self.say(BUYER, "retry", task=data.draw(st.sampled_from(self.tasks("held"))))

    @precondition(lambda self: len(self.said) % 3 == 1)
    @rule(org=st.sampled_from(ORGS), serial=st.integers(0, 6), overlap=st.integers(0, 6))
    def rotate(self, org: str, serial: int, overlap: int) -> None:
        self.say(org, "rotate_key", **rotation(new_key(org, serial), serial, overlap))

    @precondition(lambda self: self.run.state.keys)
    @rule(data=st.data())
    def revoke(self, data: st.DataObject) -> None:
        kid = data.draw(st.sampled_from(sorted(self.run.state.keys)))
        self.say(self.run.state.keys[kid].org, "revoke_key", kid=kid, reason="compromised")

    @precondition(lambda self: self.run.state.keys)
    @rule(data=st.data())
    def speak_with_any_key(self, data: st.DataObject) -> None:
        kid = data.draw(st.sampled_from(sorted(self.run.state.keys)))
        self.say(self.run.state.keys[kid].org, "signal", by=kid, name="go", data={"x": HASH})

    @precondition(lambda self: len(self.said) > 12 and len(self.said) % 5 == 4)
    @rule(kind=st.sampled_from(["cancel", "terminate"]))
    def steer(self, kind: str) -> None:
        self.say(BUYER, kind, reason=HASH)

    @precondition(lambda self: len(self.said) % 3 == 2 or not self.run.state.tasks)
    @rule(data=st.data(), org=st.sampled_from([*ORGS, "mallory"]), kind=st.sampled_from(sorted(BODIES)))
    def trouble(self, data: st.DataObject, org: str, kind: str) -> None:
        if kind not in {"cancel", "terminate"} or org != BUYER:
            self.say(org, kind, **data.draw(BODIES[kind]))

    @invariant()
    def consistent(self) -> None:
        if not hasattr(self, "run"):
            return
        state, steps = self.run.state, self.run.agreement.compiled.steps
        if state.status not in OPEN:
            left = (state.tasks, state.timers, state.wanted, state.blocks, state.frames, state.deferred)
            assert not any(left)
        assert len(self.run.entries[-1].events) < MAX_EVENTS + 100
        for name, task in state.tasks.items():
            assert frame_of(name) in state.frames, "an open task stands in an open frame"
            assert step_of(name) == task.step
            assert task.step in steps
        for frame in state.frames:
            assert not frame or block_of(frame) in state.blocks
        for name, timer in state.timers.items():
            assert not timer.task or name in state.tasks[timer.task].timers
        for name, wanted in state.wanted.items():
            assert name in state.tasks[wanted.task].timers
        for names in state.waits.values():
            assert all(state.tasks[name].status == "waiting" for name in names)
        assert (state.suspended_at is not None) == (state.status == "suspended")
        assert state.deferred == () or state.status == "suspended" or "/continue" in state.timers
        assert not self.tasks("completed", "failed", "cancelled") or state.deferred
        if state.status == "running" and not state.deferred:
            assert state.tasks, "what runs waits for somebody"

    @invariant()
    def somebody_speaks(self) -> None:
        if hasattr(self, "run"):
            for org in ORGS:
                keys = keyring.speaking(self.run.agreement, self.run.state, org)
                assert keys, "an organisation that no key speaks for"
                assert self.run.state.keys.get(keys[-1].kid, FIRST).until is None, "the newest key is on its way out"

    @invariant()
    def bounded(self) -> None:
        if hasattr(self, "run"):
            state = self.run.state
            bare = msgspec.structs.replace(state, tasks={}, undo=(), timers={}, wanted={}, blocks={}, frames={})
            assert len(msgspec.json.encode(bare)) < 60_000

    def teardown(self) -> None:
        if not hasattr(self, "run"):
            return
        state = initial(EXECUTION)
        for entry in self.run.entries:
            state = evolve(state, entry)
        assert state == self.run.state
        again = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=type(state))
        assert again == state, "what is kept is what was"
        if self.kept is not None and len(self.kept) < 40:
            self.kept.append({"definition": self.run.agreement.definition, "said": self.said})


TestMachine = Machine.TestCase
QUICK = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)
TestMachine.settings = QUICK


def test_another_process_comes_to_the_same_bytes(tmp_path: Path) -> None:
    kept: list[dict[str, Any]] = []
    sample = type("Sample", (Machine,), {"kept": kept})
    run_state_machine_as_test(sample, settings=settings(QUICK, max_examples=25, database=None))
    path = tmp_path / "cases.json"
    path.write_text(json.dumps(kept))
    here = replayed(path)
    script = Path(replayed.__code__.co_filename)
    for seed, language in (("1", "C"), ("77", "tr_TR.UTF-8")):
        surroundings = {**os.environ, "PYTHONHASHSEED": seed, "LC_ALL": language, "TZ": "Asia/Kathmandu"}
        found = subprocess.run(
            [sys.executable, str(script), str(path)], env=surroundings, capture_output=True, text=True, check=True
        )
        assert found.stdout.strip() == here
