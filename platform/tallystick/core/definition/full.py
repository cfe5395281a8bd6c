"""The full form (names.md, Workflow), first cut: activity, user_task, decision by expression, timer."""

from collections.abc import Callable
from typing import Any

from tallystick.core.definition.faults import Faults, at
from tallystick.core.definition.reading import MAX_NAME, Members
from tallystick.core.definition.short import FINALIZE, INITIALIZE, RESERVED
from tallystick.core.definition.steps import (
    PRIORITIES,
    TEN_YEARS,
    Step,
    approval_form,
    blank,
    form,
    retry_policy,
    system,
    timing,
)
from tallystick.core.expression.lexer import ExpressionError
from tallystick.core.expression.parser import parse

STEP_TYPES = ("activity", "user_task", "decision", "timer")
LATER = ("wait", "parallel", "for_each", "sub_workflow")
MAX_STEPS = 200


def compile_steps(source: Members, organisations: list[str], faults: Faults) -> dict[str, Step]:
    """The steps of a full definition, between the two system steps."""
    for name in ("triggers", "input_schema"):
        if source.raw(name):
            faults.add(f"/{name}", "not_supported", f"{name} are not supported yet")
    items = source.items("steps", most=MAX_STEPS)
    if not items:
        faults.add("/steps", "no_steps", "a workflow needs at least one step")
    steps: dict[str, Step] = {INITIALIZE: system(INITIALIZE)}
    for index, item in enumerate(items):
        step = _step(Members(item, at("/steps", index), faults), organisations)
        if step["id"] in steps or step["id"] in RESERVED:
            faults.add(at("/steps", index, "id"), "repeated_id", f"the id {step['id']} is taken")
        steps[step["id"]] = step
        if index == 0:
            steps[INITIALIZE]["next_steps"] = [{"step": step["id"]}]
    steps[FINALIZE] = system(FINALIZE, "completed")
    for step in steps.values():
        if not step["next_steps"] and step["step_type"] != "system":
            step["next_steps"] = [{"step": FINALIZE}]
    return steps


def _step(members: Members, organisations: list[str]) -> Step:
    kind = members.raw("step_type")
    if kind in LATER:
        members.faults.add(
            at(members.pointer, "step_type"), "not_supported", f"steps of type {kind} are not supported yet"
        )
    elif kind not in STEP_TYPES:
        members.faults.unknown(at(members.pointer, "step_type"), "unknown_value", "step_type", kind, STEP_TYPES)
    step = blank(members.identifier(), members.text("name", most=MAX_NAME), str(kind))
    step["description"] = members.text("description", default="")
    step["next_steps"] = [_route(one, members, index) for index, one in enumerate(members.items("next_steps", most=50))]
    if kind != "timer":
        assigned = members.raw("assigned_org")
        if assigned not in organisations:
            members.faults.unknown(
                at(members.pointer, "assigned_org"), "unknown_organisation", "participant", assigned, organisations
            )
        step["assigned_org"] = assigned if assigned in organisations else None
    step["priority"] = members.choice("priority", PRIORITIES, default="normal")
    readers = members.names("visible_to", organisations, "organisation")
    if readers:
        step["visible_to"] = sorted({*readers, step["assigned_org"] or ""} - {""})
    if kind in STEP_TYPES:
        details = Members(members.raw(str(kind)), at(members.pointer, kind), members.faults)
        _KINDS[str(kind)](step, details, organisations)
        details.close()
    members.close()
    return step


def _route(value: Any, members: Members, index: int) -> dict[str, str]:
    if isinstance(value, str):
        return {"step": value}
    route = Members(value, at(members.pointer, "next_steps", index), members.faults)
    step = route.text("step", most=64)
    outcome = route.raw("outcome")
    route.close()
    return {"outcome": outcome, "step": step} if isinstance(outcome, str) else {"step": step}


def _common(step: Step, details: Members, default: int | None) -> None:
    timing(details, step, default=default)
    policy = details.raw("retry_policy")
    pointer = at(details.pointer, "retry_policy")
    step["retry_policy"] = retry_policy(Members(policy, pointer, details.faults) if policy is not None else None)


def _activity(step: Step, details: Members, organisations: list[str]) -> None:
    step["activity_type"] = details.text("activity_type", most=MAX_NAME)
    step["input"] = details.document("input") or {}
    _common(step, details, 3600)


def _user_task(step: Step, details: Members, organisations: list[str]) -> None:
    approval = details.raw("task_type") == "approval"
    details.text("title", default=step["name"])
    step["description"] = details.text("description", default=step["description"])
    step["form"] = approval_form() if approval else form(details, "form_properties")
    _common(step, details, None)


def _decision(step: Step, details: Members, organisations: list[str]) -> None:
    if details.raw("decision_table") is not None:
        details.faults.add(
            at(details.pointer, "decision_table"), "not_supported", "decision tables are not supported yet"
        )
        details.raw("expression")
        return
    step["expression"] = details.text("expression")
    try:
        parse(step["expression"])
    except ExpressionError as error:
        details.faults.add(at(details.pointer, "expression"), "bad_expression", error.detail)


def _timer(step: Step, details: Members, organisations: list[str]) -> None:
    step["duration_seconds"] = details.integer("duration_seconds", default=None, least=1, most=TEN_YEARS)
    if step["duration_seconds"] is None:
        details.faults.add(at(details.pointer, "duration_seconds"), "bad_value", "a timer needs a duration")


_KINDS: dict[str, Callable[[Step, Members, list[str]], None]] = {
    "activity": _activity,
    "user_task": _user_task,
    "decision": _decision,
    "timer": _timer,
}
