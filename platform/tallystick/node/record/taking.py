"""A coordinator's entries, as a participant takes them in: replayed, compared, and what follows from them done here."""

from typing import Any

from tallystick.core import entry as entries
from tallystick.core import head as heads
from tallystick.core import jws
from tallystick.core import statement as statements
from tallystick.core.errors import Invalid, NotYet
from tallystick.core.statement import Propose, Statement
from tallystick.node.record import (
    changing,
    children,
    citations,
    openings,
    outgoing,
    proposed,
    refusing,
    rekeying,
    resigning,
    store,
)
from tallystick.node.record.admission import Hidden, check_head, verify_head
from tallystick.node.record.context import Context
from tallystick.node.record.effects import Effects
from tallystick.node.record.loaded import Loaded
from tallystick.node.record.messages import EntriesMessage
from tallystick.node.record.unit import Unit
from tallystick.tenants import sealing
from tallystick.tenants.models.record import EntryRow, InboxRow, StatementRow

_NO_AGREEMENT = "the agreement has not come yet"
MAX_BATCH = 500  # entries in one message


def take(unit: Unit, context: Context, partner: str, message: EntriesMessage) -> None:
    """Take in those that follow on ours; behind a gap, ask for what is missing."""
    loaded = store.find(unit, message.execution)
    form = statements.read(message.statements[0]) if message.statements else None
    if form is None or len(message.entries) != len(message.statements) or len(message.entries) > MAX_BATCH:
        raise Invalid("entries and statements must come in pairs, at least one", code="bad_entries")
    if loaded is None:
        loaded = _new_execution(unit, context, partner, message, form[1])
    if loaded.agreement.participant(partner) is None:
        raise Hidden(_NO_AGREEMENT, code="no_agreement")
    if message.start > loaded.state.size:
        outgoing.check_unread(unit, loaded.agreement.coordinator)
        outgoing.post_need(unit, context, loaded.agreement.coordinator, loaded.row.id, loaded.state.size)
        return  # what is missing will be sent again with all that follows it
    raw, head = heads.read_head(message.head)
    check_head(loaded, head, loaded.agreement.coordinator)
    envelopes = {sealing.ciphertext_hash(one): one for one in message.sealed}
    size = loaded.state.size
    for document, token in zip(message.entries, message.statements, strict=True):
        _take_entry(unit, context, loaded, document, token, envelopes, form)
        form = None  # that was the first one's
    children.accept(unit, context, loaded)
    # By the keys that the entries lead to: one of them may be the coordinator's own new key.
    verify_head(loaded, raw, head)
    if (head.size, head.root) == (loaded.state.size, loaded.replay.root):
        (store.put_head if head.size > size else store.add_head)(unit, loaded, head, message.head)
    elif head.size >= loaded.state.size:
        raise Invalid("head is not the root of these entries", code="wrong_root")
    store.save(loaded, context.org_id, context.now())
    if loaded.row.next_due is not None:
        unit.note("due", loaded.row.next_due)


def _new_execution(unit: Unit, context: Context, partner: str, message: EntriesMessage, first: Statement) -> Loaded:
    agreement = store.get_agreement(unit, first.aud)
    if agreement is None and unit.get(InboxRow, (first.iss, first.aud)) is not None:
        raise Invalid("the agreement was refused here", code="agreement_refused")
    if agreement is None:
        raise NotYet(_NO_AGREEMENT, code="no_agreement")
    if agreement.participant(partner) is None:
        raise Hidden(_NO_AGREEMENT, code="no_agreement")
    if message.start != 0 or not isinstance(first.body, Propose):
        raise NotYet("the execution's first entries have not come yet", code="no_proposal")
    if agreement.key(context.org_id, context.keystore.signing_key.kid) is None:
        unit.note(rekeying.NOTE, None)  # it was drafted when an older key spoke for us
    changing.check_place(unit, agreement, message.execution)
    proposed.begin(unit, context, partner, first.aud)
    return changing.begin(unit, context, agreement, first.aud, message.execution)


def _take_entry(
    unit: Unit,
    context: Context,
    loaded: Loaded,
    document: dict[str, Any],
    token: str,
    envelopes: dict[str, dict[str, Any]],
    form: tuple[jws.Token, Statement] | None,
) -> None:
    entry = entries.read(document)
    # What lies beyond our log cannot be known: whoever writes an execution has read how far it goes.
    held = entry.seq < loaded.state.size
    known = unit.get(EntryRow, (loaded.row.number, entry.term, entry.seq)) if held else None
    if known is not None:
        if known.leaf != entry.leaf():
            raise Invalid(f"entry {entry.seq} contradicts the one that is here", code="fork")
        return
    if entry.at > context.now() + loaded.agreement.limits.skew_ms:
        raise NotYet("entry is dated further ahead than the agreed skew", code="ahead_of_clock")
    said = loaded.replay.open(token, form)
    row = unit.get(StatementRow, (loaded.row.number, said.id))
    if row is not None and row.seq is not None:
        raise Invalid(f"entry {entry.seq} sequences a statement for the second time", code="repeated_statement")
    citations.check(unit, context.citations, loaded, entry, said)
    loaded.replay.step(entry, said)
    store.add_entry(unit, loaded, entry, said, token, is_new=row is None)
    openings.keep_envelopes(unit, loaded, said, envelopes)
    openings.read(unit, context, loaded, said, envelopes)
    if said.iss != context.org_id:
        unit.note("signed_at", (said.iss, said.iat))
    Effects(unit, context, loaded, entry, said).run()
    if row is not None and row.iss == context.org_id and entry.outcome.removeprefix("void:") in refusing.GONE:
        resigning.again(unit, context, loaded, row)
    changing.follow(unit, context, loaded, said)
