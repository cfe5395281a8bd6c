"""How rows look to people: the words and fields of names.md."""

from typing import Any

import msgspec

from tallystick.core.agreement import Agreement
from tallystick.core.definition import model as m
from tallystick.core.definition.forms import is_approval
from tallystick.core.engine.state import State
from tallystick.node.record.calls import task_key
from tallystick.node.record.loaded import Loaded
from tallystick.node.record.store import step_of
from tallystick.tenants.models.anchor import WorkflowRow
from tallystick.tenants.models.record import NotificationRow, TaskRow

_COLLABORATION_STATUS = {"running": "in_progress", "suspended": "in_progress", "cancelled": "terminated"}
_TO_DO = frozenset({"open", "claimed"})
_PENDING = frozenset({"open", "delivering", "retrying", "held"})


def collaboration_status(status: str) -> str:
    """A collaboration's word for an execution's status."""
    return _COLLABORATION_STATUS.get(status, status)


def names(agreement: Agreement) -> dict[str, str]:
    """Organisation names by id."""
    return {one.org_id: one.name for one in agreement.participants}


def collaboration(loaded: Loaded) -> dict[str, Any]:
    """The status answer of names.md, with what the portal shows beside it."""
    state, agreement, row = loaded.state, loaded.agreement, loaded.row
    return {
        "collaboration_id": row.id,
        "execution_id": row.id,
        "name": row.name,
        "description": agreement.compiled.description,
        "status": collaboration_status(state.status),
        "workflow_status": state.status,
        "outcome": state.outcome,
        "participants": [_participant(agreement, one.org_id, state) for one in agreement.participants],
        "completed_activities": _completed(loaded),
        "pending_activities": _pending(loaded),
        "created_at": row.created_at,
        "last_updated": row.updated_at,
        "definition_id": row.definition_id,
        "agreement_hash": row.agreement_hash,
        "coordinator": row.coordinator,
        "initiator": agreement.initiator,
        "proposed_by": agreement.proposer,
        "version": agreement.version,
        "replaces": agreement.replaces.execution if agreement.replaces else None,
        "replaced_by": row.replaced_by,
        "dispute": row.dispute,
    }


def on_chain(loaded: Loaded, row: WorkflowRow | None) -> dict[str, Any]:
    """Where the definition is registered, as what, and when (milliseconds); null where it is not, or not yet."""
    anchoring = loaded.agreement.anchoring
    return {
        "contract_address": anchoring.workflow_registry if anchoring else None,
        "workflow_hash": row.workflow_hash if row else None,
        "registration_time": row.registered_at if row else None,
    }


def execution(loaded: Loaded, attested_by: list[dict[str, Any]]) -> dict[str, Any]:
    """An execution as its record shows it."""
    return {
        "execution_id": loaded.row.id,
        "name": loaded.row.name,
        "definition_id": loaded.row.definition_id,
        "status": loaded.state.status,
        "outcome": loaded.state.outcome,
        "term": loaded.state.term,
        "size": loaded.state.size,
        "root": loaded.replay.root,
        "coordinator": loaded.row.coordinator,
        "agreement_hash": loaded.row.agreement_hash,
        "attested_by": attested_by,
        "dispute": loaded.row.dispute,
        "created_at": loaded.row.created_at,
        "last_updated": loaded.row.updated_at,
    }


def task(row: TaskRow, loaded: Loaded, now: int) -> dict[str, Any]:
    """A task for staff and workers; ``overdue`` is what is still to be done after it was due."""
    step = step_of(loaded.agreement, row.step)
    return {
        "task_id": row.key,
        "collaboration_id": row.execution,
        "execution_id": row.execution,
        "collaboration_name": loaded.row.name,
        "step": row.step,
        "name": step.name,
        "description": step.description,
        "task_type": task_type(step),
        "attempt": row.attempt,
        "status": row.status,
        "claimed_by": row.claimed_by,
        "due_at": row.due_at,
        "overdue": row.status in _TO_DO and row.due_at is not None and row.due_at < now,
        "priority": row.priority,
        "assigned_org": step.assigned_org,
        "form": [_field(field) for field in step.form],
        "parameters": step.input,
        "targets": step.targets if isinstance(step, m.DataExchange | m.Notification) else [],
        "candidate_groups": step.candidate_groups if isinstance(step, m.UserTask) else [],
        "since": row.since,
        "note": row.note,
    }


def task_type(step: m.Task) -> str:
    """The short form's word for a step."""
    if isinstance(step, m.UserTask):
        return "approval" if is_approval(step.form) else "activity"
    return _TASK_TYPES.get(type(step), "activity")


_TASK_TYPES: dict[type[m.Task], str] = {
    m.DataExchange: "data_exchange",
    m.Notification: "notification",
    m.Decision: "decision",
}


def _field(field: m.Field) -> dict[str, Any]:
    return {
        "id": field.id,
        "name": field.name,
        "property_type": field.property_type,
        "required": field.required,
        "default_value": field.default_value,
        "validation": msgspec.to_builtins(field.validation),
    }


def notification(row: NotificationRow, organisations: dict[str, str], name: str) -> dict[str, Any]:
    """A notification."""
    return {
        "id": row.id,
        "notification_type": row.notification_type,
        "message_type": _MESSAGE_TYPES.get(row.notification_type, "direct_message"),
        "message": row.message,
        "collaboration_id": row.execution,
        "collaboration_name": name,
        "from_org": row.from_org,
        "from_name": organisations.get(row.from_org, row.from_org),
        "at": row.at,
        "requires_acknowledgment": row.requires_acknowledgment,
        "acknowledged": row.acknowledged,
        "read": row.read,
    }


# names.md, Collaboration: what a notification is about. What a notification step says is a direct message.
_MESSAGE_TYPES = {
    **dict.fromkeys(
        ("created", "started", "completed", "failed", "terminated", "replaced", "suspended", "resumed"),
        "collaboration_state_change",
    ),
    **dict.fromkeys(
        ("activity_assigned", "activity_completed", "activity_failed", "activity_held", "reminder"),
        "activity_state_change",
    ),
    "data_received": "data_exchange",
    "data_mismatch": "data_exchange",
}


def _participant(agreement: Agreement, org_id: str, state: State) -> dict[str, Any]:
    one = agreement.participant(org_id)
    return {
        "org_id": org_id,
        "name": one.name if one else org_id,
        "role": one.role if one else "",
        "consent": state.consents.get(org_id, "pending"),
        "can_terminate": bool(one and one.can_terminate),
    }


def _completed(loaded: Loaded) -> list[dict[str, Any]]:
    return [
        {"task": one.task, "name": _step_name(loaded, step), "org": one.org, "outcome": one.outcome}
        for step, one in loaded.state.done.items()
        if one.org
    ]


def _pending(loaded: Loaded) -> list[dict[str, Any]]:
    return [
        {
            "task": name,
            "task_id": task_key(loaded.row, name, task.attempt),
            "name": _step_name(loaded, task.step),
            "org": task.org,
            "status": task.status,
            "waiting_for": list(task.waiting) or [task.org],
            "since": task.assigned_at,
            "due_date": task.due_at,
            "priority": step_of(loaded.agreement, task.step).priority,
        }
        for name, task in loaded.state.tasks.items()
        if task.status in _PENDING
    ]


def _step_name(loaded: Loaded, step: str) -> str:
    return step_of(loaded.agreement, step).name
