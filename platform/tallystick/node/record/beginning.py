"""An execution's first statements: it is proposed, and started."""

import os
from typing import Any

from tallystick.core import agreement as agreements
from tallystick.core import b64
from tallystick.core.agreement import Agreement
from tallystick.core.statement import Propose, Start
from tallystick.node.record import audience, store
from tallystick.node.record.authoring import Saying, say
from tallystick.node.record.context import Context
from tallystick.node.record.loaded import Loaded
from tallystick.node.record.unit import Unit


def new(unit: Unit, context: Context, agreement_hash: str, agreement: Agreement) -> tuple[Loaded, str]:
    """One more execution of an agreement, and the nonce that its proposal has to name."""
    nonce = b64.encode(os.urandom(16))
    execution = agreements.execution_id(agreement_hash, context.org_id, nonce)
    return store.create(unit, agreement_hash, agreement, execution, context.now()), nonce


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
