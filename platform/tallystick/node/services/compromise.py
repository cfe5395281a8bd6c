"""The compromise report: what a key signed, and what shows that it signed it before a given moment.

A key that somebody else may have had since a moment is still good for what it signed before, but its signatures say
nothing about time, and neither do dates that its holder writes. What does is the chain: an anchored leaf that covers an
entry proves that the entry, and every signature in the log up to it, was there when the block was made. So each
statement and head stands in one of three classes: ``proven`` to be from before, ``claimed`` to be (by the coordinator's
clock alone), or ``after``. An entry names its statement by what was signed, not by the signature: that somebody had
verified it by then is shown by who anchored, because a participant takes in nothing that it has not verified.

A page looks at a bounded number of entries, in the order of executions and of entries in them; it may therefore be
empty and have a next one.
"""

import asyncio
from functools import partial
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
from tallystick.ledger import leaf as leaves
from tallystick.ledger.audit.moments import Moment, moment
from tallystick.ledger.audit.trust import Trust
from tallystick.ledger.proofs import LeafProof
from tallystick.node.record import store
from tallystick.node.services.base import Service, bounded, cursor_values, encode_cursor
from tallystick.tenants.keystore import KeyFacts
from tallystick.tenants.models.anchor import PartnerAnchorRow
from tallystick.tenants.models.record import EntryRow, ExecutionRow, HeadRow, StatementRow
from tallystick.tenants.permissions import Permission, require
from tallystick.tenants.users import User

SCAN = 2_000  # entries or heads that one page looks at
MAX_EXECUTIONS = 20  # of one page: each asks the chain for its proofs
STATEMENTS, HEADS = "statements", "heads"
_KINDS = {
    leaves.START: "start",
    leaves.COMPLETION: "completion",
    leaves.SUBMISSION: "submission",
    leaves.AUDIT: "audit",
}
_PROVEN, _CLAIMED, _AFTER = "proven", "claimed", "after"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The key of ``org`` and the moment (milliseconds since 1970)."""

    kid: str
    org: str
    since: int


class _Found(msgspec.Struct, kw_only=True):
    """One page's signatures by execution number, and the place after which the next page begins."""

    items: list[dict[str, Any]] = []
    executions: dict[int, dict[str, Any]] = {}
    following: list[Any] | None = None


class Compromise(Service):
    """Reports for an administrator or an auditor."""

    async def compromise_report(
        self,
        who: User,
        kid: str,
        *,
        since: int | None = None,
        org: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> dict[str, Any]:
        """One page of what the key of ``org`` (or our own) signed."""
        require(who, Permission.VERIFY)
        context = self.parts.context
        known = [one for one in context.keystore.signing_facts if one.kid == kid and org in {None, context.org_id}]
        if since is None:
            since = _believed(known[0] if known else None, context.now())
        asked = Asked(kid=kid, org=org or context.org_id, since=since)
        after = cursor_values(cursor, (str, str, int)) or [STATEMENTS, "0", -1]
        if after[0] not in {STATEMENTS, HEADS} or not _is_number(after[1]):
            raise Invalid("cursor is not one that this API gave", code="bad_cursor", pointer="/cursor")
        size = bounded(limit)
        found = await self.read(who, lambda session: _page(session, asked, after, size), Permission.VERIFY)
        held = {number: await self._held(facts) for number, facts in found.executions.items()}
        moments = await self.read(who, lambda session: _covering(session, found.executions, held), Permission.VERIFY)
        items = [_judged(one, moments[one.pop("number")], asked.since) for one in found.items]
        return {
            "kid": kid,
            "org_id": asked.org,
            "since": since,
            "key": msgspec.to_builtins(known[0]) if known else None,
            "items": items,
            "executions": [
                _summary(facts, [one for one in items if one["execution_id"] == facts["id"]])
                for facts in found.executions.values()
            ],
            "anchors": [
                _anchor(facts, one, asked.since)
                for number, facts in found.executions.items()
                for one in moments[number]
                if one.org == facts["chain_org"]
            ],
            "next_cursor": encode_cursor(found.following) if found.following else None,
        }

    async def _held(self, facts: dict[str, Any]) -> list[Moment]:
        """The leaves of an execution that the chain is shown to hold."""
        anchors = [*await self.parts.chain.proof_material(facts["id"]), *facts["partner_anchors"]]
        trust = await self.parts.chain.trust(Trust(v=1, organisations=[]), anchors)
        return await asyncio.to_thread(lambda: [one for one in map(partial(_moment, trust), anchors) if one])


def _believed(key: KeyFacts | None, now: int) -> int:
    """Since when the key is not its owner's alone, as far as the keystore says; it may still be."""
    if key is None or key.revoked_at is None:
        return now
    return key.revoked_at if key.since is None else key.since


def _moment(trust: Trust, anchor: Any) -> Moment | None:
    try:
        return moment(msgspec.convert(anchor, LeafProof), trust)
    except msgspec.ValidationError:
        return None


def _covering(
    session: Session, executions: dict[int, dict[str, Any]], held: dict[int, list[Moment]]
) -> dict[int, list[Moment]]:
    """Those that cover the very log that stands here, the earliest first."""
    return {
        number: sorted(
            (one for one in held[number] if _covers(session, facts, one)),
            key=lambda one: (one.not_after, one.org, one.leaf.size),
        )
        for number, facts in executions.items()
    }


def _covers(session: Session, facts: dict[str, Any], one: Moment) -> bool:
    row = session.get(EntryRow, (facts["number"], one.leaf.term, one.leaf.size - 1))
    named = (one.leaf.execution.hex(), one.leaf.agreement.hex())
    return row is not None and row.root == one.leaf.root and named == (facts["id"], facts["agreement_hash"])


def _page(session: Session, asked: Asked, after: list[Any], size: int) -> _Found:
    """Statements first, then heads; of each, those with the key's id in their header."""
    phase, number, place = after[0], int(after[1]), after[2]  # numbers exceed what JSON carries
    found = _Found()
    query = _statements(number, place) if phase == STATEMENTS else _heads(number, place)
    rows = session.exec(query.limit(SCAN)).all()
    last = None
    for row in rows:
        last = [phase, str(row.number), row.place]
        if row.iss != asked.org or kid_of(row.token) != asked.kid:
            continue
        if row.number not in found.executions:
            found.executions[row.number] = _facts(session, row.number, asked.org)
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


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and int(text) < 2**63


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


def kid_of(token: str) -> str | None:
    """The key id in a stored token's header."""
    try:
        header = canonical.parse(b64.decode(token.partition(".")[0]), max_bytes=1000, max_depth=2)
    except Invalid:
        return None
    kid = header.get("kid") if isinstance(header, dict) else None
    return kid if isinstance(kid, str) else None


def _facts(session: Session, number: int, org: str) -> dict[str, Any]:
    row = session.exec(select(ExecutionRow).where(ExecutionRow.number == number)).one()
    agreement = store.get_agreement(session, row.agreement_hash)
    one = agreement.participant(org) if agreement else None
    query = select(PartnerAnchorRow).where(PartnerAnchorRow.execution == row.id)
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
        "kind": "head",
        "outcome": None,
        "at": head.iat,
    }


def _judged(item: dict[str, Any], moments: list[Moment], since: int) -> dict[str, Any]:
    """A statement's id stands in an entry that anchors cover; a head's signature stands in none, whatever it names."""
    for one in moments if item["what"] == "statement" else ():
        if one.leaf.size > item["place"] and one.not_after <= since:
            proof = {"org": one.org, "size": one.leaf.size, "block_number": one.block_number, "time": one.not_after}
            return {**item, "position": _PROVEN, "proven_by": proof}
    return {**item, "position": _CLAIMED if item["at"] < since else _AFTER, "proven_by": None}


def _summary(facts: dict[str, Any], items: list[dict[str, Any]]) -> dict[str, Any]:
    counts = {position: sum(one["position"] == position for one in items) for position in (_PROVEN, _CLAIMED, _AFTER)}
    return {"execution_id": facts["id"], "name": facts["name"], "status": facts["status"], **counts}


def _anchor(facts: dict[str, Any], one: Moment, since: int) -> dict[str, Any]:
    return {
        "execution_id": facts["id"],
        "kind": _KINDS[one.leaf.kind],
        "size": one.leaf.size,
        "block_number": one.block_number,
        "time": one.not_after,
        "position": _PROVEN if one.not_after <= since else _AFTER,
    }
