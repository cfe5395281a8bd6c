"""Checks 2 to 8 and 19: agreement, statements, entries, consent, replay, heads, attestations, forks."""

from collections.abc import Iterator

from tallystick.core import agreement as agreements
from tallystick.core import replay
from tallystick.core.agreement import Participant
from tallystick.core.engine import keyring
from tallystick.core.entry import Entry
from tallystick.core.errors import TallystickError
from tallystick.core.head import Head
from tallystick.core.keys import key_id
from tallystick.core.statement import ROOT_SIGNED, Consent, Propose, Start, Statement

from .case import Case
from .report import Finding, failed, passed, unknown


def agreed(case: Case) -> Finding:
    """2: the execution belongs to this agreement, between the organisations that the auditor expects."""
    nonces = [said.body.nonce for said in case.statements.values() if isinstance(said.body, Propose)]
    ids = {agreements.execution_id(case.agreement_hash, case.agreement.proposer, nonce) for nonce in nonces}
    if nonces and case.bundle.execution not in ids:
        return failed("other_execution")
    expected = {one.org_id: one for one in case.trust.organisations}
    for one in case.agreement.participants:
        known = expected.get(one.org_id)
        if known and (known.root_key, known.chain_org.lower()) != (one.root_key, one.chain_org.lower()):
            return failed("other_organisation", org=one.org_id)
        if any(not _named_rightly(key.kid, key.key) for key in one.signing_keys):
            return failed("wrong_key_id", org=one.org_id)
    strangers = [one.org_id for one in case.agreement.participants if one.org_id not in expected]
    if strangers:
        return unknown("unexpected_organisations", orgs=", ".join(strangers))
    if not nonces:
        return unknown("no_proposal")
    return passed("agreed", count=len(case.agreement.participants), hash=case.agreement_hash)


def signed(case: Case) -> Finding:
    """3: every statement is signed by its author, for this agreement and execution."""
    for name, token in case.bundle.statements.items():
        try:
            said = replay.open_statement(token, case.agreement, case.agreement_hash, case.bundle.execution, case.keys)
        except TallystickError as error:
            return failed("bad_statement", id=name, reason=str(error))
        if said.id != name:
            return failed("misfiled_statement", id=name)
    for entry, said in case.pairs if case.keys.keys else ():
        wrong = _wrong_key(case, entry, said)
        if wrong:
            return failed(wrong, seq=entry.seq, org=said.iss, kid=said.kid)
    return passed("signed", count=len(case.bundle.statements))


def _wrong_key(case: Case, entry: Entry, said: Statement) -> str | None:
    """A key signs what stands between the entry that makes it known and the one that ends it."""
    if said.kind in ROOT_SIGNED:
        return None
    if keyring.is_early(case.keys, said.kid, entry.seq):
        return "key_not_yet"
    ended = keyring.fault(case.keys, said.kid, entry.seq)
    return ended if ended and entry.applied else None


def sequenced(case: Case) -> Finding:
    """4: entries are gapless and in order of time, and each statement stands in exactly one."""
    if not case.entries:
        return failed("no_entries")
    wrong = _out_of_sequence(case)
    if wrong:
        return wrong
    sequenced_ids = {entry.statement_id for entry in case.entries}
    named, here = set(case.bundle.scope.withheld_statements), set(case.bundle.statements)
    missing = sequenced_ids - here
    if here - sequenced_ids:
        return failed("unsequenced_statements", count=len(here - sequenced_ids))
    if missing - named:
        return failed("missing_statements", count=len(missing - named))
    if named - missing or len(named) != len(case.bundle.scope.withheld_statements):
        return failed("wrongly_withheld")
    return unknown("withheld_statements", count=len(missing)) if missing else passed("sequenced", count=case.size)


def _out_of_sequence(case: Case) -> Finding | None:
    seen: set[str] = set()
    at = 0
    for number, entry in enumerate(case.entries):
        if entry.seq != number:
            return failed("wrong_number", seq=entry.seq, expected=number)
        if (entry.execution, entry.term) != (case.bundle.execution, 0):
            return failed("foreign_entry", seq=number)
        if entry.at < at:
            return failed("time_runs_back", seq=number)
        if entry.statement_id in seen:
            return failed("repeated_statement", seq=number)
        seen.add(entry.statement_id)
        at = entry.at
    return None


def consented(case: Case) -> Finding:
    """5: nothing started before all had accepted exactly this agreement (check 3: each names it as its audience)."""
    accepted = {case.agreement.proposer}  # who proposes accepts
    everyone = [one.org_id for one in case.agreement.participants]
    for entry in case.entries:
        said = case.statements.get(entry.statement_id)
        if said is None:
            return unknown("consent_withheld", seq=entry.seq)
        if not entry.applied:
            continue
        if isinstance(said.body, Start):
            lacking = [org for org in everyone if org not in accepted]
            return (
                failed("no_consent", orgs=", ".join(lacking)) if lacking else passed("consented", count=len(everyone))
            )
        if isinstance(said.body, Consent) and said.body.decision == "accepted":
            accepted.add(said.iss)
    if _closed(case):
        return passed("never_started")
    return unknown("not_started")


def replays(case: Case) -> Finding:
    """6: the engine gives exactly these outcomes and events."""
    state = case.replayed.state
    return passed("replayed", count=state.size, status=state.status, outcome=state.outcome or "–")


def headed(case: Case) -> Finding:
    """7: the coordinator signed the roots of these entries, the last one too."""
    sizes = [head.size for _, head in case.heads]
    for raw, head in case.heads:
        if head.iss != case.agreement.coordinator or not case.signed(raw, head.iss):
            return failed("bad_head_signature", size=head.size, org=head.iss)
        if keyring.fault(case.keys, raw.kid, head.size - 1):
            return failed("head_key_ended", size=head.size, org=head.iss, kid=raw.kid)
        wrong = _contradicts(case, head)
        if wrong:
            return failed(f"head_{wrong}", size=head.size)
    if sizes != sorted(set(sizes)):
        return failed("heads_unordered")
    if not sizes or sizes[-1] != case.size:
        return failed("head_missing", size=sizes[-1] if sizes else 0, count=case.size)
    return passed("headed", count=len(sizes), org=case.agreement.coordinator, root=case.roots[-1])


def attested(case: Case) -> Finding:
    """8: every participant signed for all entries; the coordinator's head is its attestation."""
    upto = {case.agreement.coordinator: case.size}
    if len(set(case.bundle.attestations)) != len(case.bundle.attestations):
        return failed("attestation_repeated")
    for raw, head in case.attestations:
        if not case.signed(raw, head.iss):
            return failed("bad_attestation_signature", org=head.iss)
        if keyring.fault(case.keys, raw.kid, head.size - 1):
            return failed("attestation_key_ended", size=head.size, org=head.iss, kid=raw.kid)
        wrong = _contradicts(case, head)
        if wrong:
            return failed(f"attestation_{wrong}", org=head.iss, size=head.size)
        upto[head.iss] = max(upto.get(head.iss, 0), head.size)
    lacking = [_upto(one, upto) for one in case.agreement.participants if upto.get(one.org_id, 0) < case.size]
    if lacking:
        return unknown("attests_less", orgs=", ".join(lacking))
    return passed("attested", count=len(upto), size=case.size)


def _upto(one: Participant, upto: dict[str, int]) -> str:
    size = upto.get(one.org_id, 0)
    return f"{one.org_id} → {size - 1}" if size else f"{one.org_id} → –"


def unforked(case: Case) -> Finding:
    """19: no two signatures, and no signature and these entries, name different roots for one place."""
    first: dict[tuple[int, int], tuple[str, str]] = {}
    count = 0
    for org, term, size, root in _views(case):
        count += 1
        other, known = first.setdefault((term, size), (org, root))
        if known != root:
            return failed("forked", org=org, other=other, size=size)
        if term == 0 and (not 0 <= size <= case.size or case.roots[size] != root):
            return failed("other_history", org=org, size=size)
        if term != 0:
            return failed("unknown_term", org=org, term=term)
    return passed("unforked", count=count)


def _views(case: Case) -> Iterator[tuple[str, int, int, str]]:
    """(who, term, size, root) wherever somebody really signed one: heads, attestations, the bases of statements."""
    for raw, head in [*case.heads, *case.attestations]:
        if case.signed(raw, head.iss):
            yield head.iss, head.term, head.size, head.root
    for raw, said in case.tokens:
        if said.basis is not None and case.signed(raw, said.iss):
            yield said.iss, said.basis.term, said.basis.size, said.basis.root


def _contradicts(case: Case, head: Head) -> str | None:
    """How a signed head differs from these entries: a suffix of the texts' codes."""
    if (head.execution, head.aud, head.term) != (case.bundle.execution, case.agreement_hash, 0):
        return "elsewhere"
    if not 0 <= head.size <= case.size:
        return "beyond"
    return None if case.roots[head.size] == head.root else "other_root"


def _closed(case: Case) -> bool:
    return any(event.get("type") == "closed" for entry in case.entries for event in entry.events)


def _named_rightly(kid: str, key: str) -> bool:
    try:
        return kid == key_id(bytes.fromhex(key))
    except ValueError:
        return False
