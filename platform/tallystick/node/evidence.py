"""Assembling an evidence bundle from what this organisation holds."""

import hashlib
from typing import Any

from sqlmodel import Session, col, select

from tallystick.core import b64, canonical
from tallystick.core.manifest import is_file
from tallystick.node.record import store
from tallystick.node.record.context import Context
from tallystick.node.record.loaded import Loaded
from tallystick.tenants.chunks import FileOpener, read_manifest
from tallystick.tenants.models.anchor import PartnerAnchorRow
from tallystick.tenants.models.record import AgreementRow, HeadRow, OpeningRow, ReceiptRow, StatementRow

MAX_DOCUMENTS = 64 * 1024 * 1024  # bytes of documents in one bundle; larger ones are withheld and named


def assemble(
    session: Session, context: Context, execution_id: str, anchors: list[dict[str, Any]], chain_id: int | None = None
) -> dict[str, Any]:
    """The bundle: the whole record, every opening and document that we hold, and the anchors given.

    ``anchors`` are ours on the chain ``chain_id``, the agreement's first when None; partners' are of the same.
    """
    loaded = store.load(session, execution_id)
    agreement = session.get_one(AgreementRow, loaded.row.agreement_hash)
    entries = store.entries_from(session, loaded.row.number, 0, loaded.agreement.limits.max_entries + 1)
    tokens = session.exec(
        select(StatementRow).where(StatementRow.number == loaded.row.number, col(StatementRow.seq).is_not(None))
    )
    openings = [_opening(row) for row in session.exec(select(OpeningRow).where(OpeningRow.number == loaded.row.number))]
    heads, attestations = _heads(session, loaded)
    return {
        "v": 1,
        "kind": "evidence",
        "execution": execution_id,
        "agreement": canonical.parse(agreement.document),
        "statements": {row.id: row.token for row in tokens},
        "entries": [canonical.parse(row.leaf) for row in entries],
        "heads": heads,
        "attestations": attestations,
        "openings": openings,
        "documents": _documents(context, openings),
        **_submissions(session, loaded),
        "anchors": [*anchors, *_partner_anchors(session, loaded, chain_id)],
        "scope": {
            "withheld_statements": [],
            "withheld_openings": 0,
            "exported_by": context.org_id,
            "exported_at": context.now(),
        },
    }


def _submissions(session: Session, loaded: Loaded) -> dict[str, list[str]]:
    """The statements that were submitted to everyone, sequenced or not, and the receipts of them that we hold."""
    number = loaded.row.number
    receipts = list(session.exec(select(ReceiptRow).where(ReceiptRow.number == number)))
    ours = select(StatementRow).where(StatementRow.number == number, col(StatementRow.submitted_at).is_not(None))
    named = {one.id for one in session.exec(ours)} | {one.statement_id for one in receipts}
    tokens = [session.get_one(StatementRow, (number, name)).token for name in sorted(named)]
    return {"submissions": tokens, "receipts": [one.token for one in receipts]}


def _partner_anchors(session: Session, loaded: Loaded, chain_id: int | None) -> list[dict[str, Any]]:
    terms = loaded.agreement.anchoring
    chain = chain_id or (terms.chain_id if terms else 0)
    query = select(PartnerAnchorRow).where(PartnerAnchorRow.execution == loaded.row.id, PartnerAnchorRow.chain == chain)
    return [canonical.parse(row.document) for row in session.exec(query)]


def _heads(session: Session, loaded: Loaded) -> tuple[list[str], list[str]]:
    """Only the heads that anchors and the end rest on: the start's and the newest, beside all attestations."""
    rows = session.exec(select(HeadRow).where(HeadRow.number == loaded.row.number).order_by(col(HeadRow.size)))
    heads, attestations = [], []
    for row in rows:
        if row.iss != loaded.agreement.coordinator:
            attestations.append(row.token)
        elif row.size in {loaded.row.start_size, loaded.row.size}:
            heads.append(row.token)
    return heads, attestations


def _opening(row: OpeningRow) -> dict[str, Any]:
    return {
        "statement_id": row.statement_id,
        "task": row.task,
        "attempt": row.attempt,
        "property": row.property,
        "salt": row.salt,
        "value": canonical.parse(row.value),
    }


def _documents(context: Context, openings: list[dict[str, Any]]) -> dict[str, str]:
    documents: dict[str, str] = {}
    total = 0
    for one in openings:
        if not is_file(one["value"]):
            continue
        manifest = read_manifest(one["value"])
        total += manifest.size
        if total > MAX_DOCUMENTS or not all(context.chunks.has(name) for name in manifest.chunks):
            continue
        opener = FileOpener(manifest)
        data = b"".join(opener.open(context.chunks.get(name)) for name in manifest.chunks)
        opener.finish()
        documents[hashlib.sha256(data).hexdigest()] = b64.encode(data)
    return documents
