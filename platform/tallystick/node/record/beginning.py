"""An execution's first statements: it is proposed, and started."""

import os
from typing import Any

from tallystick.core import agreement as agreements
from tallystick.core import b64, canonical
from tallystick.core.agreement import Agreement
from tallystick.core.statement import Propose, Start
from tallystick.node.record import audience, onchain, outgoing, store
from tallystick.node.record.authoring import Saying, say
from tallystick.node.record.context import Context
from tallystick.node.record.loaded import Loaded
from tallystick.node.record.messages import AgreementMessage
from tallystick.node.record.sources import small
from tallystick.node.record.unit import Unit


def new(unit: Unit, context: Context, agreement_hash: str, agreement: Agreement) -> tuple[Loaded, str]:
    """One more execution of an agreement, and the nonce that its proposal has to name."""
    nonce = b64.encode(os.urandom(16))
    execution = agreements.execution_id(agreement_hash, context.org_id, nonce)
    return store.create(unit, agreement_hash, agreement, execution, context.now()), nonce


def offer(
    unit: Unit,
    context: Context,
    document: dict[str, Any],
    values: dict[str, Any],
    source: dict[str, Any] | None = None,
) -> Loaded:
    """Propose an execution of an agreement of ours to every participant; it will start with ``values``."""
    name, agreement, _ = store.put_agreement(unit, document, source)
    loaded, nonce = new(unit, context, name, agreement)
    loaded.row.proposed_input = canonical.encode(values)
    send(unit, context, agreement, document, source, loaded.row.id)
    propose(unit, context, loaded, nonce)
    return loaded


def send(
    unit: Unit,
    context: Context,
    agreement: Agreement,
    document: dict[str, Any],
    source: dict[str, Any] | None,
    execution: str,
) -> None:
    """Queue an agreement that we drafted for those whom it names; ``source`` is what its definition is compiled of."""
    onchain.note_workflow(unit, agreement, context.org_id, context.now())
    message = AgreementMessage(agreement=document, source=small(source))
    for one in agreement.participants:
        if one.org_id != context.org_id:
            outgoing.post(unit, context, one.org_id, message, execution)


def propose(unit: Unit, context: Context, loaded: Loaded, nonce: str) -> None:
    """State the proposal."""
    say(
        unit,
        context,
        loaded,
        Saying(kind="propose", make=lambda _data, _sealed: Propose(nonce=nonce), answer_key="propose"),
    )


def start(unit: Unit, context: Context, loaded: Loaded, values: dict[str, Any]) -> None:
    """State the start, with the input for everyone."""
    saying = Saying(
        kind="start",
        make=lambda data, sealed: Start(input=data, sealed=sealed),
        answer_key="start",
        values=values,
        readers=audience.of_everyone(loaded.agreement),
    )
    say(unit, context, loaded, saying)
