"""A definition driven through the real engine: organisations that answer as a script says, a clock that leaps.

What is open is answered in the order of its assignment; when nothing can be, the earliest timer is due. Nothing is
signed, sealed or kept.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from tallystick.core import deciding
from tallystick.core.definition import cron, mappings
from tallystick.core.definition.instants import milliseconds
from tallystick.core.definition.model import (
    CompiledDefinition,
    DataExchange,
    Decision,
    ForEach,
    Notification,
    SubWorkflow,
    UserTask,
    Wait,
)
from tallystick.core.engine.flow import route
from tallystick.core.engine.names import SIGNAL, visit_of
from tallystick.core.engine.state import GOING, Task
from tallystick.core.errors import Invalid
from tallystick.core.expression.evaluate import evaluate
from tallystick.core.expression.lexer import ExpressionError
from tallystick.core.scope import Value, variables
from tallystick.node.definitions.log import Log
from tallystick.node.definitions.sampling import form_values, sample
from tallystick.node.definitions.script import Reply, Script
from tallystick.node.definitions.trace import Ended, Line

MAX_VISITS = 500  # of one step: what comes back more often goes round in circles
MAX_STATEMENTS = 50_000
COMMITMENT = "0" * 64


def simulate(definition: CompiledDefinition, script: Script, *, begin: int = 0, level: int = 0) -> Ended:
    """Run ``definition`` to its end, or to where nothing can follow; ``begin`` in milliseconds since 1970."""
    return _Run(definition, script, begin, level).run()


class _Run:
    def __init__(self, definition: CompiledDefinition, script: Script, begin: int, level: int) -> None:
        self.definition = definition
        self.script = script
        self.begin = begin
        self.level = level
        self.log = Log(definition, begin)
        self.values: list[Value] = []
        self.lines: list[Line] = []
        self.circling = ""  # a task that has been visited too often
        self.replies: dict[tuple[str, int], Reply] = {}  # what was drawn for a task and attempt that is still open

    def run(self) -> Ended:
        """Answer and let time pass until it is closed."""
        given = self.script.input
        self._keep("", 0, sample(self.definition.input_schema) if given is None else given)
        self.log.start(self.values)
        stuck = ""
        while not stuck and self.log.state.status in GOING:
            if self.circling or self.log.state.size > MAX_STATEMENTS:
                stuck = f"no end in sight after {self.circling or self.log.state.size}"
            elif not self._act():
                stuck = self._why()
        state = self.log.state
        scope = variables(self.values)
        return Ended(state.status, state.outcome, self.lines, scope, stuck)

    def _act(self) -> bool:
        """Do the next thing that can be done; False when there is none."""
        state = self.log.state
        for name, task in list(state.tasks.items()):
            handler = _ACTIONS.get(task.status)
            if handler is not None and handler(self, name, task):
                return True
        for name, wanted in state.wanted.items():
            self._say(wanted.by, "schedule", timer=name, due_at=self._due(name, wanted.task, wanted.since))
            return True
        if state.timers and state.status == "running":
            name, timer = min(state.timers.items(), key=lambda item: (item[1].due_at, item[0]))
            self.log.at = max(self.log.at, timer.due_at)
            if timer.purpose in {"timeout", "delay", "instant"}:
                self._tell(timer.task, "timed out" if timer.purpose == "timeout" else "is due")
            self._say(self.log.coordinator, "timer", timer=name)
            return True
        return False

    def _why(self) -> str:
        held = [f"{name} ({task.code})" for name, task in self.log.state.tasks.items() if task.status == "held"]
        open_ = ", ".join(held or self.log.state.tasks)
        return f"{'held: ' if held else 'nobody answers '}{open_}"

    def _answer(self, name: str, task: Task) -> bool:
        """The answer of whoever has an open task; not when the script lets its time pass."""
        step: Any = self.definition.steps[task.step]
        reply = self._reply(name, task)
        if reply.is_timeout:
            return False
        if reply.is_cancel:
            self._tell(name, "cancelled")
            self._result(name, task, status="cancelled")
            return True
        if reply.fail is not None:
            self._fail(name, task, reply.fail)
            return True
        try:
            data, outcome, child = self._work(step, name, task, reply)
        except ExpressionError as error:
            self._fail(name, task, error.code)
            return True
        if child is not None and child["status"] != "completed":
            self._result(name, task, status="failed", child=child, error={"code": f"child_{child['status']}"})
            return True
        self._tell(name, "completed", data, outcome)
        sealed = [COMMITMENT] if isinstance(step, DataExchange) else None
        self._result(name, task, data, outcome=outcome, sealed=sealed, child=child)
        return True

    def _work(
        self, step: Any, name: str, task: Task, reply: Reply
    ) -> tuple[dict[str, Any], str | None, dict[str, Any] | None]:
        """What the step's work gives: its data, its outcome, its child."""
        scope = variables(self.values, name, task.seq)
        inputs = mappings.apply(step.input_mapping, scope)
        if isinstance(step, Decision | ForEach):
            if reply.data is not None:
                raise Invalid(f"answers: {step.id} decides by itself; say what it reads", code="bad_answers")
            found = deciding.answer(step, scope)
            if isinstance(step, Decision) and step.next_steps and route(step, found.outcome) is None:
                raise ExpressionError(f"no route is there for the outcome {found.outcome}", code="no_route")
            return found.data, found.outcome, None
        if isinstance(step, SubWorkflow):
            return self._child(step, {**step.input, **inputs}, scope, reply)
        if reply.result is not None:
            mapped = mappings.apply(step.output_mapping, {**scope, mappings.RESULT: reply.result})
            return mapped or reply.result, None, None
        given = reply.data or {}
        if step.form:
            return {**form_values(step.form), **given}, None, None
        return {**dict.fromkeys(step.output_mapping), **given}, None, None

    def _child(
        self, step: SubWorkflow, inputs: dict[str, Any], scope: dict[str, Any], reply: Reply
    ) -> tuple[dict[str, Any], str | None, dict[str, Any] | None]:
        definition = self.definition.definitions[step.definition]
        script = self.script.inner(definition)
        script.input = inputs if script.input is None else script.input
        ended = simulate(definition, script, begin=self.log.at, level=self.level + 1)
        self.lines += [msgspec.structs.replace(line, at=line.at + self.log.at - self.begin) for line in ended.lines]
        status = ended.status if ended.status not in GOING else "failed"
        result = {"outcome": ended.outcome, "steps": ended.scope["steps"]}
        child = {"execution": COMMITMENT, "term": 0, "size": 1, "root": COMMITMENT, "status": status}
        if status != "completed":
            return {}, None, child
        mapped = mappings.apply(step.output_mapping, {**scope, mappings.RESULT: result})
        return {**mapped, **(reply.data or {})}, None, child

    def _reply(self, name: str, task: Task) -> Reply:
        """Drawn once for each attempt."""
        key = (name, task.attempt)
        if key not in self.replies:
            self.replies[key] = self.script.take(task.step)
        return self.replies[key]

    def _receive(self, name: str, task: Task) -> bool:
        """Whoever is to receive or acknowledge does so; not when the script lets its time pass."""
        if self._reply(name, task).is_timeout:
            return False
        step = self.definition.steps[task.step]
        kind, facts = ("acknowledge", {}) if isinstance(step, Notification) else ("received", {"sealed": [COMMITMENT]})
        for org in task.waiting:
            self._say(org, kind, task=name, attempt=task.attempt, **facts)
        return True

    def _signal(self, name: str, task: Task) -> bool:
        """A signal for a wait; not when the script lets its time pass."""
        step: Any = self.definition.steps[task.step]
        reply = self._reply(name, task)
        if not isinstance(step, Wait) or reply.is_timeout:
            return False
        org = (step.senders or self.definition.participants)[0]
        data = reply.data or {}
        self._tell(name, "signalled", data)
        self._say(org, "signal", name=step.event_name, data=dict.fromkeys(data, COMMITMENT))
        self._keep(f"{SIGNAL}{step.event_name}", 0, data)
        return True

    def _due(self, timer: str, task: str, since: int) -> int:
        """When a wanted timer is due: by cron, or by a user task's expression."""
        step: Any = self.definition.steps[self.log.state.tasks[task].step]
        if not isinstance(step, UserTask):
            return max(cron.next_due(step.cron, step.time_zone, self.log.at), since)
        try:
            value = evaluate(step.due_date or "", variables(self.values, task))
        except ExpressionError:
            value = 0  # a due date that cannot be told passes at once, and reminds
        instant = milliseconds(value) if isinstance(value, str) else self.log.at + int(value or 0) * 1000
        return max(instant or since, since)

    def _fail(self, name: str, task: Task, code: str) -> None:
        self._tell(name, f"failed: {code}")
        self._result(name, task, status="failed", error={"code": code})

    def _result(
        self, name: str, task: Task, data: dict[str, Any] | None = None, *, status: str = "completed", **facts: Any
    ) -> None:
        facts = {key: value for key, value in facts.items() if value is not None}
        commitments = dict.fromkeys(data or {}, COMMITMENT)
        self._say(task.org, "result", task=name, attempt=task.attempt, status=status, data=commitments, **facts)
        self._keep(name, task.attempt, data or {})

    def _say(self, org: str, kind: str, **body: Any) -> None:
        reason = self.log.say(org, kind, body)
        if reason:
            raise Invalid(f"the engine refuses a {kind} of {org}: {reason} ({body.get('task', '')})", code="refused")

    def _keep(self, task: str, attempt: int, data: dict[str, Any]) -> None:
        """Values can be read from the entry on that holds their statement."""
        seq = self.log.state.size - 1
        self.values += [Value(task, attempt, name, value, seq) for name, value in data.items()]

    def _tell(self, name: str, event: str, data: dict[str, Any] | None = None, outcome: str | None = None) -> None:
        task = self.log.state.tasks.get(name)
        self.circling = name if visit_of(name) > MAX_VISITS else self.circling
        step = self.definition.steps[task.step] if task else None
        kind = str(step.__struct_config__.tag) if step else ""
        at, org = self.log.at - self.begin, task.org if task else ""
        self.lines.append(Line(at, name, event, kind, org, data or {}, outcome, self.level))


_ACTIONS: dict[str, Callable[[_Run, str, Task], bool]] = {
    "open": _Run._answer,
    "delivering": _Run._receive,
    "waiting": _Run._signal,
}
