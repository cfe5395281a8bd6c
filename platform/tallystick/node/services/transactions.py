"""All that this organisation sends to the chain, the newest first."""

from typing import Any

from sqlmodel import Session, col, not_, select
from sqlmodel.sql.expression import SelectOfScalar

from tallystick.node.anchoring.stores import read_row
from tallystick.node.anchoring.telling import told
from tallystick.node.services.base import Service, bounded, cursor_values, page
from tallystick.tenants.models.anchor import SubmissionRow
from tallystick.tenants.users import User


class Transactions(Service):
    """Anchors, registrations and keys on their way to the chain, and those that have arrived."""

    async def chain_transactions(
        self, who: User, *, state: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> dict[str, Any]:
        """By the time at which each entered its state; ``purpose`` names it, as ``anchor:<epoch>:<size>`` does."""
        blockchain = self.parts.settings.blockchain
        first = blockchain.chain_id if blockchain else None
        limit, after = bounded(limit), cursor_values(cursor, (int, str))

        def work(session: Session) -> dict[str, Any]:
            query = newest(state, after)
            rows = list(session.exec(query.limit(limit + 1)))
            return page(rows, limit, lambda row: [row.since, row.key], lambda row: view(row, first))

        return await self.read(who, work)


def newest(state: str | None, after: list[Any] | None = None) -> SelectOfScalar[SubmissionRow]:
    """All, or those in one state, the newest first; those that come ``after`` one's (since, key)."""
    query = select(SubmissionRow).order_by(col(SubmissionRow.since).desc(), col(SubmissionRow.key))
    if state is not None:
        query = query.where(SubmissionRow.state == state)
    if after is None:
        return query
    since, key = after
    # Said like this, an index begins where the page before ended.
    told = (SubmissionRow.since == since) & (col(SubmissionRow.key) <= key)
    return query.where(col(SubmissionRow.since) <= since, not_(told))


def view(row: SubmissionRow, first: int | None) -> dict[str, Any]:
    """One of them; ``first`` is the id of the chain that rows without one of a further chain belong to."""
    one = read_row(row)
    return {"purpose": one.key, "chain_id": row.chain or first, "to": one.to, **told(one)}
