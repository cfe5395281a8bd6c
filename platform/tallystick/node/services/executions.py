"""Executions: the record, what it waits for, what we may read of it."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import and_
from sqlmodel import Session, col, select

from tallystick.core import canonical
from tallystick.core import entry as entries
from tallystick.core import statement as statements
from tallystick.core.agreement import Agreement
from tallystick.core.head import read_attestation, read_head
from tallystick.ledger.ports import Submission
from tallystick.node.anchoring.shared import counts
from tallystick.node.anchoring.stores import covering
from tallystick.node.anchoring.telling import told, unsent
from tallystick.node.record import store
from tallystick.node.record.onchain import KINDS
from tallystick.node.services import searching, views
from tallystick.node.services.base import Service, bounded
from tallystick.node.services.searching import Wanted, cursor_key
from tallystick.node.services.waiting import waits
from tallystick.tenants.models.anchor import LeafRow
from tallystick.tenants.models.record import EntryRow, HeadRow, OpeningRow, StatementRow
from tallystick.tenants.users import User

MAX_TIMELINE = 500


class Executions(Service):
    """Reading the record."""

    async def executions(
        self, who: User, *, status: str | None = None, limit: int = 50, cursor: str | None = None, **filters: Any
    ) -> dict[str, Any]:
        """Newest first, in keyset pages; ``filters`` are those of :class:`Wanted`."""
        limit, after = bounded(limit), cursor_key(cursor)
        wanted = Wanted(statuses=(status,) if status else (), **filters)

        def work(session: Session) -> dict[str, Any]:
            found = searching.executions(session, wanted, limit, after)
            return found.page(lambda row: _view(session, row.id))

        return await self.read(who, work)

    async def execution(self, who: User, execution_id: str) -> dict[str, Any]:
        """One execution, with who attests it and what it waits for."""

        def work(session: Session) -> dict[str, Any]:
            view = _view(session, execution_id)
            anchors = _anchors(session, execution_id, self.parts.chain.further)
            return {**view, "anchors": anchors, "waiting": waits(session, self.parts.context, execution_id)}

        return await self.read(who, work)

    async def timeline(self, who: User, execution_id: str, *, after: int = -1) -> dict[str, Any]:
        """Entries after ``after``: who signed what, when, and what became of it."""

        def work(session: Session) -> dict[str, Any]:
            loaded = store.load(session, execution_id)
            organisations = views.names(loaded.agreement)
            query = (
                select(EntryRow, StatementRow)
                .join(
                    StatementRow,
                    and_(
                        col(StatementRow.number) == col(EntryRow.number),
                        col(StatementRow.id) == col(EntryRow.statement_id),
                    ),
                )
                .where(EntryRow.number == loaded.row.number, EntryRow.seq > after)
                .order_by(col(EntryRow.seq))
                .limit(MAX_TIMELINE)
            )
            return {"items": [_line(entry, said, organisations) for entry, said in session.exec(query)]}

        return await self.read(who, work)

    async def data(self, who: User, execution_id: str) -> dict[str, Any]:
        """Every value of the execution that this organisation can open."""

        def work(session: Session) -> dict[str, Any]:
            loaded = store.load(session, execution_id)
            organisations = views.names(loaded.agreement)
            rows = session.exec(select(OpeningRow).where(OpeningRow.number == loaded.row.number))
            return {"items": [_opening(row, organisations) for row in rows]}

        return await self.read(who, work)

    async def anchors(self, who: User, execution_id: str) -> dict[str, Any]:
        """How our leaves of the execution stand on the chain."""

        def work(session: Session) -> dict[str, Any]:
            store.load(session, execution_id)
            return {"items": _anchors(session, execution_id, self.parts.chain.further)}

        return await self.read(who, work)

    async def waiting(self, who: User, execution_id: str) -> dict[str, Any]:
        """What the execution waits for, from whom, since when, and what was tried."""

        def work(session: Session) -> dict[str, Any]:
            return {"items": waits(session, self.parts.context, execution_id)}

        return await self.read(who, work)


def _view(session: Session, execution_id: str) -> dict[str, Any]:
    loaded = store.load(session, execution_id)
    return views.execution(loaded, _attested(session, loaded.agreement, loaded.row.number))


def _attested(session: Session, agreement: Agreement, number: int) -> list[dict[str, Any]]:
    """The largest size that each organisation has signed for."""
    found = []
    for one in sorted(agreement.participants, key=lambda each: each.org_id):
        query = select(HeadRow).where(HeadRow.number == number, HeadRow.iss == one.org_id)
        row = session.exec(query.order_by(col(HeadRow.size).desc()).limit(1)).first()
        if row is not None:
            head = (read_head if one.org_id == agreement.coordinator else read_attestation)(row.token)[1]
            facts = {"size": head.size, "root": head.root, "at": head.iat}
            found.append({"org_id": one.org_id, "name": one.name, **facts})
    return found


def _line(entry_row: EntryRow, said: StatementRow, organisations: dict[str, str]) -> dict[str, Any]:
    entry = entries.read(canonical.parse(entry_row.leaf))
    raw, statement = statements.read(said.token)
    return {
        "seq": entry.seq,
        "at": entry.at,
        "statement_id": entry.statement_id,
        "kind": statement.kind,
        "issuer": statement.iss,
        "issuer_name": organisations.get(statement.iss, statement.iss),
        "task": statement.place[0],
        "outcome": entry.outcome,
        "events": entry.events,
        "signed_at": statement.iat,
        "signed_by_kid": raw.kid,
    }


def _opening(row: OpeningRow, organisations: dict[str, str]) -> dict[str, Any]:
    return {
        "statement_id": row.statement_id,
        "task": row.task,
        "attempt": row.attempt,
        "issuer": row.issuer,
        "issuer_name": organisations.get(row.issuer, row.issuer),
        "property": row.property,
        "value": canonical.parse(row.value),
    }


def _leaves(session: Session, execution_id: str) -> list[LeafRow]:
    return list(session.exec(select(LeafRow).where(LeafRow.execution == execution_id).order_by(col(LeafRow.index))))


def _anchors(session: Session, execution_id: str, further: Sequence[int]) -> list[dict[str, Any]]:
    """Our leaves as they stand on the first chain, with ``also`` as they stand on the others."""
    return [
        {**_anchor(session, row), "also": [_further(session, row, chain) for chain in further]}
        for row in _leaves(session, execution_id)
    ]


def _further(session: Session, leaf: LeafRow, chain: int) -> dict[str, Any]:
    one = covering(session, leaf.index, chain)
    if one is None:
        return {"chain_id": chain, **unsent(leaf.since), "state": "waiting"}
    final = counts(session, leaf.index, chain)
    return {"chain_id": chain, **_told(one, final=final)}


def _anchor(session: Session, leaf: LeafRow) -> dict[str, Any]:
    """Where a leaf stands; ``confirmed`` is what is final as agreed, and a transaction before that is ``mined``."""
    one = covering(session, leaf.index)
    facts = {
        "kind": KINDS[leaf.kind],
        "index": leaf.index,
        "statement_id": leaf.subject or None,
        "due_at": leaf.due_at,
        "finality": msgspec.json.decode(leaf.finality),
    }
    if one is None:
        return {**facts, **unsent(leaf.since), "state": "waiting"}
    final = counts(session, leaf.index)
    return {**facts, **_told(one, final=final)}


def _told(one: Submission, *, final: bool) -> dict[str, Any]:
    return {**told(one), "state": "mined" if one.state == "confirmed" and not final else one.state}
