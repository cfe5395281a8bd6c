"""Why an execution is not further: everything that waits says for what, for whom, since when and what was tried."""

from typing import Any

from sqlalchemy import func
from sqlmodel import Session, col, select

from tallystick.core.definition.model import Wait
from tallystick.core.engine.state import GOING
from tallystick.node.anchoring.shared import counts
from tallystick.node.anchoring.stores import covering
from tallystick.node.record import onchain, root_signing, store
from tallystick.node.record.calls import keys_of
from tallystick.node.record.context import Context
from tallystick.node.record.loaded import Loaded
from tallystick.node.record.outgoing import undelivered
from tallystick.node.services import views
from tallystick.tenants.models.anchor import LeafRow
from tallystick.tenants.models.queue import QueueTaskRow
from tallystick.tenants.models.record import (
    ExecutionRow,
    InboxRow,
    OutboxRow,
    PartnerChunkRow,
    ReceiptRow,
    StatementRow,
    TaskRow,
    UnattestedRow,
)

AWAY = "the root key is kept elsewhere: tally keys sign"


def waits(session: Session, context: Context, execution_id: str) -> list[dict[str, Any]]:
    """All that the execution waits for, as far as this node knows."""
    org_id = context.org_id
    loaded = store.load(session, execution_id)
    organisations = views.names(loaded.agreement)
    found = [*_waits(session, org_id, execution_id, loaded), *_root(session, context, execution_id)]
    return [{**one, "for_whom_name": organisations.get(one["for_whom"], one["for_whom"])} for one in found]


def _waits(session: Session, org_id: str, execution_id: str, loaded: Loaded) -> list[dict[str, Any]]:
    return [
        *_consents(session, loaded),
        *_tasks(loaded),
        *_automatic(session, org_id, loaded.row.number),
        *_queued(session, org_id, execution_id),
        *_outbox(session, execution_id),
        *_statements(session, org_id, loaded),
        *_inbox(session, execution_id),
        *_missing(session, loaded),
        *_chain(session, loaded),
    ]


def _root(session: Session, context: Context, execution_id: str) -> list[dict[str, Any]]:
    """What our root key, which is away, has to sign."""
    if context.keystore.root_key is not None or len(context.keystore.signing_facts) == 1:
        return []
    row = session.exec(select(ExecutionRow).where(ExecutionRow.id == execution_id)).one()
    return [
        _item(f"root key's signature of {one.kind}", context.org_id, one.since, tried=AWAY)
        for one in root_signing.waiting_in(session, context, row)
    ]


def _consents(session: Session, loaded: Loaded) -> list[dict[str, Any]]:
    if loaded.state.status == "ready":
        return [_item("start", loaded.agreement.initiator, loaded.row.updated_at)]
    if loaded.state.status != "created":
        return []
    pending = [org for org, consent in loaded.state.consents.items() if consent == "pending"]
    query = select(InboxRow).where(InboxRow.execution == loaded.row.id, InboxRow.outcome == "refused")
    refused = {row.partner: f"the agreement was refused: {row.reason}" for row in session.exec(query)}
    return [_item("consent", org, loaded.row.created_at, tried=refused.get(org)) for org in pending]


def _tasks(loaded: Loaded) -> list[dict[str, Any]]:
    items = []
    for name, task in loaded.state.tasks.items():
        if task.status == "open":
            items.append(_item(f"result of {name}", task.org, task.assigned_at))
        elif task.status == "delivering":
            items += [_item(f"receipt of {name}", org, task.assigned_at) for org in task.waiting]
        elif task.status == "held":
            items.append(_item(f"retry of {name}", task.org, task.assigned_at, tried=task.code))
        elif task.status == "timing":
            items.append(_item(f"timer of {name}", loaded.agreement.coordinator, task.assigned_at))
    return [*items, *_signals(loaded)]


def _signals(loaded: Loaded) -> list[dict[str, Any]]:
    """Steps that wait for a signal wait for each one that may send it."""
    items = []
    for event, tasks in loaded.state.waits.items():
        for task in map(loaded.state.tasks.__getitem__, tasks):
            step = loaded.agreement.compiled.steps[task.step]
            senders = step.senders if isinstance(step, Wait) else []
            everyone = [one.org_id for one in loaded.agreement.participants if not one.observes]
            items += [_item(f"signal {event}", org, task.assigned_at) for org in senders or everyone]
    return items


def _automatic(session: Session, org_id: str, number: int) -> list[dict[str, Any]]:
    first, last = keys_of(number).values()
    query = select(TaskRow).where(
        col(TaskRow.key).between(first, last), TaskRow.status == "open", col(TaskRow.note).is_not(None)
    )
    return [
        _item(
            f"{row.kind} of {row.task}",
            org_id,
            row.since,
            tried=row.note,
            last_error=row.note,
            next_try_at=row.retry_at or None,
        )
        for row in session.exec(query)
    ]


def _queued(session: Session, org_id: str, execution_id: str) -> list[dict[str, Any]]:
    query = select(QueueTaskRow).where(
        QueueTaskRow.execution == execution_id, col(QueueTaskRow.state).in_(("waiting", "claimed"))
    )
    return [
        _item(f"worker of {row.queue}", org_id, row.since, tried=f"{row.state}; given out {row.deliveries} times")
        for row in session.exec(query)
    ]


def _outbox(session: Session, execution_id: str) -> list[dict[str, Any]]:
    rows = session.exec(select(OutboxRow).where(OutboxRow.execution == execution_id, undelivered()).limit(100))
    return [delivery(row) for row in rows]


def _statements(session: Session, org_id: str, loaded: Loaded) -> list[dict[str, Any]]:
    query = select(StatementRow).where(
        StatementRow.number == loaded.row.number, StatementRow.iss == org_id, col(StatementRow.seq).is_(None)
    )
    return [
        _item(
            f"sequencing of {row.kind}",
            loaded.agreement.coordinator,
            row.at,
            tried=row.refusal or _submitted(session, row),
            next_try_at=row.due_at,
        )
        for row in session.exec(query)
    ]


def _submitted(session: Session, row: StatementRow) -> str | None:
    """Whether everyone has been told of a statement that the coordinator has not sequenced, and who says so."""
    if row.submitted_at is None:
        return None
    query = select(ReceiptRow.iss).where(ReceiptRow.number == row.number, ReceiptRow.statement_id == row.id)
    return f"sent to all participants; receipts of {', '.join(sorted(session.exec(query))) or 'none'}"


def _inbox(session: Session, execution_id: str) -> list[dict[str, Any]]:
    query = select(InboxRow).where(InboxRow.outcome == "wait", InboxRow.execution == execution_id)
    return [
        _item("message", row.partner, row.since, tried=row.reason, last_error=row.reason, next_try_at=row.retry_at)
        for row in session.exec(query)
    ]


def _missing(session: Session, loaded: Loaded) -> list[dict[str, Any]]:
    """What partners have not sent, or their messages lost: it is asked for now and then."""
    lacking = session.exec(select(UnattestedRow).where(UnattestedRow.number == loaded.row.number))
    items = [_item("attestation", row.partner, row.since) for row in lacking]
    wanted = select(PartnerChunkRow.partner, func.count(), func.min(PartnerChunkRow.at))
    wanted = wanted.where(PartnerChunkRow.execution == loaded.row.id).group_by(col(PartnerChunkRow.partner))
    return items + [
        _item("chunks of files", org, since, tried=f"{count} have not come")
        for org, count, since in session.exec(wanted)
    ]


def _chain(session: Session, loaded: Loaded) -> list[dict[str, Any]]:
    """The chain holds nobody up unless that is agreed; what is on its way there is told all the same."""
    registration = onchain.workflow(session, loaded.agreement)
    items = []
    if registration and registration.registered_at is None:
        items.append(_item("registration of the workflow", "chain", registration.since))
    if loaded.state.unanchored is not None and loaded.state.status in GOING:
        items.append(_start(session, loaded))
    query = select(LeafRow).where(LeafRow.execution == loaded.row.id)
    for leaf in session.exec(query):
        if counts(session, leaf.index):
            continue
        sent = covering(session, leaf.index)
        kind = onchain.KINDS[leaf.kind]
        if sent is None:
            batch = f"waits for its batch: {leaf.max_leaves} leaves, or the time" if leaf.max_leaves > 1 else None
            items.append(_item(f"anchor of {kind}", "chain", leaf.since, tried=batch, next_try_at=leaf.due_at))
            continue
        tried = f"{sent.state}; {sent.error or f'to count, it needs {leaf.finality}'}"
        items.append(_item(f"anchor of {kind}", "chain", leaf.since, tried=tried, last_error=sent.error))
    return items


def _start(session: Session, loaded: Loaded) -> dict[str, Any]:
    """Nothing is entered before the coordinator cites the start's anchor."""
    query = select(LeafRow.since).where(LeafRow.execution == loaded.row.id, LeafRow.kind == onchain.START)
    since = session.exec(query).first() or loaded.row.updated_at
    tried = "no step is entered before the coordinator cites it, as was agreed"
    return _item("the start's anchor", loaded.agreement.coordinator, since, tried=tried)


def delivery(row: OutboxRow) -> dict[str, Any]:
    """A message that its receiver has not confirmed."""
    return _item(
        f"delivery of {row.what}",
        row.partner,
        row.since,
        tried=f"{row.attempts} times; {row.last_error or ''}",
        attempts=row.attempts,
        last_error=row.last_error,
        next_try_at=row.retry_at,
    )


def _item(
    what: str,
    for_whom: str,
    since: int,
    *,
    tried: str | None = None,
    attempts: int | None = None,
    last_error: str | None = None,
    next_try_at: int | None = None,
) -> dict[str, Any]:
    """What, from whom, since when, and what was tried: in words, and where known how often, why not, and when next."""
    return {
        "what": what,
        "for_whom": for_whom,
        "since": since,
        "tried": tried,
        "attempts": attempts,
        "last_error": last_error,
        "next_try_at": next_try_at,
    }
