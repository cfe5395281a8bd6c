"""Check 11: outcomes of decisions, and what a for-each goes over, follow from the values that were known.

Each is computed again on what applied statements had said when its task was assigned. How a sub-workflow ended its own
evidence shows: its closing head is named for information and judged nowhere here.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from tallystick.core import canonical
from tallystick.core.deciding import Answer, answer
from tallystick.core.definition.model import Decision, ForEach, SubWorkflow
from tallystick.core.engine.names import SIGNAL, frame_of, step_of
from tallystick.core.expression.lexer import ExpressionError
from tallystick.core.expression.parser import Node, parse
from tallystick.core.expression.paths import paths
from tallystick.core.scope import ITEMS, RESULTS, Value, variables, visible
from tallystick.core.statement import Result, Statement

from .case import Case
from .report import Finding, failed, passed, unknown

INPUT = ""  # the step under which the execution's own input stands
LOOP = "#"  # the step that stands for every for-each around the task: ``item`` is one of its items
Name = tuple[str, str]


class Taken(NamedTuple):
    """A decision or count in the record: where it was taken, and on how much of the record."""

    said: Statement
    body: Result
    place: str
    seq: int


def decided(case: Case) -> Finding:
    """11: each decision is taken again, on what had been said before it; else it is attested by who took it."""
    attested: list[str] = []
    count = 0
    for taken in _decisions(case):
        step, outcome = _step(case, taken.body), taken.body.outcome
        try:
            found = None if _hidden(case, taken, step) else _answer(case, taken, step)
        except ExpressionError as error:
            if outcome is not None:
                return failed("cannot_follow", step=step.id, outcome=outcome, reason=str(error))
            found = None
        if found is None or outcome is None:
            attested.append(f"{step.id} ({taken.said.iss})")
        elif found.outcome != outcome:
            return failed("other_outcome", step=step.id, outcome=outcome, expected=found.outcome)
        elif wrong := _other_data(case, taken, found):
            return failed("other_output", step=step.id, property=wrong)
        else:
            count += 1
    if attested:
        return unknown("attested_decisions", count=count, steps=", ".join(attested))
    if not case.complete:
        return unknown("statements_withheld")
    children = [f"{body.task} → {body.child.execution[:16]}" for body in _children(case) if body.child]
    if children:
        return passed("decided_with_children", count=count, children=", ".join(children))
    return passed("decided", count=count)


def _decisions(case: Case) -> Iterator[Taken]:
    """The applied answers to decisions and for-eaches; a failed one has no outcome, and its reason is its author's."""
    assigned: dict[tuple[str, int], tuple[str, int]] = {}
    pairs = {entry.seq: said for entry, said in case.pairs if entry.applied}
    for entry in case.entries:
        said = pairs.get(entry.seq)
        if said is not None and isinstance(said.body, Result):
            body = said.body
            if isinstance(_step(case, body), Decision | ForEach):
                yield Taken(said, body, *assigned.get((body.task, body.attempt), (body.task, entry.seq)))
        for event in entry.events:
            if event.get("type") == "assigned":
                place = event.get("undoes", event["task"])
                assigned[event["task"], event["attempt"]] = (place, entry.seq)


def _children(case: Case) -> Iterator[Result]:
    for entry, said in case.pairs:
        if entry.applied and isinstance(said.body, Result) and isinstance(_step(case, said.body), SubWorkflow):
            yield said.body


def _hidden(case: Case, taken: Taken, step: Decision | ForEach) -> bool:
    """Whether the answer may rest on a value that the bundle does not open."""
    named = _references(step)
    opened = {(one.statement_id, one.property) for one in case.bundle.openings}
    before = [said for _, said in _before(case, taken)]
    if len(before) < sum(entry.applied for entry in case.entries[: taken.seq + 1]):
        return True  # a statement is withheld: who knows what it says
    closed = [
        (step_of(said.place[0]), name)
        for said in before
        for name in said.commitments
        if not name.startswith("$") and (said.id, name) not in opened and _readable(said, taken.place)
    ]
    if named is None:
        return bool(closed)
    return any(one in named or (one[1] == ITEMS and (LOOP, ITEMS) in named) for one in closed)


def _readable(said: Statement, place: str) -> bool:
    task = said.place[0]
    return task.startswith(SIGNAL) or visible(task, frame_of(place))


def _answer(case: Case, taken: Taken, step: Decision | ForEach) -> Answer:
    numbers = {said.id: seq for seq, said in _before(case, taken)}
    values = (
        Value(one.task, one.attempt, one.property, one.value, numbers[one.statement_id])
        for one in case.bundle.openings
        if one.statement_id in numbers
    )
    return answer(step, variables(values, taken.place, taken.seq))


def _other_data(case: Case, taken: Taken, found: Answer) -> str | None:
    """The first property that is disclosed and is not what the values give."""
    for one in case.bundle.openings:
        if one.statement_id != taken.said.id or one.property not in found.data:
            continue
        if canonical.encode([one.value]) != canonical.encode([found.data[one.property]]):
            return one.property
    return None


def _before(case: Case, taken: Taken) -> Iterator[tuple[int, Statement]]:
    return ((entry.seq, said) for entry, said in case.pairs if entry.seq <= taken.seq and entry.applied)


def _references(step: Decision | ForEach) -> set[Name] | None:
    texts = step.table.columns if isinstance(step, Decision) and step.table else None
    if texts is None:
        texts = [step.items if isinstance(step, ForEach) else step.expression or ""]
    found: set[Name] = set()
    for text in texts:
        names = references(parse(text))
        if names is None:
            return None
        found |= names
    return found


def references(expression: Node) -> set[Name] | None:
    """The (step, property) that an expression can read; None when only evaluating it would tell."""
    found: set[Name] = set()
    for root, *members in paths(expression):
        if root == "input" and members:
            found.add((INPUT, members[0]))
        elif root == "item":
            found.add((LOOP, ITEMS))
        elif root in {"steps", "signals"} and len(members) > 1 and members[1] != RESULTS:
            found.add((members[0] if root == "steps" else SIGNAL + members[0], members[1]))
        elif root in {"input", "steps", "signals"}:
            return None
    return found


def _step(case: Case, body: Result) -> Any:
    return case.agreement.compiled.steps[step_of(body.task)]
