"""Lists of steps, and the kinds of step that hold such lists: parallel and for_each."""

from collections.abc import Callable
from typing import Any

import msgspec

from tallystick.core.definition.context import Context
from tallystick.core.definition.faults import at
from tallystick.core.definition.kinds import KINDS, Job, work
from tallystick.core.definition.model import (
    MAX_BRANCHES,
    MAX_NAME,
    MAX_NESTING,
    MAX_STEPS,
    AnyStep,
    Branch,
    ForEach,
    Parallel,
    Route,
    Timer,
    UserTask,
)
from tallystick.core.definition.reading import Members, is_identifier
from tallystick.core.definition.routes import catches, lead
from tallystick.core.definition.steps import head, inputs, show

COMPLETION = ("all_branches", "any_branch", "threshold_count")
UNDOING = ("activity", "user_task")  # kinds of step that undo another


def read_list(members: Members, name: str, block: str, context: Context, end: list[Route], level: int = 0) -> str:
    """Put the steps that stand under ``name`` into the draft; the id of the first one.

    A step that does not say where it leads goes on to the next in the list, the last one to ``end``.
    """
    items = members.items(name, most=MAX_STEPS)
    if members.raw(name) in (None, []):
        members.fault(name, "required", f"{name} must hold at least one step")
    if level > MAX_NESTING:
        members.fault(name, "too_deep", f"steps stand in at most {MAX_NESTING} blocks", "use a sub_workflow")
        return ""
    ids = [_id(item) for item in items]
    for index, item in enumerate(items):
        one = Members(item, at(members.pointer, name, index), members.faults)
        following = [Route(step=ids[index + 1])] if index + 1 < len(ids) else end
        _read(one, block, context, following, level)
    return ids[0] if ids else ""


def read_handlers(members: Members, context: Context) -> None:
    """Put the steps that undo others into the draft; nothing leads to them or on from them."""
    for index, item in enumerate(members.items("compensations", most=MAX_STEPS)):
        one = Members(item, at("/compensations", index), members.faults)
        kind = one.choice("step_type", UNDOING)
        facts = {**head(one), "next_steps": [], "catches": []}
        step: AnyStep = UserTask(**facts, assigned_org="")  # what it would be where nobody knows
        if kind:
            step = _step(kind, Job(facts, one, one.inner(kind), context))
            one.close()
        for name in ("compensate_with", "hold_on_failure"):
            if one.raw(name):
                one.fault(name, "not_for_handlers", f"a step that undoes another has no {name}")
        context.draft.put(msgspec.structs.replace(step, compensates=True), one.pointer)


def parallel(job: Job) -> AnyStep:
    """Branches at once."""
    branches: list[Branch] = []
    for index, item in enumerate(job.details.items("branches", most=MAX_BRANCHES)):
        one = Members(item, at(job.details.pointer, "branches", index), job.members.faults)
        name = one.identifier()
        if name in [branch.id for branch in branches]:
            one.fault("id", "repeated_id", f"the id {name} is taken")
        title = one.text("name", default="", most=MAX_NAME)
        start = read_list(one, "steps", f"{job.name}/{name}", job.context, [], job.level + 1)
        one.close()
        branches.append(Branch(id=name, name=title, start=start))
    if job.details.raw("branches") in (None, []):
        job.details.missing("branches", "at least one")
    return Parallel(**job.facts, branches=branches, threshold=_threshold(job.details, len(branches)))


def for_each(job: Job) -> AnyStep:
    """Steps once for each element of a list."""
    details, context = job.details, job.context
    facts = work(job, timeout=None)
    items = context.expression(details, "items", job.name)
    limit = details.integer("max_concurrency", default=10, least=1, most=1000) or 1
    body = read_list(details, "steps", job.name, context, [], job.level + 1)
    return ForEach(
        **facts,
        **inputs(details, context, job.name),
        **show(job.members, context, facts["assigned_org"]),
        items=items,
        body=body,
        max_concurrency=limit,
    )


_KINDS: dict[str, Callable[[Job], AnyStep]] = {**KINDS, "parallel": parallel, "for_each": for_each}


def _read(members: Members, block: str, context: Context, following: list[Route], level: int) -> None:
    facts = {**head(members), "block": block, "next_steps": []}
    kind = members.choice("step_type", tuple(_KINDS))
    if not kind:  # what the rest of it would mean nobody knows; its place is kept
        context.draft.put(Timer(**facts, duration_seconds=1), members.pointer)
        context.draft.is_whole = False
        return
    details = members.inner(kind)
    facts["catches"] = [] if kind == "timer" else catches(members, context.draft, facts["id"], details)
    # Its place in the order of the source is before the steps inside it.
    place = len(context.draft.steps)
    step = _step(kind, Job(facts, members, details, context, level))
    context.draft.put(step, members.pointer, place)
    if context.draft.steps.get(step.id) is step:
        lead(step.id, members, context, following)
    members.close()


def _step(kind: str, job: Job) -> AnyStep:
    step = _KINDS[kind](job)
    job.details.close()
    return step


def _threshold(details: Members, total: int) -> int:
    kind = details.choice("completion_type", COMPLETION, default="all_branches")
    given = details.integer("threshold_count", default=None, least=1, most=max(total, 1))
    if kind == "threshold_count":
        if details.raw("threshold_count") is None:
            details.missing("threshold_count")
        return given or 1
    if details.raw("threshold_count") is not None:
        details.fault("threshold_count", "contradiction", f"{kind} says already how many branches it takes")
    return 1 if kind == "any_branch" else max(total, 1)


def _id(item: Any) -> str:
    name = item.get("id") if isinstance(item, dict) else None
    return str(name) if is_identifier(name) else ""
