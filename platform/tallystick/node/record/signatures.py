"""What one key signed, as it stands in the record: statements in entries, heads and attestations.

A page looks at a bounded number of entries, in the order of executions and of entries in them; it may therefore be
empty and have a next one.
"""

from typing import Any

import msgspec
from sqlalchemy import and_, or_
from sqlalchemy import select as columns
from sqlmodel import Session, col, select

from tallystick.core import b64, canonical
from tallystick.core import entry as entries
from tallystick.core.errors import Invalid
from tallystick.core.head import Head
from tallystick.core.jws import peek
from tallystick.core.statement import HEAD
from tallystick.node.record import store
from tallystick.tenants.models.anchor import PartnerAnchorRow
from tallystick.tenants.models.record import EntryRow, ExecutionRow, HeadRow, StatementRow

SCAN = 2_000  # entries or heads that one page looks at
MAX_EXECUTIONS = 20  # of one page: each asks the chain for its proofs
STATEMENTS, HEADS = "statements", "heads"
BEGIN = [STATEMENTS, "0", -1]


class Signatures(msgspec.Struct, kw_only=True):
    """One page's signatures, their executions by number, and the place after which the next page begins."""

    items: list[dict[str, Any]] = []
    executions: dict[int, dict[str, Any]] = {}
    following: list[Any] | None = None


def signatures(session: Session, org: str, kid: str, after: list[Any], size: int) -> Signatures:
    """Statements first, then heads; of each, those with the key's id in their header."""
    phase, number, place = after[0], int(after[1]), after[2]  # numbers exceed what JSON carries
    found = Signatures()
    query = _statements(number, place) if phase == STATEMENTS else _heads(number, place)
    rows = session.exec(query.limit(SCAN)).all()
    last = None
    for row in rows:
        last = [phase, str(row.number), row.place]
        if row.iss != org or _header(row.token).get("kid") != kid:
            continue
        if row.number not in found.executions:
            found.executions[row.number] = _facts(session, row.number, org)
        facts = found.executions[row.number]
        found.items.append(_statement(row, facts) if phase == STATEMENTS else _head(row, facts))
        if len(found.items) == size or len(found.executions) == MAX_EXECUTIONS:
            found.following = last
            return found
    if len(rows) == SCAN:
        found.following = last
    elif phase == STATEMENTS:
        found.following = [HEADS, "0", -1]
    return found


def is_place(after: list[Any]) -> bool:
    """Whether it is one that :func:`signatures` gave: a phase, an execution's number in text, and a place in it."""
    phase, number, _ = after
    return phase in {STATEMENTS, HEADS} and number.isascii() and number.isdecimal() and int(number) < 2**63


def _statements(number: int, place: int) -> Any:
    here = and_(col(StatementRow.number) == EntryRow.number, col(StatementRow.id) == EntryRow.statement_id)
    row, said = col(EntryRow.number), (col(StatementRow.token), col(StatementRow.iss))
    return (
        columns(row.label("number"), col(EntryRow.seq).label("place"), col(EntryRow.leaf), *said)
        .join(StatementRow, here)
        .where(or_(row > number, and_(row == number, col(EntryRow.seq) > place)))
        .order_by(row, col(EntryRow.seq))
    )


def _heads(number: int, size: int) -> Any:
    row = col(HeadRow.number)
    return (
        columns(row.label("number"), col(HeadRow.size).label("place"), col(HeadRow.token), col(HeadRow.iss))
        .where(or_(row > number, and_(row == number, col(HeadRow.size) > size)))
        .order_by(row, col(HeadRow.size), col(HeadRow.iss))
    )


def _header(token: str) -> dict[str, Any]:
    """A stored token's header; it was read and verified when it came."""
    try:
        header = canonical.parse(b64.decode(token.partition(".")[0]), max_bytes=1000, max_depth=2)
    except Invalid:
        return {}
    return header if isinstance(header, dict) else {}


def _facts(session: Session, number: int, org: str) -> dict[str, Any]:
    row = session.exec(select(ExecutionRow).where(ExecutionRow.number == number)).one()
    agreement = store.get_agreement(session, row.agreement_hash)
    one = agreement.participant(org) if agreement else None
    chain = agreement.anchoring.chain_id if agreement and agreement.anchoring else 0
    query = select(PartnerAnchorRow).where(PartnerAnchorRow.execution == row.id, PartnerAnchorRow.chain == chain)
    anchors = session.exec(query.order_by(col(PartnerAnchorRow.partner), col(PartnerAnchorRow.kind)))
    return {
        "number": number,
        "id": row.id,
        "name": row.name,
        "agreement_hash": row.agreement_hash,
        "status": row.status,
        "chain_org": one.chain_org.lower() if one else "",
        "partner_anchors": [canonical.parse(anchor.document) for anchor in anchors],
    }


def _statement(row: Any, facts: dict[str, Any]) -> dict[str, Any]:
    entry, payload = entries.read(canonical.parse(row.leaf)), peek(row.token)
    return {
        "number": row.number,
        "what": "statement",
        "execution_id": facts["id"],
        "place": entry.seq,
        "id": entry.statement_id,
        "kind": payload.get("kind"),
        "outcome": entry.outcome,
        "at": entry.at,
    }


def _head(row: Any, facts: dict[str, Any]) -> dict[str, Any]:
    head = msgspec.convert(peek(row.token), Head)
    return {
        "number": row.number,
        "what": "head",
        "execution_id": facts["id"],
        "place": head.size - 1,
        "id": head.root,
        "kind": "head" if _header(row.token).get("typ") == HEAD else "attestation",
        "outcome": None,
        "at": head.iat,
    }
