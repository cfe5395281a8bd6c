"""Nobody is silently ignored: what the coordinator does not sequence goes to everyone, and they sign that they have it.

A statement is delivered when its author sees it as an entry. Past the agreement's sequencing limit its author sends
it to all participants, and anchors it. Each signs a receipt that names the newest head it holds, and hands the
statement on to the coordinator, in case only the author's link to it is down. The receipts prove who had the
statement, and when.
"""

from functools import partial
from typing import Any

from sqlalchemy import func
from sqlmodel import col, select

from tallystick.core import canonical, replay
from tallystick.core.errors import Invalid
from tallystick.core.head import Receipt, read_receipt, sign_receipt
from tallystick.core.statement import Basis, Statement
from tallystick.node.record import onchain, openings, outgoing, store
from tallystick.node.record.context import Context
from tallystick.node.record.loaded import Loaded
from tallystick.node.record.messages import ReceiptMessage, StatementMessage, SubmissionMessage
from tallystick.node.record.unit import Unit
from tallystick.tenants.models.record import EnvelopeRow, ExecutionRow, ReceiptRow, StatementRow

SOONEST_MS = 1_000  # whatever an agreement says: a message needs a moment
MAX_SUBMITTED = 100  # statements of one author in one execution that stand in no entry


def due_at(loaded: Loaded, now: int) -> int:
    """When a statement that is said now goes to everyone, unless it stands in an entry by then."""
    return now + max(loaded.agreement.limits.sequencing_ms, SOONEST_MS)


def submit(unit: Unit, context: Context, number: int, name: str) -> int:
    """Send a statement of ours to all participants, the coordinator too; how many there were to send."""
    row = unit.get(StatementRow, (number, name))
    if row is None or row.due_at is None or row.due_at > context.now():
        return 0
    unit.change(StatementRow, (number, name), due_at=None, submitted_at=context.now())
    (execution,) = unit.exec(select(ExecutionRow.id).where(ExecutionRow.number == number))
    loaded = store.load(unit, execution)
    query = select(EnvelopeRow).where(EnvelopeRow.number == number, EnvelopeRow.statement_id == name)
    onchain.add_submission(unit, loaded, context.org_id, name, context.now())
    sealed = [canonical.parse(one.document) for one in unit.exec(query)]
    for one in loaded.agreement.participants:
        if one.org_id != context.org_id:
            message = SubmissionMessage(token=row.token, sealed=[] if one.observes else sealed)
            outgoing.post(unit, context, one.org_id, message, execution)
    return 1


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
    if row is not None and row.seq is not None:
        if outgoing.may_answer(unit, said.iss, loaded.row.id):
            outgoing.post_entries(unit, context, loaded, said.iss, said.basis.size if said.basis else 0)
        return
    outgoing.may_answer(unit, said.iss)
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
