"""Leaves of the organisation's log: one for each start and completion that this organisation saw."""

import secrets

from sqlalchemy import func
from sqlmodel import Session, select

from tallystick.core.agreement import Agreement
from tallystick.ledger.leaf import Leaf
from tallystick.tenants.models.anchor import LeafRow

START, COMPLETION = 1, 2
STATUS = {"running": 0, "completed": 1, "failed": 2, "cancelled": 3, "terminated": 4}


class Leaves:
    """Appends leaves in the transaction that makes them true; anchoring takes them from the table."""

    def __init__(self, org_id: str) -> None:
        self._org_id = org_id

    def add(
        self,
        session: Session,
        agreement: Agreement,
        *,
        kind: int,
        execution: str,
        agreement_hash: str,
        term: int,
        size: int,
        root: str,
        inputs: str,
        results: str,
        status: str,
        now: int,
    ) -> None:
        """Append the leaf of (execution, kind) unless it stands already, or the agreement anchors nowhere."""
        if agreement.anchoring is None or self._index(session, execution, kind) is not None:
            return
        me = agreement.participant(self._org_id)
        if me is None:
            return
        index = session.exec(select(func.count()).select_from(LeafRow)).one()
        start = self._index(session, execution, START)
        leaf = Leaf(
            version=1,
            kind=kind,
            org=_word(me.chain_org),
            execution=_word(execution),
            agreement=_word(agreement_hash),
            term=term,
            size=size,
            root=_word(root),
            input=_word(inputs),
            result=_word(results),
            status=STATUS[status],
            start_index=index if kind == START or start is None else start,
            salt=secrets.token_bytes(32),
        )
        session.add(LeafRow(index=index, execution=execution, kind=kind, data=leaf.encode(), since=now))
        session.flush()

    @staticmethod
    def _index(session: Session, execution: str, kind: int) -> int | None:
        return session.exec(select(LeafRow.index).where(LeafRow.execution == execution, LeafRow.kind == kind)).first()


def _word(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
