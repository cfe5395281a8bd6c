"""The compromise report: what a key signed, and what shows that it signed it before a given moment.

A key that somebody else may have had since a moment is still good for what it signed before, but its signatures say
nothing about time, and neither do dates that its holder writes. What does is the chain: an anchored leaf that covers an
entry proves that the entry, and every signature in the log up to it, was there when the block was made. So each
statement and head stands in one of three classes: ``proven`` to be from before, ``claimed`` to be (by the coordinator's
clock alone), or ``after``. An entry names its statement by what was signed, not by the signature: that somebody had
verified it by then is shown by who anchored, because a participant takes in nothing that it has not verified.
"""

import asyncio
from functools import partial
from typing import Any

import msgspec
from sqlmodel import Session

from tallystick.core.errors import Invalid
from tallystick.ledger import leaf as leaves
from tallystick.ledger.audit.moments import Moment, moment
from tallystick.ledger.audit.trust import Trust
from tallystick.ledger.proofs import LeafProof
from tallystick.node.record.signatures import BEGIN, is_place, signatures
from tallystick.node.services.base import Service, bounded, cursor_values, encode_cursor
from tallystick.tenants.keystore import KeyFacts
from tallystick.tenants.models.record import EntryRow
from tallystick.tenants.permissions import Permission, require
from tallystick.tenants.users import User

_KINDS = {
    leaves.START: "start",
    leaves.COMPLETION: "completion",
    leaves.SUBMISSION: "submission",
    leaves.AUDIT: "audit",
}
_PROVEN, _CLAIMED, _AFTER = "proven", "claimed", "after"


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
        whose = org or context.org_id
        after = cursor_values(cursor, (str, str, int)) or BEGIN
        if not is_place(after):
            raise Invalid("cursor is not one that this API gave", code="bad_cursor", pointer="/cursor")
        size = bounded(limit)
        found = await self.read(who, lambda session: signatures(session, whose, kid, after, size), Permission.VERIFY)
        held = {number: await self._held(facts) for number, facts in found.executions.items()}
        moments = await self.read(who, lambda session: _covering(session, found.executions, held), Permission.VERIFY)
        items = [_judged(one, moments[one.pop("number")], since) for one in found.items]
        return {
            "kid": kid,
            "org_id": whose,
            "since": since,
            "key": msgspec.to_builtins(known[0]) if known else None,
            "items": items,
            "executions": [
                _summary(facts, [one for one in items if one["execution_id"] == facts["id"]])
                for facts in found.executions.values()
            ],
            "anchors": [
                _anchor(facts, one, since)
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
