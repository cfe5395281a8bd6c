"""Checks 13 to 18: what stands in the organisations' logs, and on the chain."""

from collections.abc import Mapping

from tallystick.core.agreement import Ledger
from tallystick.core.commitment import data_hash
from tallystick.core.replay import anchored_commitments
from tallystick.ledger import leaf as leaves
from tallystick.ledger.leaf import Leaf
from tallystick.ledger.proofs import LeafProof

from . import chain
from .case import Case
from .report import Finding, failed, passed, unknown
from .trust import Contracts

STATUS = {"completed": 1, "failed": 2, "cancelled": 3, "terminated": 4}
SECOND_MS = 1000
LEDGER = "execution_ledger"
Anchors = dict[str, tuple[LeafProof, Leaf]]


def start_anchored(case: Case) -> Finding:
    """13: each participant's log holds the start of exactly this execution under exactly this agreement."""
    if case.agreement.anchoring is None:
        return unknown("anchors_nowhere")
    strange = _strange(case)
    if strange:
        return strange
    size = _size_at(case, "started")
    if not size:
        return _without_start(case)
    entry = case.entries[size - 1]
    said = case.statements.get(entry.statement_id)
    if said is None:
        return unknown("start_withheld")
    expected = {"status": 0, "input": data_hash(list(said.commitments.values())), "result": data_hash([])}
    return _held(case, leaves.START, size, expected)


def completion_anchored(case: Case) -> Finding:
    """14: each participant's log holds its completion, with the same head and results."""
    if case.agreement.anchoring is None:
        return unknown("anchors_nowhere")
    size = _size_at(case, "closed")
    if not size:
        return failed("anchored_unfinished") if _of_kind(case, leaves.COMPLETION) else unknown("unfinished")
    if not _size_at(case, "started"):
        return passed("never_started")
    if not case.complete:
        return unknown("statements_withheld")
    inputs, results = anchored_commitments(case.pairs)
    status = next(
        STATUS.get(str(one.get("status")), -1) for one in case.entries[size - 1].events if one.get("type") == "closed"
    )
    expected = {"status": status, "input": data_hash(inputs), "result": data_hash(results)}
    return _held(case, leaves.COMPLETION, size, expected)


def included(case: Case) -> Finding:
    """15: every anchored leaf stands in its organisation's log."""
    for proof in case.bundle.anchors:
        if not chain.included(proof):
            return failed("not_in_log", org=_name(case, proof), index=proof.index)
    return _some(case, "included")


def stored(case: Case) -> Finding:
    """16: every log root stands in the ledger's storage as of a block that the auditor trusts."""
    trusted = {block.number: block.hash.lower() for block in case.trust.trusted_blocks}
    untrusted: list[int] = []
    for proof, found in zip(case.bundle.anchors, case.stored, strict=True):
        known = trusted.get(found.block.number)
        if known is not None and known != "0x" + found.block.hash.hex():
            return failed("other_block", number=found.block.number)
        if known is None:
            untrusted.append(found.block.number)
        held = found.anchored
        if (held.size, held.epoch, held.block_number) != (proof.log_size, proof.log_epoch, proof.block_number):
            return failed("other_record", org=_name(case, proof), size=held.size, block=held.block_number)
    if untrusted:
        return unknown("untrusted_blocks", numbers=", ".join(map(str, sorted(set(untrusted)))))
    return _some(case, "stored")


def code(case: Case) -> Finding:
    """17: chain, addresses and the ledger's code are those that the auditor trusts and the agreement names."""
    agreed, trust = case.agreement.anchoring, case.trust
    if agreed is None:
        return unknown("anchors_nowhere")
    if trust.contracts is None or trust.chain_id is None:
        return unknown("no_chain_trusted")
    named = agreed.chains.get(trust.chain_id)
    if named is None or _addresses(named) != _addresses(trust.contracts):
        return failed("other_contracts")
    expected = trust.contracts.code_hashes.get(LEDGER)
    if expected is None:
        return unknown("no_code_hash")
    for proof, found in zip(case.bundle.anchors, case.stored, strict=True):
        if (proof.chain_id, proof.execution_ledger) != (trust.chain_id, trust.contracts.execution_ledger.lower()):
            return failed("other_ledger", org=_name(case, proof))
        if "0x" + found.code_hash.hex() != expected.lower():
            return failed("other_code")
    return _some(case, "code")


def timed(case: Case) -> Finding:
    """18: no entry is dated after the block that anchors it, but for the agreed skew: an anchor means "not after"."""
    skew = case.agreement.limits.skew_ms
    covered = 0
    for (_, leaf), found in zip(case.leaves, case.stored, strict=True):
        latest = (found.anchored.time + 1) * SECOND_MS + skew  # a block's time counts whole seconds
        late = next((entry.seq for entry in case.entries[: leaf.size] if entry.at > latest), None)
        if late is not None:
            return failed("dated_after", seq=late, block=found.anchored.block_number)
        covered = max(covered, min(leaf.size, case.size))
    if case.bundle.anchors and covered < case.size:
        return unknown("time_unbounded", seq=covered)
    return _some(case, "timed")


def _held(case: Case, kind: int, size: int, expected: Mapping[str, object]) -> Finding:
    """Whether each participant's leaf of ``kind`` says what follows from the first ``size`` entries."""
    here = _of_kind(case, kind)
    starts = _of_kind(case, leaves.START)
    head = (case.bundle.execution, case.agreement_hash, 0, size, case.roots[size])
    missing = []
    for one in case.agreement.participants:
        found = here.get(one.org_id)
        if found is None:
            missing.append(one.org_id)
            continue
        leaf = found[1]
        if (leaf.execution.hex(), leaf.agreement.hex(), leaf.term, leaf.size, leaf.root.hex()) != head:
            return failed("other_head_anchored", org=one.org_id, size=leaf.size)
        said = {"status": leaf.status, "input": leaf.input.hex(), "result": leaf.result.hex()}
        if said != expected:
            wrong = ", ".join(name for name in said if said[name] != expected[name])
            return failed("other_facts_anchored", org=one.org_id, fields=wrong)
        if one.org_id in starts and leaf.start_index != starts[one.org_id][0].index:
            return failed("other_start_anchored", org=one.org_id)
    return unknown("anchors_missing", orgs=", ".join(missing)) if missing else passed("anchored", count=len(here))


def _strange(case: Case) -> Finding | None:
    """Leaves that no check speaks for: of others, of an unknown kind, or a second one of a kind."""
    orgs = {one.chain_org.lower() for one in case.agreement.participants}
    seen: set[tuple[str, int, bytes]] = set()
    for proof, leaf in case.leaves:
        org = "0x" + leaf.org.hex()
        if org not in orgs or org != proof.org:
            return failed("foreign_anchor", org=org)
        if leaf.kind == leaves.PADDING:
            continue  # says nothing, of this execution or of another
        if leaf.kind not in {leaves.START, leaves.COMPLETION, leaves.SUBMISSION}:
            return unknown("unknown_anchor", kind=leaf.kind)
        about = (org, leaf.kind, leaf.input if leaf.kind == leaves.SUBMISSION else b"")  # check 20 judges those
        if about in seen:
            return failed("anchored_twice", org=_name(case, proof))
        seen.add(about)
    return None


def _without_start(case: Case) -> Finding:
    if any(leaf.kind in {leaves.START, leaves.COMPLETION} for _, leaf in case.leaves):
        return failed("anchored_unstarted")
    return passed("never_started") if _size_at(case, "closed") else unknown("not_started")


def _of_kind(case: Case, kind: int) -> Anchors:
    """The leaves of a kind by the participant whose log holds them."""
    orgs = {one.chain_org.lower(): one.org_id for one in case.agreement.participants}
    found = ((orgs.get("0x" + leaf.org.hex()), proof, leaf) for proof, leaf in case.leaves if leaf.kind == kind)
    return {org: (proof, leaf) for org, proof, leaf in found if org is not None}


def _size_at(case: Case, event: str) -> int:
    """How many entries there are up to the one with that event, 0 without it; check 6 says if it is there rightly."""
    having = (any(one.get("type") == event for one in entry.events) for entry in case.entries)
    return next((size for size, found in enumerate(having, 1) if found), 0)


def _some(case: Case, code: str) -> Finding:
    return passed(code, count=len(case.bundle.anchors)) if case.bundle.anchors else unknown("no_anchors")


def _name(case: Case, proof: LeafProof) -> str:
    """The participant whose log it is, else the log's own id."""
    return next((one.org_id for one in case.agreement.participants if one.chain_org.lower() == proof.org), proof.org)


def _addresses(named: Ledger | Contracts) -> tuple[str, ...]:
    return tuple(name.lower() for name in (named.org_registry, named.workflow_registry, named.execution_ledger))
