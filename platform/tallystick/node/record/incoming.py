"""A partner's message: confirm, reject, retry or wait (design §2).

Handlers run inside one unit of work and raise to say otherwise than *confirm*: :class:`NotYet` makes the message wait,
:class:`Invalid` rejects it. Nothing that a rejected message wrote survives, because its unit is discarded.
"""

import hashlib
from collections.abc import Callable
from typing import Any

from tallystick.core import b64, canonical, jws, replay
from tallystick.core import entry as entries
from tallystick.core import head as heads
from tallystick.core import statement as statements
from tallystick.core.engine import keyring
from tallystick.core.errors import BadSignature, Invalid, NotYet
from tallystick.core.head import Head
from tallystick.core.statement import Propose, Statement
from tallystick.ledger import leaf as leaves
from tallystick.ledger.hashing import unhex
from tallystick.node.record import (
    cards,
    changing,
    children,
    citations,
    coordinator,
    onchain,
    openings,
    outgoing,
    pinned,
    quota,
    refusing,
    rekeying,
    resigning,
    sources,
    store,
    submitting,
)
from tallystick.node.record import messages as m
from tallystick.node.record.context import Context
from tallystick.node.record.effects import Effects
from tallystick.node.record.loaded import Loaded
from tallystick.node.record.unit import Unit
from tallystick.node.schemas import definition_faults
from tallystick.tenants import sealing
from tallystick.tenants.models.anchor import PartnerAnchorRow
from tallystick.tenants.models.record import EntryRow, InboxRow, StatementRow

MAX_BATCH = 500  # entries in one message


def handle(unit: Unit, context: Context, partner: str, message: m.Message) -> str | None:
    """Take a partner's message in; the execution that it is about. :func:`finish` does the rest once it is durable."""
    return _HANDLERS[type(message)](unit, context, partner, message) or m.execution_of(message)


def finish(context: Context, message: m.Message) -> None:
    """What must follow the commit before the sender is told: a chunk's bytes, which its quota has admitted."""
    if isinstance(message, m.ChunkMessage):
        context.chunks.put(b64.decode(message.data))


def _agreement(unit: Unit, context: Context, partner: str, message: m.AgreementMessage) -> None:
    name, agreement = store.put_agreement(unit, message.agreement, sources.checked(message))
    if agreement.participant(context.org_id) is None or agreement.participant(partner) is None:
        raise Invalid("agreement does not name both of us as participants", code="not_a_participant")
    rekeying.check(context, agreement)
    pinned.check(unit, context, agreement)
    faults = definition_faults(agreement.definition, agreement.definition, "/definition")
    if faults:
        raise Invalid(faults[0].detail, code=faults[0].code, pointer=faults[0].pointer)
    changing.check_agreement(unit, agreement)
    onchain.check(agreement, context.org_id, context.onchain)
    onchain.note_workflow(unit, agreement, context.org_id, context.now())
    refused = unit.get(InboxRow, (partner, name))
    if refused is not None:
        unit.delete(InboxRow, (partner, name))  # refused before, for a reason that is gone


def _statement(unit: Unit, context: Context, partner: str, message: m.StatementMessage) -> str:
    form = statements.read(message.token)
    changing.admit(unit, context, form[1])
    loaded = _participating(unit, partner, form[1].execution)
    if loaded.agreement.coordinator != context.org_id:
        raise Invalid("this organisation does not coordinate the execution", code="not_the_coordinator")
    said = loaded.replay.open(message.token, form)
    row = unit.get(StatementRow, (loaded.row.number, said.id))
    if row is not None and row.seq is not None:
        return said.execution  # sequenced before: sent again after a lost acknowledgement
    ended = keyring.judge(loaded.state, said)
    if ended:  # whoever has stolen a key fills no log with it
        raise BadSignature(f"key {said.kid} of {said.iss} speaks no longer in this execution", code=ended)
    if said.iat > context.now() + loaded.agreement.limits.skew_ms:
        raise NotYet("statement is dated further ahead than the agreed skew", code="ahead_of_clock")
    _check_basis(unit, loaded, said)
    changing.check_change(unit, loaded, said)
    envelopes = _committed_envelopes(said, message.sealed)
    coordinator.sequence(unit, context, loaded, said, message.token, envelopes, is_new=row is None)
    unit.note("signed_at", (said.iss, said.iat))
    children.follow(unit, context, loaded)
    openings.read(unit, context, loaded, said, envelopes)
    return said.execution


def _submission(unit: Unit, context: Context, partner: str, message: m.SubmissionMessage) -> None:
    form = statements.read(message.token)
    loaded = _participating(unit, partner, form[1].execution)
    said = loaded.replay.open(message.token, form)
    if said.iss != partner:
        raise Invalid("a statement is submitted by its author", code="wrong_issuer")
    if said.iat > context.now() + loaded.agreement.limits.skew_ms:
        raise NotYet("statement is dated further ahead than the agreed skew", code="ahead_of_clock")
    me = loaded.agreement.participant(context.org_id)
    envelopes = {} if me and me.observes else _committed_envelopes(said, message.sealed)
    submitting.receive(unit, context, loaded, said, message.token, envelopes)
    if loaded.agreement.coordinator == context.org_id:
        _statement(unit, context, partner, m.StatementMessage(token=message.token, sealed=message.sealed))


def _receipt(unit: Unit, context: Context, partner: str, message: m.ReceiptMessage) -> None:
    loaded = _participating(unit, partner, m.execution_of(message) or "")
    submitting.keep_receipt(unit, context, loaded, partner, message.token)


def _check_basis(unit: Unit, loaded: Loaded, said: Statement) -> None:
    """Whoever speaks from a head that we did not sign holds another history."""
    if said.basis is None:
        return
    if said.basis.size > loaded.state.size:
        raise NotYet("statement rests on entries that are not here", code="ahead_of_log")
    if store.root_at(unit, loaded, said.basis.size) != said.basis.root:
        raise Invalid("statement rests on a history that is not this log's", code="contradictory_basis")


def _entries(unit: Unit, context: Context, partner: str, message: m.EntriesMessage) -> None:
    loaded = store.find(unit, message.execution)
    form = statements.read(message.statements[0]) if message.statements else None
    if form is None or len(message.entries) != len(message.statements) or len(message.entries) > MAX_BATCH:
        raise Invalid("entries and statements must come in pairs, at least one", code="bad_entries")
    if loaded is None:
        loaded = _new_execution(unit, context, message, form[1])
    if loaded.agreement.participant(partner) is None:
        raise Invalid("sender takes no part in the execution", code="not_a_participant")
    if message.start > loaded.state.size:
        outgoing.post_need(unit, context, loaded)
        return  # what is missing will be sent again with all that follows it
    raw, head = heads.read_head(message.head)
    _check_head(loaded, head, loaded.agreement.coordinator)
    envelopes = {sealing.ciphertext_hash(one): one for one in message.sealed}
    size = loaded.state.size
    for document, token in zip(message.entries, message.statements, strict=True):
        _take_entry(unit, context, loaded, document, token, envelopes, form)
        form = None  # that was the first one's
    children.accept(unit, context, loaded)
    # By the keys that the entries lead to: one of them may be the coordinator's own new key.
    _verify_head(loaded, raw, head)
    if (head.size, head.root) == (loaded.state.size, loaded.replay.root):
        (store.put_head if head.size > size else store.add_head)(unit, loaded, head, message.head)
    elif head.size >= loaded.state.size:
        raise Invalid("head is not the root of these entries", code="wrong_root")
    store.save(loaded, context.org_id, context.now())
    if loaded.row.next_due is not None:
        unit.note("due", loaded.row.next_due)


def _new_execution(unit: Unit, context: Context, message: m.EntriesMessage, first: Statement) -> Loaded:
    agreement = store.get_agreement(unit, first.aud)
    if agreement is None and unit.get(InboxRow, (first.iss, first.aud)) is not None:
        raise Invalid("the agreement was refused here", code="agreement_refused")
    if agreement is None:
        raise NotYet("the agreement has not come yet", code="no_agreement")
    if message.start != 0 or not isinstance(first.body, Propose):
        raise NotYet("the execution's first entries have not come yet", code="no_proposal")
    if agreement.key(context.org_id, context.keystore.signing_key.kid) is None:
        unit.note(rekeying.NOTE, None)  # it was drafted when an older key spoke for us
    changing.check_place(unit, agreement, message.execution)
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


def _attestation(unit: Unit, context: Context, partner: str, message: m.AttestationMessage) -> None:
    raw, head = heads.read_attestation(message.token)
    loaded = _participating(unit, partner, head.execution)
    _check_head(loaded, head, head.iss)
    if head.size > loaded.state.size:
        raise NotYet("attestation is of entries that are not here yet", code="ahead_of_log")
    _verify_head(loaded, raw, head)
    if store.root_at(unit, loaded, head.size) not in {head.root, None}:
        loaded.row.dispute = f"{head.iss} attests another root at size {head.size}"
        loaded.changed = True
    store.add_head(unit, loaded, head, message.token)


def _refusal(unit: Unit, context: Context, partner: str, message: m.RefusalMessage) -> None:
    raw, refusal = heads.read_refusal(message.token)
    if refusal.iss != partner:
        raise Invalid("refusal is not by its sender", code="wrong_issuer")
    agreement = store.get_agreement(unit, refusal.aud)
    if agreement is None or agreement.participant(partner) is None:
        raise Invalid("refusal is of nothing that its sender takes part in", code="not_a_participant")
    loaded = store.find(unit, refusal.execution)
    state = loaded.state if loaded and loaded.agreement == agreement else None
    if state is not None and keyring.fault(state, raw.kid, state.size):
        raise BadSignature(f"key {raw.kid[:16]} of {partner} speaks no longer in this execution", code="key_revoked")
    replay.verify_token(raw, agreement, refusal.iss, state)
    whole = refusal.statement_id == refusal.aud
    (refusing.refused_agreement if whole else refusing.refused_statement)(unit, context, refusal)


def _need(unit: Unit, context: Context, partner: str, message: m.NeedMessage) -> None:
    loaded = _participating(unit, partner, message.execution)
    if 0 <= message.size < loaded.state.size:
        outgoing.post_entries(unit, context, loaded, partner, message.size)


def _chunk(unit: Unit, context: Context, partner: str, message: m.ChunkMessage) -> None:
    _participating(unit, partner, message.execution)
    data = b64.decode(message.data)
    if hashlib.sha256(data).hexdigest() != message.sha256:
        raise Invalid("chunk is not the one that its name says", code="wrong_chunk")
    quota.admit(unit, context, partner, message.sha256, len(data))


def _anchor(unit: Unit, context: Context, partner: str, message: m.AnchorMessage) -> None:
    """Keep a partner's anchor for the evidence; it is the verifier who judges it."""
    loaded = _participating(unit, partner, message.execution)
    try:
        leaf = leaves.decode(unhex(message.proof["leaf"]))
    except (KeyError, TypeError, ValueError) as error:
        raise Invalid("anchor holds no leaf", code="bad_anchor") from error
    sender = loaded.agreement.participant(partner)
    if sender is None or (leaf.execution.hex(), "0x" + leaf.org.hex()) != (message.execution, sender.chain_org):
        raise Invalid("anchor is of another execution or organisation", code="bad_anchor")
    terms, chain = loaded.agreement.anchoring, message.proof.get("chain_id")
    if terms is None or chain not in terms.chains:
        raise Invalid("anchor is on another chain than the agreement's", code="bad_anchor")
    subject = leaf.input.hex() if leaf.kind == leaves.SUBMISSION else ""
    if subject and unit.get(StatementRow, (loaded.row.number, subject)) is None:
        raise Invalid("anchor is of a submission that is not known here", code="bad_anchor")
    unit.put(
        PartnerAnchorRow,
        execution=message.execution,
        partner=partner,
        kind=leaf.kind,
        subject=subject,
        chain=chain,
        document=canonical.encode(message.proof),
    )


def _participating(unit: Unit, partner: str, execution: str) -> Loaded:
    loaded = store.find(unit, execution)
    if loaded is None:
        raise NotYet("the execution is not known here yet", code="no_execution")
    if loaded.agreement.participant(partner) is None:
        raise Invalid("sender takes no part in the execution", code="not_a_participant")
    return loaded


def _check_head(loaded: Loaded, head: Head, issuer: str) -> None:
    if (head.execution, head.aud, head.iss) != (loaded.row.id, loaded.row.agreement_hash, issuer):
        raise Invalid("head is for another execution, agreement or issuer", code="wrong_head")
    if head.term != loaded.state.term:
        raise Invalid("head has another term", code="wrong_term")


def _verify_head(loaded: Loaded, raw: jws.Token, head: Head) -> None:
    """Once more what it is for, as the log stands now, and its signature."""
    _check_head(loaded, head, head.iss)
    replay.verify_head(raw, loaded.agreement, head.iss, head.size, loaded.state)


def _committed_envelopes(said: Statement, sealed: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    envelopes = {sealing.ciphertext_hash(one): one for one in sealed}
    if set(envelopes) != set(said.sealed):
        raise Invalid("envelopes are not those that the statement commits to", code="wrong_envelope")
    return envelopes


_HANDLERS: dict[type[m.Message], Callable[[Unit, Context, str, Any], str | None]] = {
    m.CardMessage: cards.take,
    m.AgreementMessage: _agreement,
    m.StatementMessage: _statement,
    m.EntriesMessage: _entries,
    m.AttestationMessage: _attestation,
    m.RefusalMessage: _refusal,
    m.SubmissionMessage: _submission,
    m.ReceiptMessage: _receipt,
    m.NeedMessage: _need,
    m.ChunkMessage: _chunk,
    m.AnchorMessage: _anchor,
}
