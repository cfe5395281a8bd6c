"""What follows from an execution's start and end outside its record: our attestation, and leaves for the chain."""

from sqlalchemy import and_
from sqlmodel import col, select

from tallystick.core import replay
from tallystick.core.canonical import parse
from tallystick.core.commitment import data_hash
from tallystick.core.entry import Entry
from tallystick.core.entry import read as read_entry
from tallystick.core.head import Head, sign_attestation
from tallystick.core.statement import read as read_statement
from tallystick.node.record import onchain
from tallystick.node.record.context import Context
from tallystick.node.record.loaded import Loaded
from tallystick.node.record.messages import AttestationMessage
from tallystick.node.record.outgoing import post_all
from tallystick.node.record.store import add_head
from tallystick.node.record.unit import Unit
from tallystick.tenants.models.record import EntryRow, StatementRow, UnattestedRow


def attest(unit: Unit, context: Context, loaded: Loaded, entry: Entry) -> None:
    """Sign for all entries up to this one and tell every participant; note whose word for it is still to come."""
    others = [one.org_id for one in loaded.agreement.participants if one.org_id != context.org_id]
    for one in others:
        if one != loaded.agreement.coordinator:
            unit.insert(UnattestedRow, number=loaded.row.number, partner=one, since=context.now())
    if context.org_id == loaded.agreement.coordinator:
        return  # the closing head is the coordinator's attestation
    head = Head(
        v=1,
        iss=context.org_id,
        aud=loaded.row.agreement_hash,
        execution=entry.execution,
        term=entry.term,
        size=entry.seq + 1,
        root=loaded.replay.root,
        iat=context.now(),
    )
    token = sign_attestation(context.key_in(loaded), head)
    add_head(unit, loaded, head, token)
    post_all(unit, context, others, AttestationMessage(token=token), entry.execution)


def commitments(unit: Unit, loaded: Loaded) -> tuple[str, str]:
    """One hash over the input's commitments and one over the results', of all entries."""
    here = and_(col(StatementRow.number) == EntryRow.number, col(StatementRow.id) == EntryRow.statement_id)
    query = (
        select(EntryRow.leaf, StatementRow.token)
        .join(StatementRow, here)
        .where(EntryRow.number == loaded.row.number)
        .order_by(col(EntryRow.seq))
    )
    pairs = [(read_entry(parse(leaf)), read_statement(token)[1]) for leaf, token in unit.exec(query)]
    inputs, results = replay.anchored_commitments(pairs)
    return data_hash(inputs), data_hash(results)


def leaf(
    unit: Unit, context: Context, loaded: Loaded, entry: Entry, kind: int, status: str, inputs: str, results: str
) -> None:
    """A leaf of our log that anchors the record as of this entry."""
    onchain.add_leaf(
        unit,
        loaded.agreement,
        context.org_id,
        kind=kind,
        execution=entry.execution,
        agreement_hash=loaded.row.agreement_hash,
        term=entry.term,
        size=entry.seq + 1,
        root=loaded.replay.root,
        inputs=inputs,
        results=results,
        status=status,
        now=context.now(),
    )
