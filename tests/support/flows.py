"""The engine without signatures: definitions as structs, statements as they are read, every entry evolved twice."""

from __future__ import annotations

from typing import Any

import msgspec

from support.parties import BUYER, CARRIER, NOON, SUPPLIER, Parties
from tallystick.core.agreement import Agreement
from tallystick.core.definition import model as m
from tallystick.core.engine.decide import decide
from tallystick.core.engine.evolve import evolve
from tallystick.core.engine.state import State, initial
from tallystick.core.entry import Entry
from tallystick.core.statement import KINDS, Statement

BEGIN = m.Begin(id="initialize_collaboration", name="", next_steps=[m.Route(step="first")])
END = m.End(id="finalize_collaboration", name="")
DONE = [m.Route(step=END.id)]
EXECUTION = "e" * 64
_BASE: list[Agreement] = []


def to(step: str, outcome: str | None = None) -> list[m.Route]:
    """One route."""
    return [m.Route(step=step, outcome=outcome)]


def activity(name: str, org: str = SUPPLIER, **facts: Any) -> m.Activity:
    """A step that leads to the end unless it is told otherwise."""
    if not facts.get("block") and not facts.get("compensates"):
        facts.setdefault("next_steps", DONE)
    return m.Activity(id=name, name=name, activity_type="manual", assigned_org=org, **facts)


def definition(*steps: m.Step, start: str | None = None) -> m.CompiledDefinition:
    """The steps between a beginning and an end; the first one begins."""
    begin = msgspec.structs.replace(BEGIN, next_steps=to(start or steps[0].id))
    members: dict[str, Any] = {one.id: one for one in (begin, *steps, END)}
    return m.CompiledDefinition(v=1, id="flow", name="flow", participants=[BUYER, SUPPLIER, CARRIER], steps=members)


def agreement(compiled: m.CompiledDefinition, **changes: Any) -> Agreement:
    """An agreement of the three over it; the buyer initiates, coordinates and may terminate."""
    if not _BASE:
        _BASE.append(Parties().agreement)
    return msgspec.structs.replace(_BASE[0], definition=msgspec.to_builtins(compiled), **changes)


def statement(org: str, kind: str, body: dict[str, Any], number: int = 0, by: str = "") -> Statement:
    """What ``org`` says, signed by the key ``by``."""
    return Statement(
        id=f"{number:064x}",
        kid=by,
        iss=org,
        aud="0" * 64,
        kind=kind,
        execution=EXECUTION,
        basis=None,
        iat=NOON,
        body=msgspec.convert(body, KINDS[kind]),
    )


class Flow:
    """An execution that runs from its start on."""

    def __init__(self, *steps: m.Step, begin: bool = True, **changes: Any) -> None:
        self.agreement = agreement(definition(*steps), **changes)
        self.state: State = initial(EXECUTION)
        self.entries: list[Entry] = []
        self.at = NOON
        if begin:
            self.say(BUYER, "propose", nonce="")
            self.say(SUPPLIER, "consent", decision="accepted")
            self.say(CARRIER, "consent", decision="accepted")
            self.say(BUYER, "start", input={})

    def say(self, org: str, kind: str, *, by: str = "", **body: Any) -> Entry:
        """Sequence a statement; the coordinator's and the participants' state are the same."""
        said = statement(org, kind, body, self.state.size, by)
        before = msgspec.msgpack.encode(self.state)
        decision = decide(self.agreement, self.state, said, self.at)
        assert msgspec.msgpack.encode(self.state) == before, "deciding changes nothing"
        entry = Entry(
            v=1,
            execution=EXECUTION,
            term=0,
            seq=self.state.size,
            at=self.at,
            statement_id=said.id,
            outcome=decision.outcome,
            events=decision.events,
        )
        self.state = evolve(self.state, entry)
        assert self.state == decision.state
        self.entries.append(entry)
        return entry

    def answer(self, task: str, status: str = "completed", attempt: int = 1, **facts: Any) -> Entry:
        """The answer of whoever has the task."""
        held = self.state.tasks.get(task)
        return self.say(held.org if held else SUPPLIER, "result", task=task, attempt=attempt, status=status, **facts)

    def failure(self, task: str, code: str = "broken", attempt: int = 1) -> Entry:
        """A failed attempt."""
        return self.answer(task, "failed", attempt, error={"code": code})

    def fire(self, timer: str) -> Entry:
        """The coordinator states a timer when it is due."""
        self.at = max(self.at, self.state.timers[timer].due_at)
        return self.say(BUYER, "timer", timer=timer)

    @property
    def open(self) -> list[str]:
        """Open tasks, waits and timers."""
        return sorted(self.state.tasks)

    @property
    def ended(self) -> tuple[str, str | None]:
        """Status and outcome."""
        return self.state.status, self.state.outcome


def types(entry: Entry) -> list[str]:
    """The entry's events."""
    return [event["type"] for event in entry.events]


def event(entry: Entry, name: str) -> dict[str, Any]:
    """The entry's only event of that type."""
    [found] = [one for one in entry.events if one["type"] == name]
    return found
