"""What an automatic step has to answer, given what it can read: the node states it, the verifier takes it again."""

from typing import Any, NamedTuple

from tallystick.core import canonical
from tallystick.core.definition.instants import milliseconds
from tallystick.core.definition.model import MAX_ITEMS, TEN_YEARS, Decision, ForEach, UserTask
from tallystick.core.definition.table import evaluate_table
from tallystick.core.errors import Invalid
from tallystick.core.expression.evaluate import evaluate, outcome_of
from tallystick.core.expression.lexer import ExpressionError
from tallystick.core.scope import ITEMS


class Answer(NamedTuple):
    """The outcome, which stands in clear, and the data beside it."""

    outcome: str
    data: dict[str, Any]


def answer(step: Decision | ForEach, scope: dict[str, Any]) -> Answer:
    """The answer of ``step`` over a scope (:func:`tallystick.core.scope.variables`); a fault is an ExpressionError."""
    if isinstance(step, ForEach):
        return _items(step, scope)
    if step.table is not None:
        verdict = evaluate_table(step.table, scope)
        return Answer(verdict.outcome, verdict.outputs)
    return Answer(outcome_of(evaluate(step.expression or "", scope)), {})


def _items(step: ForEach, scope: dict[str, Any]) -> Answer:
    items = evaluate(step.items, scope)
    if not isinstance(items, list):
        raise ExpressionError("a for-each goes over a list", code="wrong_type")
    if len(items) > MAX_ITEMS:
        raise ExpressionError(f"a for-each goes over at most {MAX_ITEMS} items", code="too_many_items")
    _signable("items", items)
    return Answer(str(len(items)), {ITEMS: items})


def mapped(mapping: dict[str, str], scope: dict[str, Any]) -> dict[str, Any]:
    """The values of a mapping's expressions, which can be signed."""
    values = {name: evaluate(text, scope) for name, text in mapping.items()}
    _signable("values", values)
    return values


def due_at(step: UserTask, scope: dict[str, Any], since: int) -> int:
    """When a task that was assigned at ``since`` is due: its expression gives seconds from then, or an instant."""
    value = evaluate(step.due_date or "", scope)
    found = since + value * 1000 if type(value) is int else milliseconds(value) if isinstance(value, str) else None
    if found is None or not since <= found <= since + TEN_YEARS * 1000:
        raise ExpressionError("a due date is a number of seconds, or an instant, not before its task", code="bad_due")
    return found


def _signable(what: str, value: Any) -> None:
    try:
        canonical.encode(value)
    except Invalid as error:
        raise ExpressionError(f"the {what}: {error.detail}", code="wrong_type") from error
