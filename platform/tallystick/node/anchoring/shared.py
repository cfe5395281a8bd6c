"""Which leaves count on a chain, with the block that the proof rests on that others were given.

Every leaf but padding gets a row for each chain, a page of the log at a time: so a chain may join a log of any length,
and what is still to be proven is found by index, however much has been.
"""

from collections.abc import Sequence

from sqlmodel import Session, col, select

from tallystick.node.record.onchain import PADDING, log_size
from tallystick.node.record.unit import Unit
from tallystick.tenants.models.anchor import GIVEN, UNGIVEN, LeafProofRow, LeafRow, ProvenLogRow

PAGE = 1_000  # leaves that get their rows in one commit


class Shared:
    """The leaves of one chain: 0 for the one that agreements name first, else the id of a further one."""

    def __init__(self, chain: int = 0) -> None:
        self._chain = chain

    def behind(self, session: Session) -> bool:
        """Whether leaves have no rows here yet."""
        known = session.get(ProvenLogRow, self._chain)
        return log_size(session) > (known.size if known else 0)

    def take_up(self, unit: Unit) -> None:
        """Make the rows of the next page of leaves."""
        known = unit.get(ProvenLogRow, self._chain)
        start = known.size if known else 0
        stop = min(log_size(unit), start + PAGE)
        page = (LeafRow.index >= start, LeafRow.index < stop, LeafRow.kind != PADDING)
        for index, finality in unit.exec(select(LeafRow.index, LeafRow.finality).where(*page)):
            unit.insert(LeafProofRow, chain=self._chain, index=index, finality=finality)
        unit.put(ProvenLogRow, chain=self._chain, size=stop)

    def finalities(self, session: Session) -> list[str]:
        """What is agreed on for those that do not count yet, as it stands in their rows.

        From each one to the next by index: DISTINCT would read all that wait.
        """
        found: list[str] = []
        query = select(LeafProofRow.finality).where(LeafProofRow.chain == self._chain, UNGIVEN)
        query = query.order_by(LeafProofRow.finality).limit(1)
        while one := session.exec(query.where(LeafProofRow.finality > found[-1]) if found else query).first():
            found.append(one)
        return found

    def missing(self, session: Session, finality: str, limit: int) -> Sequence[int]:
        """The indexes of those with one kind of finality that do not count yet, in order."""
        query = select(LeafProofRow.index).where(LeafProofRow.chain == self._chain, UNGIVEN)
        query = query.where(LeafProofRow.finality == finality)
        return session.exec(query.order_by(col(LeafProofRow.index)).limit(limit)).all()

    def newest(self, session: Session, limit: int) -> list[tuple[int, int, str]]:
        """(index, block number, block hash) of those that count, the newest block first."""
        query = select(LeafProofRow.index, LeafProofRow.block_number, LeafProofRow.block_hash)
        query = query.where(LeafProofRow.chain == self._chain, GIVEN)
        rows = session.exec(query.order_by(col(LeafProofRow.block_number).desc()).limit(limit))
        return [(index, number or 0, name or "") for index, number, name in rows]

    def mark(self, unit: Unit, index: int, block: tuple[int, str] | None) -> None:
        """One counts by a block, or not any more."""
        number, name = block or (None, None)
        unit.change(LeafProofRow, (self._chain, index), block_number=number, block_hash=name)


def counts(session: Session, index: int, chain: int = 0) -> bool:
    """Whether a leaf counts on a chain."""
    row = session.get(LeafProofRow, (chain, index))
    return row is not None and row.block_number is not None
