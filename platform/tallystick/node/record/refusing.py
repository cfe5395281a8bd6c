"""Signed refusals: what a refused message's sender can read, and what becomes of one that we receive."""

from sqlmodel import col, select

from tallystick.core import statement as statements
from tallystick.core.errors import TallystickError
from tallystick.core.head import Refusal, sign_refusal
from tallystick.node.record import outgoing, resigning, store
from tallystick.node.record.context import Context
from tallystick.node.record.messages import (
    AgreementMessage,
    Message,
    RefusalMessage,
    StatementMessage,
    SubmissionMessage,
    agreement_of,
)
from tallystick.node.record.unit import Unit
from tallystick.tenants.models.record import ExecutionRow, InboxRow, StatementRow

MAX_DETAIL = 500  # characters of a reason that somebody else wrote
GONE = frozenset({"key_retired", "key_revoked"})
NO_EXECUTION = "0" * 64  # an agreement is refused before any execution of it is known


def refuse(unit: Unit, context: Context, partner: str, message: Message, error: TallystickError) -> None:
    """Sign the reason why a statement or an agreement changed nothing; other messages have no author to tell.

    Raises :class:`QuotaExceeded` while the partner leaves too much unread.
    """
    if isinstance(message, StatementMessage | SubmissionMessage):
        said = statements.read(message.token)[1]
        aud, execution, name = said.aud, said.execution, said.id
    elif isinstance(message, AgreementMessage):
        aud = name = agreement_of(message)
        execution = NO_EXECUTION
    else:
        return
    outgoing.check_unread(unit, partner)
    refusal = Refusal(
        v=1,
        iss=context.org_id,
        aud=aud,
        execution=execution,
        statement_id=name,
        code=error.code,
        detail=error.detail[:MAX_DETAIL],
        iat=context.now(),
    )
    loaded = store.find(unit, execution)
    token = sign_refusal(context.key_in(loaded) if loaded else context.signing_key, refusal)
    outgoing.post(unit, context, partner, RefusalMessage(token=token), None)


def refused_statement(unit: Unit, context: Context, refusal: Refusal) -> None:
    """Keep the coordinator's reason beside our statement, as long as it stands in no entry.

    Whoever else refuses it, to whom it may have been submitted, does not sequence it anyway.
    """
    loaded = store.find(unit, refusal.execution)
    if loaded is None or loaded.agreement.coordinator != refusal.iss:
        return
    key = (loaded.row.number, refusal.statement_id)
    row = unit.get(StatementRow, key)
    if row is None or row.iss != context.org_id or row.seq is not None:
        return
    unit.change(StatementRow, key, refusal=reason(refusal), due_at=None)  # nobody has ignored it
    if refusal.code in GONE:
        resigning.again(unit, context, loaded, row)


def refused_agreement(unit: Unit, context: Context, refusal: Refusal) -> None:
    """Keep the reason beside the executions of our agreement that wait for this partner's consent."""
    query = select(ExecutionRow.id).where(
        ExecutionRow.agreement_hash == refusal.aud, col(ExecutionRow.status) == "created"
    )
    for execution in unit.exec(query.limit(100)):
        unit.put(
            InboxRow,
            partner=refusal.iss,
            message_id=refusal.aud,
            execution=execution,
            outcome="refused",
            reason=reason(refusal),
            since=context.now(),
        )


def reason(refusal: Refusal) -> str:
    """Code and detail in one line."""
    return f"{refusal.code}: {refusal.detail}"[:MAX_DETAIL]
