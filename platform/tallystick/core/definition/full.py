"""The full form (names.md, Workflow), first cut: activity, user_task, decision by expression, timer."""

from typing import Any

from tallystick.core.definition.details import TALKING, Reader
from tallystick.core.definition.draft import Draft
from tallystick.core.definition.faults import Faults, at
from tallystick.core.definition.forms import approval_form, form
from tallystick.core.definition.reading import MAX_NAME, Members
from tallystick.core.definition.steps import (
    FINALIZE,
    INITIALIZE,
    MAX_STEPS,
    REJECTED,
    TEN_YEARS,
    Step,
    assign,
    blank,
    prioritise,
    retry,
    show,
    system,
    time,
)
from tallystick.core.expression.evaluate import outcome_of
from tallystick.core.expression.lexer import ExpressionError

LATER = ("wait", "parallel", "for_each", "sub_workflow")
ACTIVITY_TIMEOUT = 3600  # seconds
MAX_ROUTES = 50


def compile_steps(source: Members, organisations: list[str], faults: Faults) -> Draft:
    """The steps of a full definition, between the system's own."""
    source.refuse_later("triggers", "input_schema")
    items = source.items("steps", most=MAX_STEPS)
    if source.raw("steps") in (None, []):
        source.fault("steps", "required", "a workflow needs at least one step", "tasks make a short definition")
    draft = Draft(faults)
    draft.put(system(INITIALIZE))
    for index, item in enumerate(items):
        members = Members(item, at("/steps", index), faults)
        step = _step(members, organisations)
        step["next_steps"] = step["next_steps"] or [{"step": FINALIZE}]
        draft.put(step, members.pointer)
        if index == 0:
            draft.steps[INITIALIZE]["next_steps"] = [{"step": step["id"]}]
    draft.put(system(FINALIZE, "completed"))
    if any(route["step"] == REJECTED for step in draft.steps.values() for route in step["next_steps"]):
        draft.put(system(REJECTED, "rejected"))
    return draft


def _step(members: Members, organisations: list[str]) -> Step:
    kind = _kind(members)
    step = blank(members.identifier(), members.text("name", most=MAX_NAME), kind)
    step["description"] = members.text("description", default="")
    step["next_steps"] = [_route(one, members, index) for index, one in _routes(members)]
    prioritise(step, members)
    if kind:
        details = members.inner(kind)
        _assign(step, members, details, organisations)
        _KINDS[kind](step, details, organisations)
        details.close()
    if not step["targets"]:
        show(step, members, organisations)
    members.close()
    return step


def _assign(step: Step, members: Members, details: Members, organisations: list[str]) -> None:
    """Whose step it is; a user task may say so by ``assignee`` instead, as ``org:{org_id}``."""
    if step["step_type"] == "timer":
        return  # nobody does it; the coordinator's clock does
    assignee = details.raw("assignee") if step["step_type"] == "user_task" else None
    if assignee is None or members.raw("assigned_org") is not None:
        assign(step, members, organisations)
    if assignee is None:
        return
    known = {f"org:{one}": one for one in organisations}
    org = known.get(assignee) if isinstance(assignee, str) else None
    if org is None:
        pointer = at(details.pointer, "assignee")
        details.faults.unknown(pointer, "unknown_organisation", "participant", assignee, known)
    elif step["assigned_org"] not in {None, org}:
        details.fault("assignee", "contradiction", f"the step is assigned to {step['assigned_org']}")
    else:
        step["assigned_org"] = org


def _kind(members: Members) -> str:
    kind = members.raw("step_type")
    if isinstance(kind, str) and kind in LATER:
        members.fault("step_type", "not_supported", f"steps of type {kind} are not supported yet")
        members.raw(kind)
        return ""
    return members.choice("step_type", tuple(_KINDS))


def _routes(members: Members) -> list[tuple[int, Any]]:
    return list(enumerate(members.items("next_steps", most=MAX_ROUTES)))


def _route(value: Any, members: Members, index: int) -> dict[str, str]:
    """A step's id, or ``{step, outcome}``; outcomes may be written as the values that a decision yields."""
    if isinstance(value, str):
        return {"step": value}
    route = Members(value, at(members.pointer, "next_steps", index), members.faults)
    step, outcome = route.text("step", most=MAX_NAME), route.raw("outcome")
    route.close()
    if outcome is None:
        return {"step": step}
    try:
        return {"outcome": outcome_of(outcome), "step": step}
    except ExpressionError as error:
        route.fault("outcome", "bad_outcome", error.detail)
        return {"step": step}


def _activity(step: Step, details: Members, organisations: list[str]) -> None:
    step["activity_type"] = details.text("activity_type", most=MAX_NAME)
    time(step, details, default=ACTIVITY_TIMEOUT)
    retry(step, details)
    talk = TALKING.get(step["activity_type"])
    if talk is None:
        step["input"] = details.document("input") or {}
        return
    given = details.inner("input")
    talk(step, given, organisations)
    given.close()


def _user_task(step: Step, details: Members, organisations: list[str]) -> None:
    approval = details.text("task_type", default="", most=MAX_NAME) == "approval"
    step["name"] = details.text("title", default=step["name"], most=MAX_NAME)
    step["description"] = details.text("description", default=step["description"])
    step["form"] = approval_form() if approval else form(details, "form_properties")
    time(step, details, default=None)
    retry(step, details)
    details.refuse_later("candidate_groups", "due_date_expression")


def _decision(step: Step, details: Members, organisations: list[str]) -> None:
    details.refuse_later("decision_table")
    if details.raw("decision_table") is None:
        step["expression"] = details.text("expression")


def _timer(step: Step, details: Members, organisations: list[str]) -> None:
    step["duration_seconds"] = details.integer("duration_seconds", default=None, least=1, most=TEN_YEARS)
    if details.raw("duration_seconds") is None:
        details.missing("duration_seconds")


_KINDS: dict[str, Reader] = {
    "activity": _activity,
    "user_task": _user_task,
    "decision": _decision,
    "timer": _timer,
}
