"""The short form (names.md, Collaboration): a list of tasks, in order.

An approval ``x`` becomes the user task ``x`` and the decision ``x_decision``; what its ``on_rejected`` names leaves the
main path and follows a rejection, in that order, to ``finalize_rejected``.
"""

from itertools import pairwise

import msgspec

from tallystick.core.definition.details import TALKING, Reader
from tallystick.core.definition.draft import Draft
from tallystick.core.definition.faults import Faults, at
from tallystick.core.definition.forms import approval_form, form
from tallystick.core.definition.reading import MAX_ID, MAX_NAME, Members
from tallystick.core.definition.steps import (
    FINALIZE,
    INITIALIZE,
    MAX_STEPS,
    REJECTED,
    Step,
    assign,
    blank,
    prioritise,
    retry,
    show,
    system,
    time,
)

TASK_TIMEOUT = 3600  # seconds
_DECISION = "_decision"


class Task(msgspec.Struct, frozen=True):
    """A task read from the source: its step, where it stands, and for an approval what follows a rejection."""

    step: Step
    pointer: str
    on_rejected: list[str] | None = None


def compile_tasks(source: Members, organisations: list[str], faults: Faults) -> Draft:
    """The steps of a short definition."""
    items = source.items("tasks", most=MAX_STEPS)
    if source.raw("tasks") in (None, []):
        source.fault("tasks", "required", "a collaboration needs at least one task")
    ids = [item["id"] for item in items if isinstance(item, dict) and isinstance(item.get("id"), str)]
    draft, tasks = Draft(faults), dict[str, Task]()
    draft.put(system(INITIALIZE))
    for index, item in enumerate(items):
        task = _task(Members(item, at("/tasks", index), faults), organisations, ids)
        draft.put(task.step, task.pointer)
        if task.on_rejected is not None:
            draft.put(_decision(task.step, faults, task.pointer), task.pointer)
        tasks[task.step["id"]] = task
    draft.put(system(FINALIZE, "completed"))
    _link(draft, tasks, faults)
    return draft


def _task(members: Members, organisations: list[str], ids: list[str]) -> Task:
    step = blank(members.identifier(), members.text("name", most=MAX_NAME), "activity")
    step["description"] = members.text("description", default="")
    assign(step, members, organisations)
    prioritise(step, members)
    time(step, members, default=TASK_TIMEOUT)
    retry(step, members)
    kind = members.choice("task_type", tuple(_KINDS))
    parameters = members.inner("parameters")
    on_rejected = parameters.names("on_rejected", ids, "task") if kind == "approval" else None
    if kind:
        _KINDS[kind](step, parameters, organisations)
        parameters.close()
    members.close()
    return Task(step, members.pointer, on_rejected)


def _activity(step: Step, parameters: Members, organisations: list[str]) -> None:
    step["activity_type"] = parameters.text("activity_type", default="manual", most=MAX_NAME)
    if step["activity_type"] in TALKING:
        parameters.fault("activity_type", "bad_value", f"for this there is the task_type {step['activity_type']}")
    step["form"] = form(parameters, "form_properties")
    step["input"] = parameters.document("input") or {}
    show(step, parameters, organisations)


def _approval(step: Step, parameters: Members, organisations: list[str]) -> None:
    step["step_type"] = "user_task"
    step["form"] = approval_form()
    step["input"] = parameters.document("input") or {}
    show(step, parameters, organisations)


_KINDS: dict[str, Reader] = {"activity": _activity, "approval": _approval, **TALKING}


def _decision(approval: Step, faults: Faults, pointer: str) -> Step:
    """The decision of the same organisation on its own approval."""
    name = f"{approval['id']}{_DECISION}"
    if len(name) > MAX_ID:
        longest = MAX_ID - len(_DECISION)
        faults.add(at(pointer, "id"), "too_long", f"the id of an approval has at most {longest} characters")
    step = blank(name, approval["name"], "decision")
    step["assigned_org"] = approval["assigned_org"]
    step["priority"] = approval["priority"]
    step["expression"] = f'steps["{approval["id"]}"].approval_decision'
    return step


def _link(draft: Draft, tasks: dict[str, Task], faults: Faults) -> None:
    """Set the routes of the main path and of every path that follows a rejection."""
    owners = _owners(tasks, faults)
    _chain(draft, tasks, [INITIALIZE, *(name for name in tasks if name not in owners), FINALIZE])
    approvals = [(name, task.on_rejected) for name, task in tasks.items() if task.on_rejected is not None]
    if approvals:
        draft.put(system(REJECTED, "rejected"))
    for name, on_rejected in approvals:
        path = [one for one in on_rejected if owners.get(one) == name]
        draft.steps[f"{name}{_DECISION}"]["next_steps"].append({"outcome": "false", "step": [*path, REJECTED][0]})
        _chain(draft, tasks, [*path, REJECTED])


def _chain(draft: Draft, tasks: dict[str, Task], path: list[str]) -> None:
    """Link each step of ``path`` to the one that follows it, approvals through their decision."""
    for name, following in pairwise(path):
        if name in tasks and tasks[name].on_rejected is not None:
            draft.steps[name]["next_steps"] = [{"step": f"{name}{_DECISION}"}]
            draft.steps[f"{name}{_DECISION}"]["next_steps"] = [{"outcome": "true", "step": following}]
        else:
            draft.steps[name]["next_steps"] = [{"step": following}]


def _owners(tasks: dict[str, Task], faults: Faults) -> dict[str, str]:
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
