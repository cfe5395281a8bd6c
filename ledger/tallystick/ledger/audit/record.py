"""Checks 2 to 8 and 19: agreement, statements, entries, consent, replay, heads, attestations, forks."""

from tallystick.core import agreement as agreements
from tallystick.core import replay
from tallystick.core.errors import TallystickError
from tallystick.core.head import Head
from tallystick.core.statement import Propose

from .case import Case
from .report import Finding, failed, passed, unknown


def agreed(case: Case) -> Finding:
    """2: the execution belongs to this agreement, between the organisations that the auditor expects."""
    nonces = [said.body.nonce for said in case.statements.values() if isinstance(said.body, Propose)]
    if not nonces:
        return unknown("the proposal is withheld")
    derived = agreements.execution_id(case.agreement_hash, case.agreement.initiator, nonces[0])
    if derived != case.bundle.execution:
        return failed("the execution's id does not follow from the agreement and the proposal")
    expected = {one.org_id: one for one in case.trust.organisations}
    for one in case.agreement.participants:
        known = expected.get(one.org_id)
        if known is None:
            return unknown(f"{one.org_id} is not among the organisations that you named")
        if (known.root_key, known.chain_org, known.name) != (one.root_key, one.chain_org, one.name):
            return failed(f"{one.org_id} is not the organisation that you named: its keys differ")
    return passed(f"{len(case.agreement.participants)} organisations, agreement {case.agreement_hash[:16]}…")


def signed(case: Case) -> Finding:
    """3: every statement is signed by its author, for this agreement and execution."""
    for name, token in case.bundle.statements.items():
        try:
            said = replay.open_statement(token, case.agreement, case.agreement_hash, case.bundle.execution)
        except TallystickError as error:
            return failed(f"statement {name[:16]}…: {error.detail}")
        if said.id != name:
            return failed(f"statement {name[:16]}… is filed under another id")
    return passed(f"{len(case.bundle.statements)} statements")


def sequenced(case: Case) -> Finding:
    """4: entries are gapless and in order of time, and each statement stands in exactly one."""
    seen: set[str] = set()
    at = 0
    for number, entry in enumerate(case.entries):
        if entry.seq != number or entry.execution != case.bundle.execution:
            return failed(f"entry {number} has sequence number {entry.seq}")
        if entry.at < at:
            return failed(f"entry {number} is earlier than the one before it")
        if entry.statement_id in seen:
            return failed(f"entry {number} repeats a statement")
        seen.add(entry.statement_id)
        at = entry.at
    missing = seen - set(case.bundle.statements)
    if missing - set(case.bundle.scope.withheld_statements):
        return failed(f"{len(missing)} statements are missing without being named as withheld")
    if set(case.bundle.statements) - seen:
        return failed("the bundle holds statements that stand in no entry")
    if not case.entries:
        return failed("there is no entry")
    return unknown(f"{len(missing)} statements are withheld") if missing else passed(f"{case.size} entries")


def consented(case: Case) -> Finding:
    """5: nothing started before all had accepted exactly this agreement."""
    state = case.replayed.state
    refusing = [org for org, consent in state.consents.items() if consent != "accepted"]
    started = any(event["type"] == "started" for entry in case.entries for event in entry.events)
    if started and refusing:
        return failed(f"{', '.join(refusing)} did not accept")
    if refusing:
        return passed(f"it never started: {', '.join(refusing)} did not accept")
    return passed("accepted by " + ", ".join(sorted(state.consents)))


def replays(case: Case) -> Finding:
    """6: the engine gives exactly these outcomes and events."""
    walk = case.replayed
    return passed(f"{walk.state.size} entries replayed; status {walk.state.status}, outcome {walk.state.outcome}")


def headed(case: Case) -> Finding:
    """7: the coordinator signed the root of these entries."""
    if not case.heads:
        return failed("there is no head")
    for raw, head in case.heads:
        wrong = _wrong(case, head, case.agreement.coordinator)
        if wrong:
            return failed(f"head at size {head.size}: {wrong}")
        if not case.signed(raw, head.iss):
            return failed(f"head at size {head.size} has a signature that does not hold")
    if case.heads[-1][1].size != case.size:
        return failed(f"the newest head covers {case.heads[-1][1].size} of {case.size} entries")
    return passed(f"{len(case.heads)} heads by {case.agreement.coordinator}, root {case.roots[-1][:16]}…")


def attested(case: Case) -> Finding:
    """8: every participant signed for all entries."""
    upto = {case.agreement.coordinator: case.size}
    for raw, head in case.attestations:
        wrong = _wrong(case, head, None)
        if wrong:
            return failed(f"attestation of {head.iss} at size {head.size}: {wrong}")
        if not case.signed(raw, head.iss):
            return failed(f"attestation of {head.iss} has a signature that does not hold")
        upto[head.iss] = max(upto.get(head.iss, 0), head.size)
    lacking = [one.org_id for one in case.agreement.participants if upto.get(one.org_id, 0) < case.size]
    if lacking:
        told = ", ".join(f"{org} attests up to entry {upto.get(org, 0)}" for org in lacking)
        return unknown(told)
    return passed(f"all {len(upto)} participants attest {case.size} entries")


def unforked(case: Case) -> Finding:
    """19: no two signatures name different roots for one place."""
    roots: dict[tuple[int, int], str] = {}
    for _, head in [*case.heads, *case.attestations]:
        if roots.setdefault((head.term, head.size), head.root) != head.root:
            return failed(f"two roots are signed for size {head.size}")
    bases = [said.basis for said in case.statements.values() if said.basis is not None]
    for basis in bases:
        if basis.size > case.size or case.roots[basis.size] != basis.root:
            return failed(f"a statement rests on another history at size {basis.size}")
    return passed(f"{len(roots)} signed roots and {len(bases)} bases agree")


def _wrong(case: Case, head: Head, issuer: str | None) -> str | None:
    if issuer is not None and head.iss != issuer:
        return f"is by {head.iss}, not by the coordinator"
    if (head.execution, head.aud) != (case.bundle.execution, case.agreement_hash):
        return "is for another execution"
    if head.term != 0:
        return "has a term that these entries do not have"
    if not 0 <= head.size <= case.size:
        return "covers more entries than there are"
    if case.roots[head.size] != head.root:
        return "its root is not that of these entries"
    return None
