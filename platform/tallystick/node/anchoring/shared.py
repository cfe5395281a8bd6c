"""Which leaves count on a chain, with the block that the proof rests on that others were given.

For the first chain that stands in the leaf's own row, for each further one in the ``mirrored_leaf`` table.
"""

from typing import Any, Protocol

from sqlalchemy import literal_column
from sqlmodel import Session, col, select

from tallystick.node.record.onchain import PADDING
from tallystick.node.record.unit import Unit
from tallystick.tenants.models.anchor import LeafRow, MirroredLeafRow

_MEANT = col(LeafRow.kind) != literal_column(str(PADDING))  # in the words of the index of what does not count yet


class Shared(Protocol):
    """The leaves of one chain, as :class:`~.sharing.Sharing` needs them."""

    chain: int

    def finalities(self, session: Session) -> list[str]:
        """What is agreed on for those that do not count yet, as it stands in their rows."""
        ...

    def missing(self, session: Session, finality: str, limit: int) -> list[LeafRow]:
        """Those with one kind of finality that do not count yet, in order."""
        ...

    def newest(self, session: Session, limit: int) -> list[tuple[int, int, str]]:
        """(index, block number, block hash) of those that count, the newest block first."""
        ...

    def mark(self, unit: Unit, index: int, block: tuple[int, str] | None) -> None:
        """One counts by a block, or not any more."""
        ...


class First:
    """On the chain that agreements name first."""

    chain = 0

    def finalities(self, session: Session) -> list[str]:
        """See the protocol."""
        query = select(LeafRow.finality).where(_MEANT, col(LeafRow.block_number).is_(None))
        return list(session.exec(query.distinct().order_by(LeafRow.finality)))

    def missing(self, session: Session, finality: str, limit: int) -> list[LeafRow]:
        """See the protocol."""
        query = select(LeafRow).where(_MEANT, col(LeafRow.block_number).is_(None), LeafRow.finality == finality)
        return list(session.exec(query.order_by(col(LeafRow.index)).limit(limit)))

    def newest(self, session: Session, limit: int) -> list[tuple[int, int, str]]:
        """See the protocol."""
        query = select(LeafRow.index, LeafRow.block_number, LeafRow.block_hash)
        query = query.where(col(LeafRow.block_number).is_not(None)).order_by(col(LeafRow.block_number).desc())
        return [(index, number or 0, name or "") for index, number, name in session.exec(query.limit(limit))]

    def mark(self, unit: Unit, index: int, block: tuple[int, str] | None) -> None:
        """See the protocol."""
        number, name = block or (None, None)
        unit.change(LeafRow, index, block_number=number, block_hash=name)


class Further:
    """On a further chain."""

    def __init__(self, chain: int) -> None:
        self.chain = chain

    def finalities(self, session: Session) -> list[str]:
        """See the protocol."""
        query = select(LeafRow.finality).where(_MEANT, col(LeafRow.index).not_in(self._held()))
        return list(session.exec(query.distinct().order_by(LeafRow.finality)))

    def missing(self, session: Session, finality: str, limit: int) -> list[LeafRow]:
        """See the protocol."""
        query = select(LeafRow).where(_MEANT, LeafRow.finality == finality, col(LeafRow.index).not_in(self._held()))
        return list(session.exec(query.order_by(col(LeafRow.index)).limit(limit)))

    def newest(self, session: Session, limit: int) -> list[tuple[int, int, str]]:
        """See the protocol."""
        query = select(MirroredLeafRow).where(MirroredLeafRow.chain == self.chain)
        rows = session.exec(query.order_by(col(MirroredLeafRow.block_number).desc()).limit(limit))
        return [(row.index, row.block_number, row.block_hash) for row in rows]

    def mark(self, unit: Unit, index: int, block: tuple[int, str] | None) -> None:
        """See the protocol."""
        if block is None:
            unit.delete(MirroredLeafRow, (self.chain, index))
        else:
            unit.put(MirroredLeafRow, chain=self.chain, index=index, block_number=block[0], block_hash=block[1])

    def _held(self) -> Any:
        return select(MirroredLeafRow.index).where(MirroredLeafRow.chain == self.chain)
