"""What any message about an execution has to pass: its sender takes part in it, and heads are of this log."""

from typing import Any

from tallystick.core import jws, replay
from tallystick.core.errors import Invalid, NotYet
from tallystick.core.head import Head
from tallystick.core.statement import Statement
from tallystick.node.record import store
from tallystick.node.record.loaded import Loaded
from tallystick.node.record.unit import Unit
from tallystick.tenants import sealing


class Hidden(NotYet):
    """The sender takes no part in the execution, and must not learn that there is one: it is as unknown to it."""


def participating(unit: Unit, partner: str, execution: str) -> Loaded:
    """The execution, in which the sender takes part."""
    loaded = store.find(unit, execution)
    if loaded is None or loaded.agreement.participant(partner) is None:
        error = NotYet if loaded is None else Hidden
        raise error("the execution is not known here yet", code="no_execution")
    return loaded


def check_head(loaded: Loaded, head: Head, issuer: str) -> None:
    """Refuse a head that is for something else."""
    if (head.execution, head.aud, head.iss) != (loaded.row.id, loaded.row.agreement_hash, issuer):
        raise Invalid("head is for another execution, agreement or issuer", code="wrong_head")
    if head.term != loaded.state.term:
        raise Invalid("head has another term", code="wrong_term")


def verify_head(loaded: Loaded, raw: jws.Token, head: Head) -> None:
    """Once more what it is for, as the log stands now, and its signature."""
    check_head(loaded, head, head.iss)
    replay.verify_head(raw, loaded.agreement, head.iss, head.size, loaded.state)


def committed_envelopes(said: Statement, sealed: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Those that came beside a statement, by hash; they have to be all that it commits to."""
    envelopes = {sealing.ciphertext_hash(one): one for one in sealed}
    if set(envelopes) != set(said.sealed):
        raise Invalid("envelopes are not those that the statement commits to", code="wrong_envelope")
    return envelopes
