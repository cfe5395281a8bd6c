"""What partners sign or show beside the log: attestations, refusals, receipts, anchors."""

from tallystick.core import canonical, replay
from tallystick.core import head as heads
from tallystick.core.engine import keyring
from tallystick.core.errors import BadSignature, Invalid, NotYet
from tallystick.ledger import leaf as leaves
from tallystick.ledger.hashing import unhex
from tallystick.node.record import messages as m
from tallystick.node.record import pinned, refusing, store, submitting
from tallystick.node.record.admission import check_head, participating, verify_head
from tallystick.node.record.context import Context
from tallystick.node.record.unit import Unit
from tallystick.tenants.models.anchor import PartnerAnchorRow
from tallystick.tenants.models.record import StatementRow, UnattestedRow


def attestation(unit: Unit, context: Context, partner: str, message: m.AttestationMessage) -> None:
    """Keep a participant's countersignature; it is not asked for any more."""
    raw, head = heads.read_attestation(message.token)
    loaded = participating(unit, partner, head.execution)
    check_head(loaded, head, head.iss)
    if head.size > loaded.state.size:
        raise NotYet("attestation is of entries that are not here yet", code="ahead_of_log")
    verify_head(loaded, raw, head)
    if store.root_at(unit, loaded, head.size) not in {head.root, None}:
        loaded.row.dispute = f"{head.iss} attests another root at size {head.size}"
        loaded.changed = True
    store.add_head(unit, loaded, head, message.token)
    unit.delete(UnattestedRow, (loaded.row.number, head.iss))


def receipt(unit: Unit, context: Context, partner: str, message: m.ReceiptMessage) -> None:
    """Keep a partner's word that it has a statement of ours."""
    loaded = participating(unit, partner, m.execution_of(message) or "")
    submitting.keep_receipt(unit, context, loaded, partner, message.token)


def refusal(unit: Unit, context: Context, partner: str, message: m.RefusalMessage) -> None:
    """Keep why a partner refused a statement or an agreement of ours."""
    raw, read = heads.read_refusal(message.token)
    if read.iss != partner:
        raise Invalid("refusal is not by its sender", code="wrong_issuer")
    agreement = store.get_agreement(unit, read.aud)
    if agreement is None or agreement.participant(partner) is None:
        raise Invalid("refusal is of nothing that its sender takes part in", code="not_a_participant")
    loaded = store.find(unit, read.execution)
    state = loaded.state if loaded and loaded.agreement == agreement else None
    if state is not None and keyring.fault(state, raw.kid, state.size):
        raise BadSignature(f"key {raw.kid[:16]} of {partner} speaks no longer in this execution", code="key_revoked")
    whole = read.statement_id == read.aud
    if whole and state is None:
        pinned.verify(unit, raw, agreement, partner)
    else:
        replay.verify_token(raw, agreement, read.iss, state)
    (refusing.refused_agreement if whole else refusing.refused_statement)(unit, context, read)


def anchor(unit: Unit, context: Context, partner: str, message: m.AnchorMessage) -> None:
    """Keep a partner's anchor for the evidence; it is the verifier who judges it."""
    loaded = participating(unit, partner, message.execution)
    try:
        leaf = leaves.decode(unhex(message.proof["leaf"]))
    except (KeyError, TypeError, ValueError) as error:
        raise Invalid("anchor holds no leaf", code="bad_anchor") from error
    sender = loaded.agreement.participant(partner)
    if sender is None or (leaf.execution.hex(), "0x" + leaf.org.hex()) != (message.execution, sender.chain_org):
        raise Invalid("anchor is of another execution or organisation", code="bad_anchor")
    terms, chain = loaded.agreement.anchoring, message.proof.get("chain_id")
    if terms is None or not isinstance(chain, int) or chain not in terms.chains:
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
