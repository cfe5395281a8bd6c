"""``decide``: what follows from a statement, or why nothing does.

Pure and total: the same agreement, state, statement and time give the same answer in any process, and no statement
whose form holds makes it raise. A handler answers with the reason why the statement is void, or with None.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from tallystick.core.agreement import Agreement, execution_id
from tallystick.core.engine import agenda, answers, citing, closing, control, keyring, timing
from tallystick.core.engine.state import OPEN, State
from tallystick.core.engine.work import Work
from tallystick.core.entry import APPLIED
from tallystick.core.statement import ROOT_SIGNED, Change, Consent, Statement


class Decision(msgspec.Struct, frozen=True):
    """``outcome`` is ``applied`` or ``void:reason``; ``events`` are empty when void.

    ``state`` is what ``evolve`` gives for the entry that holds them; who has both need not evolve once more.
    """

    outcome: str
    events: list[dict[str, Any]]
    state: State


def decide(agreement: Agreement, state: State, statement: Statement, at: int) -> Decision:
    """What ``statement`` does to an execution in ``state`` when it is sequenced at ``at`` (milliseconds)."""
    work = Work(agreement, state, at)
    reason = _general(agreement, state, statement) or HANDLERS[statement.kind](work, statement, statement.body)
    if reason:
        return Decision(f"void:{reason}", [], Work(agreement, state, at).draft.finish())
    agenda.run(work)
    return Decision(APPLIED, work.events, work.draft.finish())


def _general(agreement: Agreement, state: State, statement: Statement) -> str | None:
    """What holds for every kind."""
    author = agreement.participant(statement.iss)
    if author is None:
        return "not_a_participant"
    if author.observes and statement.kind != "consent" and statement.kind not in ROOT_SIGNED:
        return "observes_only"
    if state.size == 0 and statement.kind != "propose":
        return "not_proposed"
    if state.status not in OPEN:
        return "closed"
    if state.size >= agreement.limits.max_entries and statement.kind != "terminate":
        return "too_many_entries"
    return keyring.judge(state, statement)


def _propose(work: Work, statement: Statement, body: Any) -> str | None:
    if work.state.size:
        return "already_proposed"
    if statement.iss != work.agreement.proposer:
        return "not_the_proposer" if work.agreement.replaces else "not_the_initiator"
    participants = [one.org_id for one in work.agreement.participants]
    work.emit({"type": "proposed", "by": statement.iss, "participants": participants})
    _ready_when_all_accept(work)
    return None


def _consent(work: Work, statement: Statement, body: Consent) -> str | None:
    if work.state.status != "created" or work.state.consents.get(statement.iss) != "pending":
        return "already_answered"
    work.emit({"type": "consented", "org": statement.iss, "decision": body.decision})
    if body.decision == "rejected":
        closing.close(work, "terminated", "consent_rejected")
    else:
        _ready_when_all_accept(work)
    return None


def _change(work: Work, statement: Statement, body: Change) -> str | None:
    """Close the proposal for another one: by somebody who has still to answer, or by who made it."""
    if work.agreement.parent:
        return "sub_workflow"  # agreed with its parent
    if work.state.status != "created":
        return "already_agreed"
    if work.state.consents.get(statement.iss) != "pending" and statement.iss != work.agreement.proposer:
        return "already_answered"
    if body.agreement == statement.aud:
        return "same_agreement"
    execution = execution_id(body.agreement, statement.iss, body.nonce)
    work.emit({"type": "replaced", "by": statement.iss, "agreement": body.agreement, "execution": execution})
    closing.close(work, "terminated", "replaced")
    return None


def _ready_when_all_accept(work: Work) -> None:
    if set(work.state.consents.values()) == {"accepted"}:
        work.emit({"type": "readied"})


def _start(work: Work, statement: Statement, body: Any) -> str | None:
    if statement.iss != work.agreement.initiator:
        return "not_the_initiator"
    if work.state.status == "created":
        return "not_ready"
    if work.state.status != "ready":
        return "already_started"
    work.emit({"type": "started", "by": statement.iss})
    citing.hold(work)
    work.follow("enter", "", work.agreement.compiled.start)
    return None


HANDLERS: dict[str, Callable[[Work, Statement, Any], str | None]] = {
    "propose": _propose,
    "consent": _consent,
    "change": _change,
    "start": _start,
    "cite_start": citing.cite,
    "result": answers.result,
    "received": answers.received,
    "acknowledge": answers.acknowledge,
    "retry": answers.retry,
    "timer": timing.timer,
    "schedule": timing.schedule,
    "signal": control.signal,
    "suspend": control.suspend,
    "resume": control.resume,
    "cancel": control.cancel,
    "terminate": control.terminate,
    "rotate_key": keyring.rotate,
    "revoke_key": keyring.revoke,
}
