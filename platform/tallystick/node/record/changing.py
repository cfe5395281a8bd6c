"""A proposal is replaced by a changed one: another agreement, with an execution of its own.

Whoever wants a change sends the new agreement to those whom it names, and states the change in the execution of the
old one. When the coordinator has sequenced that before any other answer that ends the proposal, the old execution is
closed as replaced, and the author proposes the new agreement, whose log the same organisation coordinates. Of two
changes, or of a change and a rejection, the one with the lower sequence number counts; the other is void.
"""

import os

from tallystick.core import agreement as agreements
from tallystick.core import b64
from tallystick.core.agreement import Agreement
from tallystick.core.errors import Invalid, NotYet
from tallystick.core.statement import Change, Propose, Statement
from tallystick.node.record import audience, beginning, store
from tallystick.node.record.authoring import Saying, say
from tallystick.node.record.context import Context
from tallystick.node.record.loaded import Loaded
from tallystick.node.record.unit import Unit
from tallystick.tenants.models.record import InboxRow


def offer(
    unit: Unit, context: Context, loaded: Loaded, document: dict[str, object], source: dict[str, object], reason: str
) -> str:
    """State that ``document`` is to take the place of what ``loaded`` proposes; the new execution's id."""
    name, agreement, _ = store.put_agreement(unit, document, source)
    nonce = b64.encode(os.urandom(16))
    beginning.send(unit, context, agreement, document, source, loaded.row.id)
    saying = Saying(
        kind="change",
        make=lambda data, sealed: Change(agreement=name, nonce=nonce, reason=data.get("$reason"), sealed=sealed),
        answer_key="consent",
        values={"$reason": reason} if reason else {},
        readers=audience.of_everyone(loaded.agreement),
    )
    said = say(unit, context, loaded, saying)
    follow(unit, context, loaded, said)  # where we coordinate it, it is sequenced by now
    return agreements.execution_id(name, context.org_id, nonce)


def follow(unit: Unit, context: Context, old: Loaded, said: Statement) -> None:
    """Where ``said`` is a change of ours that has taken the place of ``old``, propose what it names."""
    body = said.body
    if not isinstance(body, Change) or said.iss != context.org_id or old.row.replaced_by is None:
        return
    execution = agreements.execution_id(body.agreement, context.org_id, body.nonce)
    agreement = store.get_agreement(unit, body.agreement)
    if execution != old.row.replaced_by or agreement is None:
        return  # another change came first, or other software said this with our key
    loaded = begin(unit, context, agreement, body.agreement, execution)
    beginning.propose(unit, context, loaded, body.nonce)


def begin(unit: Unit, context: Context, agreement: Agreement, name: str, execution: str) -> Loaded:
    """The new execution; what its initiator meant to start the old one with, it starts the new one with."""
    loaded = store.create(unit, name, agreement, execution, context.now())
    old = store.find(unit, agreement.replaces.execution) if agreement.replaces else None
    if old is not None and agreement.initiator == context.org_id:
        loaded.row.proposed_input = old.row.proposed_input
    return loaded


def check_agreement(unit: Unit, agreement: Agreement) -> None:
    """Refuse an agreement that says to replace a proposal of ours and does not follow on it."""
    old = store.find(unit, agreement.replaces.execution) if agreement.replaces else None
    if old is None or agreement.replaces is None:
        return
    before = old.agreement
    kept = (before.initiator, before.coordinator, before.version + 1, old.row.agreement_hash)
    if kept != (agreement.initiator, agreement.coordinator, agreement.version, agreement.replaces.agreement):
        raise Invalid(
            "a change keeps the initiator and the coordinator, and names the proposal that it replaces",
            code="bad_replacement",
        )


def check_change(unit: Unit, loaded: Loaded, said: Statement) -> None:
    """Refuse a change whose agreement was refused here, or is of something else: it would replace with nothing."""
    body = said.body
    if not isinstance(body, Change):
        return
    agreement = store.get_agreement(unit, body.agreement)
    if agreement is None:
        if unit.get(InboxRow, (said.iss, body.agreement)) is not None:
            raise Invalid("the agreement was refused here", code="agreement_refused")
        raise NotYet("the agreement has not come yet", code="no_agreement")
    place = agreement.replaces
    if place is None or (place.execution, place.by) != (loaded.row.id, said.iss):
        raise Invalid("the agreement is no change of this proposal by its author", code="bad_replacement")


def admit(unit: Unit, context: Context, said: Statement) -> None:
    """Begin the log that we coordinate of a changed proposal, whose change stands in the old one's log."""
    if not isinstance(said.body, Propose) or store.find(unit, said.execution) is not None:
        return
    agreement = store.get_agreement(unit, said.aud)
    if agreement is None or agreement.replaces is None or agreement.coordinator != context.org_id:
        return
    named = agreements.execution_id(said.aud, said.iss, said.body.nonce)
    if (agreement.proposer, said.execution) != (said.iss, named):
        raise Invalid("the proposal does not give the execution its id", code="wrong_execution")
    if store.find(unit, agreement.replaces.execution) is None:
        raise Invalid("the proposal that it replaces is not known here", code="bad_replacement")
    check_place(unit, agreement, said.execution)
    begin(unit, context, agreement, said.aud, said.execution)


def check_place(unit: Unit, agreement: Agreement, execution: str) -> None:
    """Refuse an execution in a place that another one has; those who knew the old proposal can tell."""
    old = store.find(unit, agreement.replaces.execution) if agreement.replaces else None
    if old is None or old.row.replaced_by == execution:
        return
    if old.state.status == "created":
        raise NotYet("the proposal that it replaces still stands", code="not_replaced")
    raise Invalid("the proposal that it replaces ended otherwise", code="bad_replacement")
