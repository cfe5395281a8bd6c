"""How much of a partner's proposals this node keeps before work on them starts.

A proposal costs whoever makes it nothing, so it must not fill its receivers' disks. Only the partner's own messages
wait when its quota is used up: its stream brings them again.
"""

from sqlalchemy import func, or_
from sqlmodel import col, select

from tallystick.node.record.context import Context
from tallystick.node.record.quota import QuotaExceeded
from tallystick.node.record.unit import Unit
from tallystick.tenants.models.record import AgreementRow, PendingAgreementRow

MAX_PENDING = 256 * 1024 * 1024  # bytes of a partner: some ten thousand proposals of the usual size
PER_PROPOSAL = 4_096  # bytes that an execution takes before anything happens in it, about
COUNTED_MS = 24 * 3_600_000  # a proposal that our people have before them counts for a day
FORGOTTEN_MS = 30 * 24 * 3_600_000  # an agreement that nobody has proposed for a month is removed
_SWEEP = 20  # removed at a time


def admit(unit: Unit, context: Context, partner: str, agreement: str, size: int) -> None:
    """Count a new agreement of ``size`` bytes against its sender's quota."""
    _sweep(unit, context, partner)
    _check(unit, context, partner, size)
    unit.put(PendingAgreementRow, hash=agreement, partner=partner, size=size, at=context.now())


def begin(unit: Unit, context: Context, partner: str, agreement: str) -> None:
    """Count an execution that is proposed under it."""
    _check(unit, context, partner, PER_PROPOSAL)
    row = unit.get(PendingAgreementRow, agreement)
    size = PER_PROPOSAL + (row.size if row else 0)
    unit.put(PendingAgreementRow, hash=agreement, partner=partner, size=size, at=context.now(), begun=True)


def started(unit: Unit, agreement: str) -> None:
    """Everyone has agreed, and work has begun: nobody imposes it on us."""
    unit.delete(PendingAgreementRow, agreement)


def _check(unit: Unit, context: Context, partner: str, size: int) -> None:
    query = select(func.sum(PendingAgreementRow.size)).where(
        PendingAgreementRow.partner == partner,
        or_(col(PendingAgreementRow.begun).is_(False), col(PendingAgreementRow.at) > context.now() - COUNTED_MS),
    )
    if int(unit.exec(query)[0] or 0) + size > MAX_PENDING:
        raise QuotaExceeded(partner, f"{partner} has proposed {MAX_PENDING} bytes of work that has not started")


def _sweep(unit: Unit, context: Context, partner: str) -> None:
    """Forget rows that count no more, and agreements that came to nothing."""
    query = (
        select(PendingAgreementRow)
        .where(PendingAgreementRow.partner == partner, PendingAgreementRow.at < context.now() - FORGOTTEN_MS)
        .limit(_SWEEP)
    )
    for row in unit.exec(query):
        unit.delete(PendingAgreementRow, row.hash)
        if not row.begun:
            unit.delete(AgreementRow, row.hash)
