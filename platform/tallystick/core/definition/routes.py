"""Where a full form's step leads: to the next one in its list, to those named, or to where a condition says."""

from typing import NamedTuple

from tallystick.core.definition.context import Context
from tallystick.core.definition.draft import Draft, Read
from tallystick.core.definition.faults import at
from tallystick.core.definition.model import (
    MAX_CODES,
    MAX_ID,
    MAX_NAME,
    MAX_ROUTES,
    MAX_TEXT,
    Catch,
    Decision,
    Route,
    Task,
)
from tallystick.core.definition.reading import Members
from tallystick.core.definition.words import FINALIZE, TIMED_OUT
from tallystick.core.expression.evaluate import outcome_of
from tallystick.core.expression.lexer import ExpressionError
from tallystick.core.expression.parser import parse

ROUTE = "_route"  # what the decision of a step with conditions adds to its id
MAX_CONDITIONS = 20  # they become one expression, each a level deeper than the one before


class Way(NamedTuple):
    """A route as it is written; at most one of outcome and condition."""

    step: str
    outcome: str | None
    condition: str
    pointer: str


def catches(members: Members, draft: Draft, name: str, inner: Members) -> list[Catch]:
    """Where failures lead: ``on_timeout`` (of the step or of its kind's object), then ``on_error`` in its order."""
    found: list[Catch] = []
    for holder in (members, inner):
        if holder.raw("on_timeout") is not None:
            draft.note(at(holder.pointer, "on_timeout"), name, "catches", len(found))
            found.append(Catch(step=holder.text("on_timeout", most=MAX_NAME), code=TIMED_OUT))
    for index, item in enumerate(members.items("on_error", most=MAX_CODES - 2)):
        one = Members(item, at(members.pointer, "on_error", index), members.faults)
        draft.note(one.pointer, name, "catches", len(found))
        code = one.text("code", default="", most=MAX_NAME)
        found.append(Catch(step=one.text("step", most=MAX_NAME), code=code or None))
        one.close()
    return found


def lead(name: str, members: Members, context: Context, following: list[Route]) -> None:
    """Set the routes of the step ``name``; ``following`` is where its list leads on."""
    if members.raw("next_steps") is None:
        context.draft.change(name, next_steps=following)
        return
    ways = [_way(item, members, index) for index, item in enumerate(members.items("next_steps", most=MAX_ROUTES))]
    step = context.draft.steps[name]
    if any(one.condition for one in ways) and not isinstance(step, Decision):
        context.draft.change(name, next_steps=[Route(step=_decide(name, ways, members, context))])
        return
    for one in ways:
        if one.condition:
            detail = "the routes of a decision name its outcomes"
            members.faults.add(at(one.pointer, "condition"), "condition_not_allowed", detail)
    end = [] if step.block else [Route(step=FINALIZE)]
    context.draft.change(name, next_steps=[Route(step=one.step, outcome=one.outcome) for one in ways] or end)


def _way(value: object, members: Members, index: int) -> Way:
    """A step's id, or ``{step, outcome | condition}``; outcomes may be written as the values that a decision yields."""
    pointer = at(members.pointer, "next_steps", index)
    if isinstance(value, str):
        return Way(value, None, "", pointer)
    given = Members(value, pointer, members.faults)
    step, outcome = given.text("step", most=MAX_NAME), given.raw("outcome")
    condition = given.text("condition") if given.raw("condition") is not None else ""
    given.close()
    if outcome is None:
        return Way(step, None, condition, pointer)
    if condition:
        given.fault("condition", "contradiction", "a route has an outcome or a condition")
    try:
        return Way(step, outcome_of(outcome), "", pointer)
    except ExpressionError as error:
        given.fault("outcome", "bad_outcome", error.detail)
        return Way(step, None, "", pointer)


def _decide(name: str, ways: list[Way], members: Members, context: Context) -> str:
    """Put the decision that takes the first route whose condition holds; its outcomes are the steps it leads to."""
    step, draft = context.draft.steps[name], context.draft
    decision = f"{name}{ROUTE}"
    if len(decision) > MAX_ID:
        detail = f"the id of a step with conditions has at most {MAX_ID - len(ROUTE)} characters"
        members.faults.add(at(members.pointer, "id"), "too_long", detail)
    owner = step.assigned_org if isinstance(step, Task) else context.owner(members)
    targets = list(dict.fromkeys(one.step for one in ways))
    draft.put(
        Decision(
            id=decision,
            name=step.name,
            block=step.block,
            priority=step.priority,
            assigned_org=owner,
            expression=_expression(ways, decision, members, draft),
            next_steps=[Route(step=one, outcome=one) for one in targets],
        ),
        members.pointer,
    )
    for index, target in enumerate(targets):
        draft.note(next(one.pointer for one in ways if one.step == target), decision, "next_steps", index)
    return decision


def _expression(ways: list[Way], decision: str, members: Members, draft: Draft) -> str:
    *conditional, last = ways
    for one in conditional:
        if one.condition:
            draft.reads.append(Read(decision, at(one.pointer, "condition"), one.condition))
        else:
            detail = "a route without a condition comes last, for it is always taken"
            members.faults.add(one.pointer, "unreachable_route", detail)
    if last.condition:
        draft.reads.append(Read(decision, at(last.pointer, "condition"), last.condition))
        where = at(members.pointer, "next_steps")
        hint = "add a last route without a condition"
        members.faults.add(where, "no_default", "where no condition holds, no route is taken", hint)
    text = "".join(f'({one.condition or "true"}) ? "{one.step}" : ' for one in conditional) + f'"{last.step}"'
    if len(conditional) > MAX_CONDITIONS or len(text) > MAX_TEXT or _is_too_deep(text):
        detail = f"the conditions together are too long or too deep; {MAX_CONDITIONS} are allowed"
        members.fault("next_steps", "too_many", detail, "split them over decisions")
    return text


def _is_too_deep(text: str) -> bool:
    try:
        parse(text)
    except ExpressionError as error:
        return error.code == "too_deep"
    return False
