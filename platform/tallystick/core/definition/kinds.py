"""The full form's kinds of step that hold no other steps."""

from collections.abc import Callable
from typing import NamedTuple

from tallystick.core.definition.context import Context
from tallystick.core.definition.cron import cron_line, time_zone
from tallystick.core.definition.details import TALKING
from tallystick.core.definition.faults import at
from tallystick.core.definition.forms import approval_form, form
from tallystick.core.definition.instants import milliseconds
from tallystick.core.definition.model import (
    MAX_CODES,
    MAX_NAME,
    TEN_YEARS,
    Activity,
    AnyStep,
    Decision,
    SubWorkflow,
    Timer,
    UserTask,
    Wait,
)
from tallystick.core.definition.reading import Members
from tallystick.core.definition.rules import table
from tallystick.core.definition.schemas import schema
from tallystick.core.definition.steps import Facts, inputs, mapping, retry, show, times

ACTIVITY_TIMEOUT = 3600  # seconds


class Job(NamedTuple):
    """A step to be read: what is known of it, its members, and those of its kind's object."""

    facts: Facts
    members: Members
    details: Members
    context: Context
    level: int = 0  # how many blocks it stands in

    @property
    def name(self) -> str:
        """Its id."""
        return str(self.facts["id"])


def work(job: Job, *, timeout: int | None, org: str | None = None) -> Facts:
    """What every step says that an organisation does."""
    return {
        **job.facts,
        "assigned_org": job.context.owner(job.members) if org is None else org,
        **times(job.details, default=timeout),
        "retry_policy": retry(job.details),
        "hold_on_failure": job.members.boolean("hold_on_failure", default=False),
        "compensate_with": job.members.text("compensate_with", default="", most=MAX_NAME) or None,
    }


def activity(job: Job) -> AnyStep:
    """Work by a function, an external worker or people; the built-in ones that talk have kinds of their own."""
    kind = job.details.text("activity_type", most=MAX_NAME)
    facts = work(job, timeout=ACTIVITY_TIMEOUT)
    if kind in TALKING:
        given = job.details.inner("input")
        step = TALKING[kind](facts, given, job.context)
        given.close()
        return step
    fields = form(job.details, "form_properties")
    mapped = mapping(job.details, "output_mapping", job.context, job.name, ("result",))
    if fields and mapped:
        job.details.fault("output_mapping", "contradiction", "a form's fields are the step's data already")
    return Activity(
        **facts,
        **inputs(job.details, job.context, job.name),
        **show(job.members, job.context, facts["assigned_org"]),
        activity_type=kind,
        task_queue=job.details.text("task_queue", default="", most=MAX_NAME) or None,
        heartbeat_seconds=job.details.integer("heartbeat_seconds", default=None, least=1, most=TEN_YEARS),
        output_mapping=mapped,
        result_schema=schema(job.details, "result_schema"),
        form=fields,
    )


def user_task(job: Job) -> AnyStep:
    """Work by people; ``title`` and ``description`` go before the step's own."""
    details = job.details
    is_approval = details.text("task_type", default="", most=MAX_NAME) == "approval"
    facts = work(job, timeout=None, org=_assignee(job))
    facts["name"] = details.text("title", default=facts["name"], most=MAX_NAME)
    facts["description"] = details.text("description", default=facts["description"])
    due = None
    if details.raw("due_date_expression") is not None:
        due = job.context.expression(details, "due_date_expression", job.name)
    return UserTask(
        **facts,
        **inputs(details, job.context, job.name),
        **show(job.members, job.context, facts["assigned_org"]),
        form=approval_form() if is_approval else form(details, "form_properties"),
        candidate_groups=details.words("candidate_groups", most=MAX_CODES),
        due_date=due,
        result_schema=schema(details, "result_schema"),
    )


def decision(job: Job) -> AnyStep:
    """By an expression or by a table."""
    details, org = job.details, job.context.owner(job.members)
    facts = {**job.facts, "assigned_org": org, **show(job.members, job.context, org)}
    facts["hold_on_failure"] = job.members.boolean("hold_on_failure", default=False)
    if details.raw("decision_table") is None:
        return Decision(**facts, expression=job.context.expression(details, "expression", job.name))
    if details.raw("expression") is not None:
        details.fault("expression", "contradiction", "a decision has an expression or a table")
    given = details.inner("decision_table")
    job.context.draft.note(given.pointer, job.name, "table")
    rules = table(given, job.context, job.name)
    given.close()
    return Decision(**facts, table=rules)


def timer(job: Job) -> AnyStep:
    """Nobody does it; the coordinator's clock does."""
    details = job.details
    names = [name for name in ("duration_seconds", "until", "cron") if details.raw(name) is not None]
    if not names:
        details.missing("duration_seconds", "or until, or cron")
    for name in names[1:]:
        details.fault(name, "contradiction", f"{names[0]} says already when the timer is due")
    cron = cron_line(details)
    return Timer(
        **job.facts,
        duration_seconds=details.integer("duration_seconds", default=None, least=1, most=TEN_YEARS),
        until=_until(details),
        cron=cron,
        time_zone=time_zone(details, job.context.time_zones) if cron is not None else None,
    )


def wait(job: Job) -> AnyStep:
    """For a signal."""
    senders: list[str] = []
    if job.details.raw("from") is not None:
        named = job.context.audience(job.details, "from", "")
        senders = named if isinstance(named, list) else []
    return Wait(
        **job.facts,
        event_name=job.details.identifier("event_name"),
        senders=senders,
        timeout_seconds=job.details.integer("timeout_seconds", default=None, least=1, most=TEN_YEARS),
    )


def sub_workflow(job: Job) -> AnyStep:
    """A child execution of a definition that stands in this one."""
    known = job.context.definitions
    name = job.details.raw("workflow_id")
    if name is None:
        job.details.missing("workflow_id", "the id of a definition in definitions")
    elif not isinstance(name, str) or name not in known:
        pointer = at(job.details.pointer, "workflow_id")
        job.members.faults.unknown(pointer, "unknown_workflow", "definition", name, known)
    facts = work(job, timeout=None)
    return SubWorkflow(
        **facts,
        **inputs(job.details, job.context, job.name),
        **show(job.members, job.context, facts["assigned_org"]),
        output_mapping=mapping(job.details, "output_mapping", job.context, job.name, ("result",)),
        definition=name if isinstance(name, str) else "",
    )


KINDS: dict[str, Callable[[Job], AnyStep]] = {
    "activity": activity,
    "user_task": user_task,
    "decision": decision,
    "timer": timer,
    "wait": wait,
    "sub_workflow": sub_workflow,
}


def _assignee(job: Job) -> str | None:
    """The organisation that ``assignee`` names as ``org:{org_id}``; None when the step's own members say."""
    assignee = job.details.raw("assignee")
    if assignee is None:
        return None
    known = {f"org:{one}": one for one in job.context.participants}
    org = known.get(assignee) if isinstance(assignee, str) else None
    if org is None:
        pointer = at(job.details.pointer, "assignee")
        job.details.faults.unknown(pointer, "unknown_organisation", "participant", assignee, known)
        return None if _is_assigned(job.members) else ""
    if _is_assigned(job.members) and (other := job.context.owner(job.members)) != org and other:
        job.details.fault("assignee", "contradiction", f"the step is assigned to {other}")
    return org


def _is_assigned(members: Members) -> bool:
    return members.raw("assigned_org") is not None or members.raw("assigned_role") is not None


def _until(details: Members) -> int | None:
    if details.raw("until") is None:
        return None
    text = details.text("until", most=MAX_NAME)
    instant = milliseconds(text)
    if text and instant is None:
        details.fault("until", "bad_instant", "until is an RFC 3339 instant", "such as 2026-11-24T18:00:00Z")
    return instant
