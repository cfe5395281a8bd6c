"""The short form (names.md, Collaboration): a list of tasks, in order."""

from collections.abc import Callable

from tallystick.core.definition.faults import Faults, at
from tallystick.core.definition.reading import MAX_NAME, Members
from tallystick.core.definition.steps import (
    PRIORITIES,
    Step,
    approval_form,
    blank,
    form,
    retry_policy,
    system,
    timing,
)

INITIALIZE, FINALIZE, REJECTED = "initialize_collaboration", "finalize_collaboration", "finalize_rejected"
TASK_TYPES = ("activity", "approval", "data_exchange", "notification")
MAX_TASKS = 200
RESERVED = (INITIALIZE, FINALIZE, REJECTED)


class Task:
    """A task read from the source: its step, and for an approval what follows a rejection."""

    def __init__(self, step: Step, kind: str, on_rejected: list[str]) -> None:
        self.step = step
        self.kind = kind
        self.on_rejected = on_rejected


def compile_tasks(source: Members, organisations: list[str], faults: Faults) -> dict[str, Step]:
    """The steps of a short definition, by id."""
    items = source.items("tasks", most=MAX_TASKS)
    if not items:
        faults.add("/tasks", "no_tasks", "a collaboration needs at least one task")
    ids = [item.get("id") for item in items if isinstance(item, dict)]
    tasks: dict[str, Task] = {}
    for index, item in enumerate(items):
        task = _task(Members(item, at("/tasks", index), faults), organisations, [i for i in ids if isinstance(i, str)])
        name = task.step["id"]
        if name in tasks or name in RESERVED:
            faults.add(at("/tasks", index, "id"), "repeated_id", f"the id {name} is taken")
        tasks[name] = task
    return _steps(tasks, faults)


def _steps(tasks: dict[str, Task], faults: Faults) -> dict[str, Step]:
    aside = [name for task in tasks.values() for name in task.on_rejected]
    for name in {name for name in aside if aside.count(name) > 1}:
        faults.add("/tasks", "shared_rejection", f"task {name} follows the rejection of more than one approval")
    main = [task for name, task in tasks.items() if name not in aside]
    steps = {INITIALIZE: system(INITIALIZE)}
    first = _chain(steps, main, FINALIZE, tasks)
    steps[INITIALIZE]["next_steps"] = [{"step": first}]
    steps[FINALIZE] = system(FINALIZE, "completed")
    if any(task.kind == "approval" for task in tasks.values()):
        steps[REJECTED] = system(REJECTED, "rejected")
    return steps


def _chain(steps: dict[str, Step], path: list[Task], end: str, tasks: dict[str, Task]) -> str:
    """Link ``path`` towards ``end``; the id of its first step."""
    following = end
    for task in reversed(path):
        step = task.step
        steps[step["id"]] = step
        if task.kind == "approval":
            step["next_steps"] = [{"step": f"{step['id']}_decision"}]
            rejected = _chain(steps, [tasks[n] for n in task.on_rejected if n in tasks], REJECTED, {})
            decision = _decision(step, following, rejected)
            steps[decision["id"]] = decision
        else:
            step["next_steps"] = [{"step": following}]
        following = step["id"]
    return str(following)


def _decision(approval: Step, approved: str, rejected: str) -> Step:
    step = blank(f"{approval['id']}_decision", approval["name"], "decision")
    step["assigned_org"] = approval["assigned_org"]
    step["priority"] = approval["priority"]
    step["expression"] = f'steps["{approval["id"]}"].approval_decision'
    step["next_steps"] = [{"outcome": "true", "step": approved}, {"outcome": "false", "step": rejected}]
    return step


def _task(members: Members, organisations: list[str], ids: list[str]) -> Task:
    kind = members.choice("task_type", TASK_TYPES)
    step = blank(members.identifier(), members.text("name", most=MAX_NAME), "activity")
    step["description"] = members.text("description", default="")
    assigned = members.raw("assigned_org")
    if assigned not in organisations:
        members.faults.unknown(
            at(members.pointer, "assigned_org"), "unknown_organisation", "participant", assigned, organisations
        )
    step["assigned_org"] = assigned if assigned in organisations else None
    step["priority"] = members.choice("priority", PRIORITIES, default="normal")
    timing(members, step, default=3600)
    policy = members.raw("retry_policy")
    pointer = at(members.pointer, "retry_policy")
    step["retry_policy"] = retry_policy(Members(policy, pointer, members.faults) if policy is not None else None)
    given = members.raw("parameters")
    parameters = Members({} if given is None else given, at(members.pointer, "parameters"), members.faults)
    on_rejected = parameters.names("on_rejected", ids, "task") if kind == "approval" else []
    _KINDS[kind](step, parameters, organisations)
    parameters.close()
    members.close()
    return Task(step, kind, on_rejected)


def _visible(step: Step, parameters: Members, organisations: list[str]) -> None:
    readers = parameters.names("visible_to", organisations, "organisation")
    if readers:
        step["visible_to"] = sorted({*readers, step["assigned_org"] or ""} - {""})


def _activity(step: Step, parameters: Members, organisations: list[str]) -> None:
    step["activity_type"] = parameters.text("activity_type", default="manual", most=MAX_NAME)
    step["form"] = form(parameters, "form_properties")
    step["input"] = parameters.document("input") or {}
    _visible(step, parameters, organisations)


def _approval(step: Step, parameters: Members, organisations: list[str]) -> None:
    step["step_type"] = "user_task"
    step["form"] = approval_form()
    step["input"] = parameters.document("input") or {}
    _visible(step, parameters, organisations)


def _data_exchange(step: Step, parameters: Members, organisations: list[str]) -> None:
    step["activity_type"] = "data_exchange"
    step["targets"] = _targets(parameters, organisations)
    step["data_schema"] = parameters.document("data_schema")
    step["encryption_required"] = parameters.boolean("encryption_required", default=True)
    step["form"] = form(parameters, "form_properties")
    step["visible_to"] = sorted({*step["targets"], step["assigned_org"] or ""} - {""})


def _notification(step: Step, parameters: Members, organisations: list[str]) -> None:
    step["activity_type"] = "notification"
    step["targets"] = _targets(parameters, organisations)
    step["notification_type"] = parameters.text("notification_type", default="direct_message", most=MAX_NAME)
    step["message"] = parameters.text("message")
    step["requires_acknowledgment"] = parameters.boolean("requires_acknowledgment", default=False)


def _targets(parameters: Members, organisations: list[str]) -> list[str]:
    targets = parameters.names("target_orgs", organisations, "organisation")
    if not targets:
        parameters.faults.add(at(parameters.pointer, "target_orgs"), "no_targets", "names no organisation to reach")
    return targets


_KINDS: dict[str, Callable[[Step, Members, list[str]], None]] = {
    "activity": _activity,
    "approval": _approval,
    "data_exchange": _data_exchange,
    "notification": _notification,
}
