"""Check 11: outcomes of decisions follow from the values that they were taken on."""

from collections.abc import Iterator

from tallystick.core.expression.evaluate import evaluate, outcome_of
from tallystick.core.expression.lexer import ExpressionError
from tallystick.core.expression.parser import Node, parse
from tallystick.core.expression.paths import paths
from tallystick.core.scope import Value, variables
from tallystick.core.statement import Result, Statement

from .case import Case
from .report import Finding, failed, passed, unknown

INPUT = ""  # the step under which the execution's own input stands, as in `core.scope`
Name = tuple[str, str]


def decided(case: Case) -> Finding:
    """11: each decision is taken again, on what had been said before it; else it is attested by who took it."""
    attested: list[str] = []
    count = 0
    for seq, said, body in _decisions(case):
        step = case.agreement.definition["steps"][_step(body.task)]
        try:
            expression = parse(step["expression"])
            outcome = None if _hidden(case, seq, expression) else _outcome(case, seq, expression)
        except ExpressionError as error:
            if body.outcome is not None:
                return failed("cannot_follow", step=step["id"], outcome=body.outcome, reason=str(error))
            outcome = None
        if outcome is None or body.outcome is None:
            attested.append(f"{step['id']} ({said.iss})")
        elif outcome != body.outcome:
            return failed("other_outcome", step=step["id"], outcome=body.outcome, expected=outcome)
        else:
            count += 1
    if attested:
        return unknown("attested_decisions", count=count, steps=", ".join(attested))
    return passed("decided", count=count) if case.complete else unknown("statements_withheld")


def _decisions(case: Case) -> Iterator[tuple[int, Statement, Result]]:
    """The applied answers to decision steps; a failed one has no outcome, and its reason is its author's word."""
    for entry, said in case.pairs:
        if not entry.applied or not isinstance(said.body, Result):
            continue
        if case.agreement.definition["steps"][_step(said.body.task)]["step_type"] == "decision":
            yield entry.seq, said, said.body


def _hidden(case: Case, seq: int, expression: Node) -> bool:
    """Whether the decision may rest on a value that the bundle does not open."""
    named = references(expression)
    opened = {(one.statement_id, one.property) for one in case.bundle.openings}
    before = list(_before(case, seq))
    if len(before) < sum(entry.applied for entry in case.entries[:seq]):
        return True  # a statement is withheld: who knows what it says
    committed = [(said, name) for said in before for name in said.commitments if not name.startswith("$")]
    closed = {(_step(said.place[0]), name) for said, name in committed if (said.id, name) not in opened}
    return bool(closed if named is None else closed & named)


def _outcome(case: Case, seq: int, expression: Node) -> str:
    said = {one.id for one in _before(case, seq)}
    openings = [one for one in case.bundle.openings if one.statement_id in said]
    scope = variables(Value(one.task, one.attempt, one.property, one.value) for one in openings)
    return outcome_of(evaluate(expression, scope))


def _before(case: Case, seq: int) -> Iterator[Statement]:
    return (said for entry, said in case.pairs if entry.seq < seq and entry.applied)


def references(expression: Node) -> set[Name] | None:
    """The (step, property) that an expression can read; None when only evaluating it would tell."""
    found: set[Name] = set()
    for root, *members in paths(expression):
        if root == "input" and members:
            found.add((INPUT, members[0]))
        elif root == "steps" and len(members) > 1:
            found.add((members[0], members[1]))
        elif root in {"input", "steps"}:
            return None
    return found


def _step(task: str) -> str:
    return task.rpartition(".")[0]
