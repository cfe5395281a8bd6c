"""The engine's frozen outcomes: what each statement led to, for every kind of step and of statement.

``tests/core/vectors/engine.json`` was written once, by ``python -m support.engine_vectors --write`` in ``tests``.
Entries in signed logs mean what the engine said when they were made: the file changes only with the engine's version.

A case is an agreement and the entries of one execution. An entry is what was said and when, and what followed from it:
outcome, events, and the hash of the state. Probes are statements that are asked of a state on the way and not taken.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from node.definitions.test_simulate import PRODUCTION, SAFETY, THRESHOLDS
from support.examples import NAMES as EXAMPLES
from support.examples import example
from support.flows import DONE, EXECUTION, Flow, activity, to
from support.parties import BUYER, CARRIER, NAMES, NOON, SUPPLIER, new_key, root_of, rotation
from tallystick.core import canonical
from tallystick.core.agreement import VERSIONS, Agreement, Anchoring
from tallystick.core.definition import model as m
from tallystick.core.definition.compile import compile_typed
from tallystick.core.engine.decide import decide
from tallystick.core.engine.evolve import evolve
from tallystick.core.engine.names import step_of
from tallystick.core.engine.state import State, initial
from tallystick.core.entry import Entry
from tallystick.core.errors import Invalid
from tallystick.core.policy import DIRECT
from tallystick.core.statement import KINDS, Statement
from tallystick.node.definitions import simulate as simulating
from tallystick.node.definitions.log import Log
from tallystick.node.definitions.script import Script

PATH = Path(__file__).parents[1] / "core" / "vectors" / "engine.json"
HASH = "0" * 64
PLACES, PROBES = 6, 5  # of one case; at one place
Said = dict[str, Any]  # iss, kind, kid, body, at
Case = dict[str, Any]


def statement(said: Said, number: int) -> Statement:
    """What was said, as the engine reads it; its id says its place."""
    return Statement(
        id=f"{number:064x}",
        kid=said["kid"],
        iss=said["iss"],
        aud=HASH,
        kind=said["kind"],
        execution=EXECUTION,
        basis=None,
        iat=said["at"],
        body=msgspec.convert(said["body"], KINDS[said["kind"]]),
    )


def state_hash(state: State) -> str:
    """SHA-256 over the canonical form of all that the state holds; what came later counts once it is used."""
    found = msgspec.to_builtins(state)
    if found["unanchored"] is None:
        del found["unanchored"]
    return hashlib.sha256(canonical.encode(found)).hexdigest()


def agreement_of(document: dict[str, Any]) -> Agreement:
    """The agreement of a case. Those of the simulator have no keys, so it is converted rather than read."""
    return msgspec.convert(document, Agreement)


class Replayed:
    """A case as this engine plays it."""

    def __init__(self, agreement: Agreement) -> None:
        self.agreement = agreement
        self.state = initial(EXECUTION)

    def ask(self, said: Said) -> dict[str, Any]:
        """What would follow; of what follows only the hash."""
        decision = decide(self.agreement, self.state, statement(said, self.state.size), said["at"])
        led_to = [decision.outcome, decision.events, state_hash(decision.state)]
        return {"outcome": decision.outcome, "led_to": hashlib.sha256(canonical.encode(led_to)).hexdigest()}

    def take(self, said: Said) -> dict[str, Any]:
        """What follows: outcome, events and the state's hash. Deciding and evolving agree, or it is no outcome."""
        spoken = statement(said, self.state.size)
        decision = decide(self.agreement, self.state, spoken, said["at"])
        facts: dict[str, Any] = {"outcome": decision.outcome, "events": decision.events}
        entry = Entry(
            v=1, execution=EXECUTION, term=0, seq=self.state.size, at=said["at"], statement_id=spoken.id, **facts
        )
        self.state = evolve(self.state, entry)
        assert state_hash(self.state) == state_hash(decision.state)
        return {**facts, "state": state_hash(self.state)}


def replay(case: Case, agreement: Agreement) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What the case's statements and probes lead to now."""
    played = Replayed(agreement)
    probes = {place: list(found) for place, found in itertools.groupby(case["probes"], lambda one: one["after"])}
    entries, answers = [], []
    for number, entry in enumerate(case["entries"], 1):
        entries.append(played.take(entry["said"]))
        answers += [played.ask(one["said"]) for one in probes.get(number, [])]
    return entries, answers


# Making them.


class _Recorder(Log):
    """What the simulator says."""

    made: list[_Recorder]

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.said: list[Said] = []
        self.made.append(self)

    def say(self, org: str, kind: str, body: dict[str, Any]) -> str:
        """Record it."""
        found = msgspec.to_builtins(msgspec.convert(body, KINDS[kind]))
        self.said.append({"iss": org, "kind": kind, "kid": "", "body": found, "at": self.at})
        return super().say(org, kind, body)


def _simulated(name: str, answers: dict[str, Any]) -> Iterator[tuple[Agreement, list[Said]]]:
    """The logs of a run, those of its sub-workflows before its own; none when the answers do not fit."""
    compiled = compile_typed(example(name))
    _Recorder.made = []
    real = simulating.__dict__["Log"]
    simulating.__dict__["Log"] = _Recorder
    try:
        simulating.simulate(compiled, Script(answers, compiled), begin=NOON)
    except Invalid:
        return
    finally:
        simulating.__dict__["Log"] = real
    for one in reversed(_Recorder.made):
        yield one._agreement, one.said


class _Talk(Flow):
    """What a flow says."""

    def __init__(self, *steps: m.Step, **changes: Any) -> None:
        self.said: list[Said] = []
        super().__init__(*steps, **changes)

    def say(self, org: str, kind: str, *, by: str = "", **body: Any) -> Entry:
        """Record it."""
        found = msgspec.to_builtins(msgspec.convert(body, KINDS[kind]))
        self.said.append({"iss": org, "kind": kind, "kid": by, "body": found, "at": self.at})
        return super().say(org, kind, by=by, **body)


def _steered() -> _Talk:
    talk = _Talk(activity("work", timeout_seconds=100, next_steps=to("next")), activity("next"))
    talk.at += 5_000
    for org in (SUPPLIER, BUYER, BUYER):
        talk.say(org, "suspend", reason=HASH)
    talk.at += 60_000
    talk.answer("work.1")
    talk.say(BUYER, "timer", timer="work.1/1/timeout")
    talk.say(CARRIER, "resume")
    talk.say(BUYER, "resume")
    talk.say(CARRIER, "cancel", reason=HASH)
    talk.say(BUYER, "terminate", reason=HASH)
    talk.answer("next.1")
    return talk


def _held() -> _Talk:
    talk = _Talk(activity("pay", hold_on_failure=True, next_steps=to("after")), activity("after"))
    talk.failure("pay.1", "no_money")
    talk.say(CARRIER, "retry", task="pay.1")
    talk.say(SUPPLIER, "retry", task="pay.1")
    talk.answer("pay.1", attempt=2)
    talk.answer("after.1")
    return talk


def _undone() -> _Talk:
    steps = (
        activity("reserve", compensate_with="release", next_steps=to("pay")),
        activity("pay", compensate_with="refund", next_steps=to("ship")),
        activity("ship"),
        activity("release", compensates=True),
        activity("refund", compensates=True),
    )
    talk = _Talk(*steps)
    talk.answer("reserve.1")
    talk.answer("pay.1")
    talk.say(BUYER, "cancel", reason=HASH)
    talk.failure("refund.1")
    talk.answer("release.1")
    return talk


def _keyed() -> _Talk:
    talk = _Talk(activity("work"))
    root = root_of(SUPPLIER).kid
    first, second = new_key(SUPPLIER, 1), new_key(SUPPLIER, 2)
    talk.say(SUPPLIER, "rotate_key", by=root, **rotation(first, 1, 2))
    talk.say(SUPPLIER, "rotate_key", by=root, **rotation(first, 1))
    talk.say(SUPPLIER, "signal", by=first.kid, name="new")
    talk.say(SUPPLIER, "signal", name="old")
    talk.say(SUPPLIER, "signal", name="late")
    talk.say(SUPPLIER, "rotate_key", by=root, **rotation(second, 2))
    talk.say(SUPPLIER, "revoke_key", by=root, kid=first.kid, reason="compromised")
    talk.say(SUPPLIER, "revoke_key", by=root, kid=second.kid, reason="lost")
    talk.say(SUPPLIER, "signal", by=first.kid, name="stolen")
    talk.say(SUPPLIER, "result", by=second.kid, task="work.1", attempt=1, status="completed")
    return talk


def _replaced() -> _Talk:
    talk = _Talk(activity("work"), begin=False)
    talk.say(BUYER, "propose", nonce="")
    talk.say(CARRIER, "consent", decision="accepted")
    for org in (CARRIER, SUPPLIER):
        talk.say(org, "change", agreement="ab" * 32, nonce="AAAA", reason=HASH)
    return talk


def _rejected() -> _Talk:
    talk = _Talk(activity("work"), begin=False)
    talk.say(SUPPLIER, "consent", decision="accepted")
    talk.say(SUPPLIER, "propose", nonce="")
    talk.say(BUYER, "propose", nonce="")
    talk.say(BUYER, "start", input={})
    talk.say(SUPPLIER, "consent", decision="rejected", reason=HASH)
    return talk


def _raced() -> _Talk:
    """Branches of which any suffices: a task, a wait, a pause; a signal that nobody waited for is kept."""
    branches = [m.Branch(id=name, start=name) for name in ("a", "b", "c")]
    wait = m.Wait(id="b", name="", event_name="go", block="race/b")
    pause = m.Timer(id="c", name="", duration_seconds=60, block="race/c")
    race = m.Parallel(id="race", name="", threshold=1, branches=branches, next_steps=to("again"))
    again = m.Wait(id="again", name="", event_name="kept", next_steps=DONE)
    talk = _Talk(race, activity("a", block="race/a"), wait, pause, again)
    talk.say(CARRIER, "signal", name="kept")
    talk.say(CARRIER, "signal", name="go")
    talk.answer("race.1#a/a.1")
    return talk


def _anchored() -> _Talk:
    """The start is to be anchored first: a result before that, the wrong leaves, the right one by whom and when."""
    ledger = dict.fromkeys(("org_registry", "workflow_registry", "execution_ledger"), "0x" + "11" * 20)
    terms = {**DIRECT, "start_anchor": "required", "workflow_salt": "A" * 22, "chain_id": 1, **ledger}
    talk = _Talk(activity("work"), anchoring=msgspec.convert(terms, Anchoring))
    talk.answer("work.1")
    right = cited(talk.agreement, talk.state.unanchored or 0)
    talk.say(SUPPLIER, "cite_start", **right)
    talk.say(BUYER, "cite_start", **{**right, "leaf": "0x" + "00" * 416})
    talk.say(BUYER, "cite_start", **{**right, "chain_id": 2})
    talk.say(BUYER, "suspend", reason=HASH)
    talk.say(BUYER, "resume")
    talk.say(BUYER, "cite_start", **right)
    talk.say(BUYER, "cite_start", **right)
    talk.answer("work.1")
    return talk


def cited(agreement: Agreement, size: int) -> dict[str, Any]:
    """A citation of the coordinator's start leaf as the engine wants it; no chain has it."""
    org = agreement.participant(agreement.coordinator)
    assert org is not None
    words = ["1", "1", org.chain_org[2:], EXECUTION, "", "0", f"{size:x}", *["0"] * 4, "7", "ab" * 32]
    leaf = "".join(word.zfill(64) for word in words)
    facts = {"chain_id": 1, "log_epoch": 0, "log_size": 8, "log_root": "0x" + "cd" * 32, "block_number": 9}
    return {"leaf": "0x" + leaf, "index": 7, "path": ["0x" + "ef" * 32] * 3, **facts}


_TALKS: dict[str, Callable[[], _Talk]] = {
    "suspended, resumed, terminated": _steered,
    "held and tried again": _held,
    "cancelled and undone": _undone,
    "keys that come and go": _keyed,
    "another proposal instead": _replaced,
    "rejected": _rejected,
    "the first branch": _raced,
    "not before its start is anchored": _anchored,
}


def _logs() -> Iterator[tuple[str, Agreement, list[Said]]]:
    for name, talk in _TALKS.items():
        made = talk()
        yield name, made.agreement, made.said
    asked: list[tuple[str, str, dict[str, Any]]] = [(name, "as it is", {}) for name in EXAMPLES]
    asked += [
        ("safety_monitoring", branch, {**answers, "input": {**THRESHOLDS, **answers["input"]}})
        for branch, (answers, _) in SAFETY.items()
    ]
    given = {"product_type": "6204", "batch_size": 500, "quality_level": "standard"}
    asked += [
        ("production_control", branch, {"input": given, "steps": steps}) for branch, (steps, _) in PRODUCTION.items()
    ]
    for name in sorted(set(EXAMPLES) - {"safety_monitoring", "production_control"}):
        for step in compile_typed(example(name)).steps:
            for reply in ({"$fail": "broken"}, {"$timeout": True}, {"$cancel": True}):
                asked.append((name, f"{step} {next(iter(reply))}", {"steps": {step: reply}}))
    for name, what, answers in asked:
        for agreement, said in _simulated(name, answers):
            yield f"{name}: {what}", agreement, said


def _noise(chance: random.Random, state: State, at: int) -> Said:
    """Something that anybody might say there, sensible or not."""
    org = chance.choice([*NAMES, "stranger"])
    task = chance.choice([*state.tasks, *(one.task for one in state.done.values()), "ghost.1"])
    timer = chance.choice([*state.timers, *state.wanted, "ghost.1/1/timeout"])
    held = state.tasks.get(task)
    if held is not None and held.org and chance.random() < 0.7:
        org = held.org
    due = state.timers[timer].due_at if timer in state.timers else at
    status = chance.choice(["completed", "completed", "failed", "cancelled"])
    result: dict[str, Any] = {"task": task, "attempt": chance.choice([1, 1, 2]), "status": status}
    result["data"] = {"x": HASH} if chance.random() < 0.3 else {}
    if chance.random() < 0.3:
        result["outcome"] = chance.choice(["a", "true", "3", "x" * 9])
    if status == "failed":
        result["error"] = {"code": "broken"}
    kinds: list[tuple[str, dict[str, Any], int]] = [
        ("result", result, at),
        ("result", result, at),
        ("timer", {"timer": timer}, at),
        ("timer", {"timer": timer}, max(due, at)),
        ("schedule", {"timer": timer, "due_at": chance.choice([at, 0, at + 10**13])}, at),
        ("signal", {"name": chance.choice([*state.waits, "ghost", "no name"])}, at),
        ("suspend", {"reason": HASH}, at),
        ("resume", {}, at),
        ("cancel", {"reason": HASH}, at),
        ("terminate", {"reason": HASH}, at),
        ("retry", {"task": task}, at),
        ("received", {"task": task, "attempt": 1, "sealed": [HASH]}, at),
        ("acknowledge", {"task": task, "attempt": 1}, at),
        ("consent", {"decision": "accepted"}, at),
        ("start", {"input": {}}, at),
        ("propose", {"nonce": ""}, at),
        ("change", {"agreement": "ab" * 32, "nonce": "AAAA"}, at),
        ("revoke_key", {"kid": "0123456789abcdef", "reason": "lost"}, at),
    ]
    kind, body, when = chance.choice(kinds)
    org = BUYER if kind in {"timer", "schedule"} and chance.random() < 0.7 else org
    return {
        "iss": org,
        "kind": kind,
        "kid": "",
        "body": msgspec.to_builtins(msgspec.convert(body, KINDS[kind])),
        "at": when,
    }


def cases() -> tuple[list[dict[str, Any]], list[Case]]:
    """The agreements, and the cases over them: each shows something that those before it do not."""
    chance = random.Random("engine 1")  # noqa: S311 - statements, not secrets
    agreements: dict[bytes, int] = {}
    made: list[Case] = []
    seen: set[tuple[str, ...]] = set()
    for name, agreement, said in _logs():
        document = canonical.encode(msgspec.to_builtins(agreement))
        played = Replayed(agreement)
        entries: list[dict[str, Any]] = []
        probes: list[dict[str, Any]] = []
        asked = set(chance.sample(range(1, len(said) + 1), min(PLACES, len(said))))
        for number, one in enumerate(said, 1):
            entries.append({"said": one, **played.take(one)})
            for _ in range(PROBES if number in asked else 0):
                probe = _noise(chance, played.state, played.state.at)
                probes.append({"after": number, "said": probe, **played.ask(probe)})
        new = _shows(agreement, entries) - seen
        if new:
            seen |= new
            place = agreements.setdefault(document, len(agreements))
            made.append({"name": name, "agreement": place, "entries": entries, "probes": probes})
    return [canonical.parse(one) for one in agreements], made


def _shows(agreement: Agreement, entries: list[dict[str, Any]]) -> set[tuple[str, ...]]:
    """What a case shows: which events of which kinds of steps, and what is void."""
    shown: set[tuple[str, ...]] = {(one["said"]["kind"], one["outcome"]) for one in entries}
    for event in itertools.chain.from_iterable(one["events"] for one in entries):
        step = agreement.compiled.steps.get(step_of(event["task"])) if event.get("task") else None
        kind = str(step.__struct_config__.tag) if step else ""
        facts = [str(event.get(name, "")) for name in ("purpose", "status", "code", "total")]
        shown.add((event["type"], kind, *facts))
    return shown


def main() -> None:
    """Write the file, when there is none: outcomes are not made to fit."""
    if sys.argv[1:] != ["--write"] or PATH.exists():
        sys.exit("usage: --write, and only where there is no file of vectors yet")
    agreements, made = cases()
    head = {"v": 1, "versions": VERSIONS, "agreements": agreements}
    lines = [json.dumps(one, ensure_ascii=False, separators=(",", ":"), sort_keys=True) for one in made]
    start = json.dumps(head, ensure_ascii=False, separators=(",", ":"), sort_keys=True)[:-1]
    PATH.write_text(start + ',"cases":[\n' + ",\n".join(lines) + "\n]}\n", encoding="utf-8")
    sys.stdout.write(f"{len(made)} cases over {len(agreements)} agreements, {PATH.stat().st_size:,} bytes\n")


if __name__ == "__main__":
    main()
