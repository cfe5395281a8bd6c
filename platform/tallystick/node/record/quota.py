"""How much of a partner's file data this node keeps before any value that it opened names it.

Only the partner's own messages wait when its quota is used up: its stream brings them again.
"""

from collections.abc import Iterable

from sqlalchemy import func
from sqlmodel import col, select

from tallystick.core.errors import Unavailable
from tallystick.node.record.context import Context
from tallystick.node.record.unit import Unit
from tallystick.tenants.models.record import PartnerChunkRow

MAX_UNNAMED = 256 * 1024 * 1024  # bytes of a partner: four files of the largest size on their way at once
PER_CHUNK = 4_096  # bytes that a file and its row take, however little is in it
KEPT_MS = 24 * 3_600_000  # what nothing names after a day is removed when room is needed
_SWEEP = 2_000  # chunks removed at a time


class QuotaExceeded(Unavailable):
    """A partner has sent, or leaves unread, more than it may (``partner``); its message may go through later."""

    default_code = "quota_exceeded"

    def __init__(self, partner: str, detail: str) -> None:
        super().__init__(detail)
        self.partner = partner


def admit(unit: Unit, context: Context, partner: str, name: str, size: int) -> bool:
    """Count a chunk against its sender's quota; False when it is here already."""
    row = unit.get(PartnerChunkRow, name)
    if row is not None and context.chunks.has(name):
        return False
    if row is not None and row.needed:
        unit.change(PartnerChunkRow, name, size=size, at=context.now(), execution=None)
        return True
    if _unnamed(unit, partner) + size + PER_CHUNK > MAX_UNNAMED:
        _sweep(unit, context, partner)
        if _unnamed(unit, partner) + size + PER_CHUNK > MAX_UNNAMED:
            raise QuotaExceeded(partner, f"{partner} has {MAX_UNNAMED} bytes here that no delivery names")
    unit.put(PartnerChunkRow, sha256=name, partner=partner, size=size, at=context.now())
    return True


def named(unit: Unit, context: Context, partner: str, execution: str, names: Iterable[str]) -> None:
    """A value that we opened needs these chunks, whether they are here or still to come."""
    for name in names:
        row = unit.get(PartnerChunkRow, name)
        if row is not None and not row.needed:
            facts = {"size": 0, "at": context.now(), "execution": execution} if _is_swept(context, row) else {}
            unit.change(PartnerChunkRow, name, needed=True, **facts)
        elif row is None and partner != context.org_id and not context.chunks.has(name):
            unit.put(
                PartnerChunkRow,
                sha256=name,
                partner=partner,
                size=0,
                at=context.now(),
                needed=True,
                execution=execution,
            )


def _unnamed(unit: Unit, partner: str) -> int:
    query = select(func.sum(PartnerChunkRow.size + PER_CHUNK)).where(
        PartnerChunkRow.partner == partner, col(PartnerChunkRow.needed).is_(False)
    )
    return int(unit.exec(query)[0] or 0)


def _is_swept(context: Context, row: PartnerChunkRow) -> bool:
    """Whether its bytes were removed by a transaction that then failed, so that the row stayed."""
    return row.at < context.now() - KEPT_MS and not context.chunks.has(row.sha256)


def _sweep(unit: Unit, context: Context, partner: str) -> None:
    query = (
        select(PartnerChunkRow)
        .where(
            PartnerChunkRow.partner == partner,
            col(PartnerChunkRow.needed).is_(False),
            PartnerChunkRow.at < context.now() - KEPT_MS,
        )
        .limit(_SWEEP)
    )
    for row in unit.exec(query):
        context.chunks.remove(row.sha256)
        unit.delete(PartnerChunkRow, row.sha256)
