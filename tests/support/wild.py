"""Definitions of every shape, as Hypothesis draws them: sound, nested, looping, failing."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from support.flows import END, to
from support.parties import BUYER, CARRIER, NOON, SUPPLIER
from tallystick.core.definition import model as m

ORGS = (BUYER, SUPPLIER, CARRIER)
MAX_DEPTH = 3
Draw = Any


class _Maker:
    """Draws the steps of one definition; ids are numbered."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.steps: list[m.Step] = []

    def one(self, *values: Any) -> Any:
        return self.draw(st.sampled_from(values))

    def name(self) -> str:
        return f"s{len(self.steps)}"

    def chain(self, block: str, depth: int) -> str:
        """Steps one after the other in a block; the first one's id."""
        count = self.draw(st.integers(1, 2) if depth else st.integers(3, 6))
        members: list[int] = []
        for _ in range(count):
            members.append(len(self.steps))
            self.element(block, depth)
        ids = [self.steps[index].id for index in members]
        for place, index in enumerate(members):
            following = ids[place + 1] if place + 1 < count else ("" if block else END.id)
            self.link(index, following, ids[0])
        return ids[0]

    def link(self, index: int, following: str, first: str) -> None:
        step = self.steps[index]
        changes: dict[str, Any] = {"next_steps": to(following) if following else []}
        if isinstance(step, m.Decision) and following:
            again = m.Route(step=first, outcome="again")
            changes["next_steps"] = [again, m.Route(step=following)]
        if following and self.one(True, False, False):
            changes["catches"] = [m.Catch(step=following, code=self.one(None, "lost", "timed_out"))]
        self.steps[index] = _replace(step, changes)

    def element(self, block: str, depth: int) -> None:
        kinds = [self.activity, self.activity, self.user_task, self.exchange, self.notification]
        kinds += [self.decision, self.timer, self.wait]
        if depth < MAX_DEPTH:
            kinds += [self.parallel, self.for_each, self.sub_workflow]
        self.draw(st.sampled_from(kinds))(block, depth)

    def work(self) -> dict[str, Any]:
        """What every task may have."""
        facts: dict[str, Any] = {"assigned_org": self.one(*ORGS), "hold_on_failure": self.one(False, False, True)}
        if self.draw(st.booleans()):
            facts |= {"timeout_seconds": 60, "reminder_seconds": self.one([], [30])}
        if self.draw(st.booleans()):
            facts["retry_policy"] = m.RetryPolicy(max_attempts=2, non_retryable_errors=["lost"])
        return facts

    def put(self, kind: type[m.Step], name: str, block: str, **facts: Any) -> None:
        self.steps.append(kind(id=name, name="", block=block, **facts))

    def activity(self, block: str, depth: int) -> None:
        name, facts = self.name(), self.work()
        handler = f"{name}_undo" if self.one(True, True, False) else None
        self.put(m.Activity, name, block, activity_type="x", compensate_with=handler, **facts)
        if handler:
            undo = {**self.work(), "compensates": True}
            self.handlers.append(m.Activity(id=handler, name="", activity_type="x", **undo))

    handlers: list[m.Step]

    def user_task(self, block: str, depth: int) -> None:
        form = self.one([], [m.Field(id="a", name="", required=True), m.Field(id="b", name="")])
        self.put(m.UserTask, self.name(), block, form=form, due_date=self.one(None, "60"), **self.work())

    def exchange(self, block: str, depth: int) -> None:
        self.put(m.DataExchange, self.name(), block, targets=self.one([BUYER], [BUYER, CARRIER]), **self.work())

    def notification(self, block: str, depth: int) -> None:
        asks = self.draw(st.booleans())
        facts = {"targets": [SUPPLIER, CARRIER], "message": "x", "requires_acknowledgment": asks}
        self.put(m.Notification, self.name(), block, **facts, **self.work())

    def decision(self, block: str, depth: int) -> None:
        table = self.one(None, m.Table(columns=["1"], outputs=["a"], rows=[], default=["x"]))
        self.put(m.Decision, self.name(), block, expression=None if table else "1", table=table, **self.work())

    def sub_workflow(self, block: str, depth: int) -> None:
        self.put(m.SubWorkflow, self.name(), block, definition="child", **self.work())

    def timer(self, block: str, depth: int) -> None:
        facts = self.one({"duration_seconds": 9}, {"until": NOON + 70_000}, {"cron": "0 1 * * *"})
        self.put(m.Timer, self.name(), block, **facts)

    def wait(self, block: str, depth: int) -> None:
        facts = {"event_name": self.one("go", "stop"), "senders": self.one([], [CARRIER])}
        self.put(m.Wait, self.name(), block, timeout_seconds=self.one(None, 40), **facts)

    def parallel(self, block: str, depth: int) -> None:
        name, index = self.name(), len(self.steps)
        self.steps.append(m.End(id=name, name=""))
        count = self.draw(st.integers(1, 3))
        branches = [m.Branch(id=f"b{n}", start=self.chain(f"{name}/b{n}", depth + 1)) for n in range(count)]
        threshold = self.draw(st.integers(1, count))
        self.steps[index] = m.Parallel(id=name, name="", block=block, branches=branches, threshold=threshold)

    def for_each(self, block: str, depth: int) -> None:
        name, index = self.name(), len(self.steps)
        self.steps.append(m.End(id=name, name=""))
        facts = {"items": "input.x", "max_concurrency": self.one(1, 2, 1000), "body": self.chain(name, depth + 1)}
        self.steps[index] = m.ForEach(id=name, name="", block=block, **facts, **self.work())


def _replace(step: m.Step, changes: dict[str, Any]) -> m.Step:
    return type(step)(**{name: getattr(step, name) for name in step.__struct_fields__} | changes)


@st.composite
def flows(draw: Draw) -> list[m.Step]:
    """The steps of a definition, the first one first."""
    maker = _Maker(draw)
    maker.handlers = []
    maker.chain("", 0)
    return [*maker.steps, *maker.handlers]


X25519 = "x25519-hkdf-sha256-chacha20poly1305"
texts = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8),
    st.sampled_from(["go", "s0.1", "s1.1", "s0.1#0/s1.1", "s0.1#b0/s1.1", "0" * 64]),
)
attempts = st.sampled_from([0, 1, 2, 3, 2**31 - 1])
numbers = st.one_of(st.integers(-2, 3), st.sampled_from([2**53 - 1, -(2**53) + 1, NOON]))
hashes = st.dictionaries(texts, texts, max_size=3)
lists = st.lists(texts, max_size=3)
BODIES: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "propose": st.fixed_dictionaries({"nonce": texts}),
    "consent": st.fixed_dictionaries({"decision": st.sampled_from(["accepted", "rejected"])}),
    "start": st.fixed_dictionaries({"input": hashes}),
    "cite_start": st.fixed_dictionaries(
        {
            **dict.fromkeys(("leaf", "log_root"), texts),
            **dict.fromkeys(("index", "chain_id", "log_epoch", "log_size", "block_number"), numbers),
            "path": lists,
        }
    ),
    "result": st.fixed_dictionaries(
        {
            "task": texts,
            "attempt": attempts,
            "status": st.sampled_from(["completed", "failed", "cancelled"]),
            "data": hashes,
        },
        optional={"outcome": texts, "error": st.fixed_dictionaries({"code": texts}), "sealed": lists},
    ),
    "received": st.fixed_dictionaries({"task": texts, "attempt": attempts, "sealed": lists}),
    "acknowledge": st.fixed_dictionaries({"task": texts, "attempt": attempts}),
    "timer": st.fixed_dictionaries({"timer": texts}),
    "schedule": st.fixed_dictionaries({"timer": texts, "due_at": numbers}),
    "signal": st.fixed_dictionaries({"name": texts}, optional={"data": hashes}),
    "suspend": st.fixed_dictionaries({"reason": texts}),
    "resume": st.just({}),
    "retry": st.fixed_dictionaries({"task": texts}),
    "cancel": st.fixed_dictionaries({"reason": texts}),
    "terminate": st.fixed_dictionaries({"reason": texts}),
    "rotate_key": st.fixed_dictionaries(
        {"key": st.fixed_dictionaries({"kid": texts, "key": texts}), "serial": numbers, "overlap": numbers},
        optional={"sealing_key": st.fixed_dictionaries({"kid": texts, "suite": st.just(X25519), "key": texts})},
    ),
    "revoke_key": st.fixed_dictionaries(
        {"kid": texts, "reason": st.sampled_from(["compromised", "lost", "superseded"])}, optional={"since": numbers}
    ),
}
