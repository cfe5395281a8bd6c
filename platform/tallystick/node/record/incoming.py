"""A partner's message: confirm, reject, retry or wait (design §2).

Handlers run inside one unit of work and raise to say otherwise than *confirm*: :class:`NotYet` makes the message wait,
:class:`Invalid` rejects it. Nothing that a rejected message wrote survives, because its unit is discarded.
"""

import hashlib
from collections.abc import Callable
from typing import Any

from tallystick.core import b64
from tallystick.core import statement as statements
from tallystick.core.engine import keyring
from tallystick.core.errors import BadSignature, Invalid, NotYet
from tallystick.core.statement import Statement
from tallystick.node.record import (
    cards,
    changing,
    children,
    comparing,
    coordinator,
    onchain,
    openings,
    pinned,
    proposed,
    quota,
    rekeying,
    sources,
    store,
    submitting,
    taking,
    witnessing,
)
from tallystick.node.record import messages as m
from tallystick.node.record.admission import committed_envelopes, participating
from tallystick.node.record.context import Context
from tallystick.node.record.loaded import Loaded
from tallystick.node.record.unit import Unit
from tallystick.node.schemas import definition_faults
from tallystick.tenants.models.record import InboxRow, StatementRow


def handle(unit: Unit, context: Context, partner: str, message: m.Message) -> str | None:
    """Take a partner's message in; the execution that it is about. :func:`finish` does the rest once it is durable."""
    return _HANDLERS[type(message)](unit, context, partner, message) or m.execution_of(message)


def finish(context: Context, message: m.Message) -> None:
    """What must follow the commit before the sender is told: a chunk's bytes, which its quota has admitted."""
    if isinstance(message, m.ChunkMessage):
        context.chunks.put(b64.decode(message.data))


def _agreement(unit: Unit, context: Context, partner: str, message: m.AgreementMessage) -> None:
    name, agreement, is_new = store.put_agreement(unit, message.agreement, sources.checked(message))
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
    if is_new:
        proposed.admit(unit, context, partner, name, len(m.encode(message)))
    refused = unit.get(InboxRow, (partner, name))
    if refused is not None:
        unit.delete(InboxRow, (partner, name))  # refused before, for a reason that is gone


def _statement(unit: Unit, context: Context, partner: str, message: m.StatementMessage) -> str:
    form = statements.read(message.token)
    changing.admit(unit, context, form[1])
    loaded = participating(unit, partner, form[1].execution)
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
    envelopes = committed_envelopes(said, message.sealed)
    coordinator.sequence(unit, context, loaded, said, message.token, envelopes, is_new=row is None)
    unit.note("signed_at", (said.iss, said.iat))
    children.follow(unit, context, loaded)
    openings.read(unit, context, loaded, said, envelopes)
    return said.execution


def _submission(unit: Unit, context: Context, partner: str, message: m.SubmissionMessage) -> None:
    form = statements.read(message.token)
    loaded = participating(unit, partner, form[1].execution)
    said = loaded.replay.open(message.token, form)
    if said.iss != partner:
        raise Invalid("a statement is submitted by its author", code="wrong_issuer")
    if said.iat > context.now() + loaded.agreement.limits.skew_ms:
        raise NotYet("statement is dated further ahead than the agreed skew", code="ahead_of_clock")
    me = loaded.agreement.participant(context.org_id)
    envelopes = {} if me and me.observes else committed_envelopes(said, message.sealed)
    submitting.receive(unit, context, loaded, said, message.token, envelopes)
    if loaded.agreement.coordinator == context.org_id:
        _statement(unit, context, partner, m.StatementMessage(token=message.token, sealed=message.sealed))


def _check_basis(unit: Unit, loaded: Loaded, said: Statement) -> None:
    """Whoever speaks from a head that we did not sign holds another history."""
    if said.basis is None:
        return
    if said.basis.size > loaded.state.size:
        raise NotYet("statement rests on entries that are not here", code="ahead_of_log")
    if store.root_at(unit, loaded, said.basis.size) != said.basis.root:
        raise Invalid("statement rests on a history that is not this log's", code="contradictory_basis")


def _chunk(unit: Unit, context: Context, partner: str, message: m.ChunkMessage) -> None:
    participating(unit, partner, message.execution)
    data = b64.decode(message.data)
    if hashlib.sha256(data).hexdigest() != message.sha256:
        raise Invalid("chunk is not the one that its name says", code="wrong_chunk")
    quota.admit(unit, context, partner, message.sha256, len(data))


_HANDLERS: dict[type[m.Message], Callable[[Unit, Context, str, Any], str | None]] = {
    m.CardMessage: cards.take,
    m.AgreementMessage: _agreement,
    m.StatementMessage: _statement,
    m.EntriesMessage: taking.take,
    m.AttestationMessage: witnessing.attestation,
    m.RefusalMessage: witnessing.refusal,
    m.SubmissionMessage: _submission,
    m.ReceiptMessage: witnessing.receipt,
    m.NeedMessage: comparing.need,
    m.NeedChunksMessage: comparing.need_chunks,
    m.HoldingMessage: comparing.holding,
    m.ChunkMessage: _chunk,
    m.AnchorMessage: witnessing.anchor,
}
