"""The short form (names.md, Collaboration): a list of tasks, in order.

An approval ``x`` becomes the user task ``x`` and the decision ``x_decision``; what its ``on_rejected`` names leaves the
main path and follows a rejection, in that order, to ``finalize_rejected``.
"""

from itertools import pairwise
from typing import NamedTuple

from tallystick.core.definition.context import Context
from tallystick.core.definition.details import TALKING
from tallystick.core.definition.draft import Draft
from tallystick.core.definition.faults import Faults, at
from tallystick.core.definition.forms import approval_form, form
from tallystick.core.definition.model import (
    MAX_ID,
    MAX_NAME,
    MAX_STEPS,
    Activity,
    AnyStep,
    Begin,
    Decision,
    End,
    Route,
    UserTask,
)
from tallystick.core.definition.reading import Members
from tallystick.core.definition.steps import Facts, head, retry, show, times
from tallystick.core.definition.words import FINALIZE, INITIALIZE, REJECTED

TASK_TIMEOUT = 3600  # seconds
KINDS = ("activity", "approval", *TALKING)
DECISION = "_decision"


class Given(NamedTuple):
    """A task read from the source: where it stands, and for an approval what follows a rejection."""

    pointer: str
    on_rejected: list[str] | None = None


def compile_tasks(source: Members, context: Context) -> None:
    """Put the steps of a short definition into the draft."""
    items = source.items("tasks", most=MAX_STEPS)
    if source.raw("tasks") in (None, []):
        source.fault("tasks", "required", "a collaboration needs at least one task")
    ids = [item["id"] for item in items if isinstance(item, dict) and isinstance(item.get("id"), str)]
    draft, tasks = context.draft, dict[str, Given]()
    draft.put(Begin(id=INITIALIZE, name=INITIALIZE))
    for index, item in enumerate(items):
        members = Members(item, at("/tasks", index), source.faults)
        step, given = _task(members, context, ids)
        draft.put(step, given.pointer)
        if given.on_rejected is not None:
            draft.put(_decision(step, given.pointer, source.faults), given.pointer)
        tasks[step.id] = given
    draft.put(End(id=FINALIZE, name=FINALIZE))
    _link(draft, tasks)


def _task(members: Members, context: Context, ids: list[str]) -> tuple[AnyStep, Given]:
    facts = {
        **head(members),
        "assigned_org": context.owner(members),
        **times(members, default=TASK_TIMEOUT),
        "retry_policy": retry(members),
    }
    kind = members.choice("task_type", KINDS)
    parameters = members.inner("parameters")
    on_rejected = parameters.names("on_rejected", ids, "task") if kind == "approval" else None
    step = _step(kind, facts, parameters, context)
    if kind:
        parameters.close()
    members.close()
    return step, Given(members.pointer, on_rejected)


def _step(kind: str, facts: Facts, parameters: Members, context: Context) -> AnyStep:
    if kind in TALKING:
        return TALKING[kind](facts, parameters, context)
    if not kind:
        return UserTask(**facts)  # what it would be nobody knows; its place is kept
    given = {"input": parameters.document("input") or {}, **show(parameters, context, facts["assigned_org"])}
    if kind == "approval":
        return UserTask(**facts, **given, form=approval_form())
    activity_type = parameters.text("activity_type", default="manual", most=MAX_NAME)
    if activity_type in TALKING:
        parameters.fault("activity_type", "bad_value", f"for this there is the task_type {activity_type}")
    return Activity(**facts, **given, activity_type=activity_type, form=form(parameters, "form_properties"))


def _decision(approval: AnyStep, pointer: str, faults: Faults) -> AnyStep:
    """The decision of the same organisation on its own approval."""
    name = f"{approval.id}{DECISION}"
    if len(name) > MAX_ID:
        longest = MAX_ID - len(DECISION)
        faults.add(at(pointer, "id"), "too_long", f"the id of an approval has at most {longest} characters")
    return Decision(
        id=name,
        name=approval.name,
        priority=approval.priority,
        assigned_org=getattr(approval, "assigned_org", ""),
        expression=f'steps["{approval.id}"].approval_decision',
    )


def _link(draft: Draft, tasks: dict[str, Given]) -> None:
    """Set the routes of the main path and of every path that follows a rejection."""
    owners = _owners(draft.faults, tasks)
    _chain(draft, tasks, [INITIALIZE, *(name for name in tasks if name not in owners), FINALIZE])
    approvals = [(name, task.on_rejected) for name, task in tasks.items() if task.on_rejected is not None]
    if approvals:
        draft.put(End(id=REJECTED, name=REJECTED, result="rejected"))
    for name, on_rejected in approvals:
        path = [one for one in on_rejected if owners.get(one) == name]
        rejection = Route(step=[*path, REJECTED][0], outcome="false")
        decision = f"{name}{DECISION}"
        draft.change(decision, next_steps=[*draft.steps[decision].next_steps, rejection])
        _chain(draft, tasks, [*path, REJECTED])


def _chain(draft: Draft, tasks: dict[str, Given], path: list[str]) -> None:
    """Link each step of ``path`` to the one that follows it, approvals through their decision."""
    for name, following in pairwise(path):
        if name in tasks and tasks[name].on_rejected is not None:
            draft.change(name, next_steps=[Route(step=f"{name}{DECISION}")])
            draft.change(f"{name}{DECISION}", next_steps=[Route(step=following, outcome="true")])
        else:
            draft.change(name, next_steps=[Route(step=following)])


def _owners(faults: Faults, tasks: dict[str, Given]) -> dict[str, str]:
    """The approval whose rejection each task off the main path follows."""
    owners: dict[str, str] = {}
    for name, task in tasks.items():
        for index, one in enumerate(task.on_rejected or []):
            if one not in tasks:
                continue  # its id is no id, which has been noted
            if one in owners:
                pointer = at(task.pointer, "parameters", "on_rejected", index)
                faults.add(pointer, "shared_task", f"{one} follows the rejection of {owners[one]} already")
            owners.setdefault(one, name)
    for name in owners:
        if _is_circular(name, owners):
            faults.add(tasks[name].pointer, "circular_rejection", f"{name} would follow its own rejection")
    return owners


def _is_circular(name: str, owners: dict[str, str]) -> bool:
    """Whether walking up from ``name`` comes back to it."""
    above, left = owners.get(name), len(owners)
    while above and above != name and left:
        above, left = owners.get(above), left - 1
    return above == name
