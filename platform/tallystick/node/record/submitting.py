"""Nobody is silently ignored: what the coordinator does not sequence goes to everyone, and they sign that they have it.

A statement is delivered when its author sees it as an entry. Until then its author sends it again, less and less often:
an acknowledgement may be followed by a loss. Past the agreement's sequencing limit it goes to all participants, and is
anchored. Each signs a receipt that names the newest head it holds, and hands the statement on to the coordinator, in
case only the author's link to it is down. The receipts prove who had the statement, and when.
"""

from functools import partial
from typing import Any

import msgspec
from sqlalchemy import func
from sqlmodel import col, select

from tallystick.core import canonical, replay
from tallystick.core import statement as statements
from tallystick.core.errors import Invalid
from tallystick.core.head import Receipt, read_receipt, sign_receipt
from tallystick.core.statement import Basis, Change, Propose, Statement
from tallystick.node.record import onchain, openings, outgoing, store
from tallystick.node.record.context import Context
from tallystick.node.record.loaded import Loaded
from tallystick.node.record.messages import Message, ReceiptMessage, StatementMessage, SubmissionMessage
from tallystick.node.record.unit import Unit
from tallystick.tenants.models.record import EnvelopeRow, ExecutionRow, ReceiptRow, StatementRow

SOONEST_MS = 1_000  # whatever an agreement says: a message needs a moment
MAX_HASTENED = 1_000  # statements of one look; the others keep their time
MAX_SUBMITTED = 100  # statements of one author in one execution that stand in no entry


def next_at(context: Context, loaded: Loaded, said_at: int, now: int) -> int:
    """When a statement is sent again, unless it stands in an entry by then; at the sequencing limit it certainly is."""
    limit = max(loaded.agreement.limits.sequencing_ms, SOONEST_MS)
    pace = msgspec.structs.replace(context.pace, quiet_ms=min(context.pace.quiet_ms, limit // 2))
    silent = max(now - said_at, 0)
    found = pace.next(silent)
    return said_at + (min(found, limit) if silent < limit else found)


def follow_up(unit: Unit, context: Context, number: int, name: str) -> int:
    """Send a statement of ours again, past the limit to all participants; how many there were to send."""
    row = unit.get(StatementRow, (number, name))
    if row is None or row.due_at is None or row.due_at > context.now():
        return 0
    (execution,) = unit.exec(select(ExecutionRow.id).where(ExecutionRow.number == number))
    loaded = store.load(unit, execution)
    now = context.now()
    due_at = next_at(context, loaded, row.at, now)
    unit.change(StatementRow, (number, name), due_at=due_at)
    unit.note("due", due_at)
    query = select(EnvelopeRow).where(EnvelopeRow.number == number, EnvelopeRow.statement_id == name)
    sealed = [canonical.parse(one.document) for one in unit.exec(query)]
    if now - row.at < max(loaded.agreement.limits.sequencing_ms, SOONEST_MS):
        return _again(unit, context, loaded, row, sealed)
    if row.submitted_at is None:
        unit.change(StatementRow, (number, name), submitted_at=now)
        onchain.add_submission(unit, loaded, context.org_id, name, now)
    for one in loaded.agreement.participants:
        if one.org_id != context.org_id:
            message = SubmissionMessage(token=row.token, sealed=[] if one.observes else sealed)
            _post(unit, context, loaded, one.org_id, row, message)
    return 1


def hasten(unit: Unit, context: Context, partner: str | None) -> None:
    """Send now what ``partner``, or anybody, has let lie for a while: the way to it has come up."""
    now = context.now()
    query = (
        select(StatementRow.number, StatementRow.id)
        .join(ExecutionRow, col(ExecutionRow.number) == col(StatementRow.number))
        .where(col(StatementRow.due_at) > now, StatementRow.at < now - context.pace.quiet_ms // 4)
        .limit(MAX_HASTENED)
    )
    if partner is not None:
        query = query.where(ExecutionRow.coordinator == partner)
    found = unit.exec(query)
    for number, name in found:
        unit.change(StatementRow, (number, name), due_at=now)
    if found:
        unit.note("due", now)


def _again(unit: Unit, context: Context, loaded: Loaded, row: Any, sealed: list[dict[str, Any]]) -> int:
    """To the coordinator, and ask for its entry, in case that is what was lost."""
    coordinator = loaded.agreement.coordinator
    _post(unit, context, loaded, coordinator, row, StatementMessage(token=row.token, sealed=sealed))
    if loaded.state.size:
        outgoing.post_need(unit, context, coordinator, loaded.row.id, loaded.state.size)
    return 1


def _post(unit: Unit, context: Context, loaded: Loaded, partner: str, row: Any, message: Message) -> None:
    """Unless it waits to be sent already; behind an agreement that it names and its receiver may lack."""
    if outgoing.waits(unit, partner, message):
        return
    body = statements.read(row.token)[1].body
    if isinstance(body, Propose | Change):
        name = body.agreement if isinstance(body, Change) else loaded.row.agreement_hash
        outgoing.post_agreement(unit, context, partner, name, loaded.row.id)
    outgoing.post(unit, context, partner, message, loaded.row.id, again=True)


def later(number: int, name: str) -> Any:
    """Put a submission off that this node cannot even look after."""

    def put_off(unit: Unit, now: int) -> None:
        unit.change(StatementRow, (number, name), due_at=now + 60_000)

    return partial(put_off)


def receive(
    unit: Unit, context: Context, loaded: Loaded, said: Statement, token: str, envelopes: dict[str, dict[str, Any]]
) -> None:
    """Sign that we have a partner's statement, and hand it on; where it stands in an entry, show that to its author.

    Observers get no envelopes, and so hand on only what has none.
    """
    number = loaded.row.number
    row = unit.get(StatementRow, (number, said.id))
    outgoing.check_unread(unit, said.iss)
    if row is not None and row.seq is not None:
        if not outgoing.with_entries(unit, said.iss, [loaded.row.id]):
            outgoing.post_entries(unit, context, loaded, said.iss, said.basis.size if said.basis else 0)
        return
    if row is None:
        _check_quota(unit, number, said)
        unit.insert(
            StatementRow, number=number, id=said.id, iss=said.iss, kind=said.kind, token=token, at=context.now()
        )
        openings.keep_envelopes(unit, loaded, said, envelopes)
        if loaded.agreement.coordinator != context.org_id and len(envelopes) == len(said.sealed):
            message = StatementMessage(token=token, sealed=list(envelopes.values()))
            outgoing.post(unit, context, loaded.agreement.coordinator, message, loaded.row.id)
    kept = unit.get(ReceiptRow, (number, said.id, context.org_id))
    receipt = kept.token if kept is not None else _sign(unit, context, loaded, said.id)
    outgoing.post(unit, context, said.iss, ReceiptMessage(token=receipt), loaded.row.id)


def _check_quota(unit: Unit, number: int, said: Statement) -> None:
    query = select(func.count()).where(
        StatementRow.number == number, StatementRow.iss == said.iss, col(StatementRow.seq).is_(None)
    )
    if unit.exec(query)[0] >= MAX_SUBMITTED:
        raise Invalid(
            f"{MAX_SUBMITTED} statements of {said.iss} wait to be sequenced already", code="too_many_submissions"
        )


def _sign(unit: Unit, context: Context, loaded: Loaded, statement_id: str) -> str:
    size = loaded.state.size
    receipt = Receipt(
        v=1,
        iss=context.org_id,
        aud=loaded.row.agreement_hash,
        execution=loaded.row.id,
        statement_id=statement_id,
        basis=Basis(term=loaded.state.term, size=size, root=loaded.replay.root) if size else None,
        iat=context.now(),
    )
    token = sign_receipt(context.key_in(loaded), receipt)
    _keep(unit, loaded, receipt, token)
    return token


def keep_receipt(unit: Unit, context: Context, loaded: Loaded, partner: str, token: str) -> None:
    """Keep a partner's receipt of a statement of ours."""
    raw, receipt = read_receipt(token)
    if receipt.iss != partner or receipt.aud != loaded.row.agreement_hash:
        raise Invalid("receipt is not by its sender, or for another agreement", code="wrong_issuer")
    replay.verify_token(raw, loaded.agreement, receipt.iss, loaded.state)
    row = unit.get(StatementRow, (loaded.row.number, receipt.statement_id))
    if row is None or row.iss != context.org_id:
        raise Invalid("receipt is of nothing that we said", code="unknown_statement")
    if unit.get(ReceiptRow, (loaded.row.number, receipt.statement_id, receipt.iss)) is None:
        _keep(unit, loaded, receipt, token)


def _keep(unit: Unit, loaded: Loaded, receipt: Receipt, token: str) -> None:
    unit.insert(
        ReceiptRow,
        number=loaded.row.number,
        statement_id=receipt.statement_id,
        iss=receipt.iss,
        token=token,
        at=receipt.iat,
    )
