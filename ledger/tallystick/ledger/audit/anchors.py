"""Checks 13 to 18: what stands in the organisations' logs and on the chain."""

from tallystick.core.commitment import data_hash
from tallystick.core.replay import anchored_commitments
from tallystick.ledger import leaf as leaves
from tallystick.ledger.hashing import to_hex

from .case import Case
from .report import Finding, failed, passed, unknown

_STATUS = {"running": 0, "completed": 1, "failed": 2, "cancelled": 3, "terminated": 4}
_NONE = "0" * 64


def start_anchored(case: Case) -> Finding:
    """13: each participant's log holds the start of exactly this execution."""
    size = next((entry.seq + 1 for entry in case.entries if _has(entry.events, "started")), None)
    if size is None:
        return passed("it never started")
    started = case.statements.get(case.entries[size - 1].statement_id)
    if started is None:
        return unknown("the start is withheld")
    inputs = data_hash(list(started.commitments.values()))
    return _anchored(case, leaves.START, size, ("running", inputs, _NONE))


def completion_anchored(case: Case) -> Finding:
    """14: each participant's log holds its completion, with the same head and results."""
    size = next((entry.seq + 1 for entry in case.entries if _has(entry.events, "closed")), None)
    if size is None:
        return unknown("it has not ended")
    if not any(_has(entry.events, "started") for entry in case.entries):
        return passed("it never started, so there is nothing to complete")
    if len(case.pairs) < case.size:
        return unknown("statements are withheld")
    inputs, results = anchored_commitments(case.pairs)
    return _anchored(case, leaves.COMPLETION, size, (case.replayed.state.status, data_hash(inputs), data_hash(results)))


def included(case: Case) -> Finding:
    """15: every anchored leaf stands in its organisation's log, and that log's root in the ledger's storage."""
    if case.agreement.anchoring is None:
        return unknown("the agreement anchors nowhere")
    if not case.verified:
        return unknown("the bundle holds no anchor")
    orgs = {one.chain_org for one in case.agreement.participants}
    strangers = [one for one in case.verified if "0x" + one.leaf.org.hex() not in orgs]
    if strangers:
        return failed("an anchor is by an organisation that takes no part")
    return passed(f"{len(case.verified)} leaves, with inclusion, storage and account proofs")


def stored(case: Case) -> Finding:
    """16: the proofs rest on blocks that the auditor trusts."""
    if not case.verified:
        return unknown("the bundle holds no anchor")
    trusted = {block.hash for block in case.trust.trusted_blocks}
    foreign = {one.block.number for one in case.verified if to_hex(one.block.hash) not in trusted}
    if foreign:
        named = {block.number for block in case.trust.trusted_blocks}
        if foreign & named:
            return failed(f"block {min(foreign & named)} is another block than the one that you trust")
        return unknown(f"you named no trusted block {', '.join(map(str, sorted(foreign)))}")
    return passed(f"{len({one.block.number for one in case.verified})} blocks, all trusted")


def code(case: Case) -> Finding:
    """17: chain, ledger and the ledger's code are those that the agreement names and the auditor trusts."""
    agreed = case.agreement.anchoring
    trusted = case.trust.contracts
    if agreed is None or not case.verified:
        return unknown("the bundle holds no anchor")
    if trusted is None:
        return unknown("you named no contracts")
    place = (case.trust.chain_id, trusted.execution_ledger.lower())
    if (agreed.chain_id, agreed.execution_ledger.lower()) != place:
        return failed("the agreement anchors on another chain or ledger than the one that you trust")
    if any((one.chain_id, one.execution_ledger.lower()) != place for one in case.proofs):
        return failed("an anchor is on another chain or ledger than the one that you trust")
    if {to_hex(one.code_hash) for one in case.verified} != {trusted.code_hashes.get("execution_ledger")}:
        return failed("the ledger's code is not the one that you trust")
    return passed(f"ledger {trusted.execution_ledger[:10]}… on chain {case.trust.chain_id}")


def timed(case: Case) -> Finding:
    """18: no anchored entry is dated after its block by more than the agreed skew."""
    if not case.verified:
        return unknown("the bundle holds no anchor")
    skew = case.agreement.limits.skew_ms
    for one in case.verified:
        if not 0 < one.leaf.size <= case.size:
            return failed("an anchor is of entries that are not here")
        entry = case.entries[one.leaf.size - 1]
        if entry.at > one.anchored.time * 1000 + skew:
            return failed(f"entry {entry.seq} is dated after the block that anchors it")
    return passed(f"within {skew // 1000} s")


def _anchored(case: Case, kind: int, size: int, expected: tuple[str, str, str]) -> Finding:
    if case.agreement.anchoring is None:
        return unknown("the agreement anchors nowhere")
    status, inputs, results = expected
    here = {"0x" + one.leaf.org.hex(): one.leaf for one in case.verified if one.leaf.kind == kind}
    missing = []
    for one in case.agreement.participants:
        leaf = here.get(one.chain_org)
        if leaf is None:
            missing.append(one.org_id)
            continue
        facts = (leaf.execution.hex(), leaf.agreement.hex(), leaf.term, leaf.size, leaf.root.hex())
        if facts != (case.bundle.execution, case.agreement_hash, 0, size, case.roots[size]):
            return failed(f"{one.org_id} anchored another head than that of entry {size - 1}")
        if (leaf.status, leaf.input.hex(), leaf.result.hex()) != (_STATUS[status], inputs, results):
            return failed(f"{one.org_id} anchored another status or other results")
    if missing:
        return unknown(f"the bundle holds no such anchor of {', '.join(missing)}")
    return passed(f"by all {len(here)} participants")


def _has(events: list[dict[str, object]], kind: str) -> bool:
    return any(event.get("type") == kind for event in events)
