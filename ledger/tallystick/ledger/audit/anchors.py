"""Checks 13 to 18: what stands in the organisations' logs and on the chain."""

from tallystick.core.commitment import data_hash
from tallystick.core.replay import anchored_commitments
from tallystick.ledger import leaf as leaves
from tallystick.ledger.leaf import Leaf

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
    """15: every anchored leaf stands in its organisation's log."""
    return unknown("no chain among the inputs")


def stored(case: Case) -> Finding:
    """16: every log root stands in the ledger's storage at a trusted block."""
    return unknown("no chain among the inputs")


def code(case: Case) -> Finding:
    """17: the ledger's code is the one that the auditor trusts."""
    return unknown("no chain among the inputs")


def timed(case: Case) -> Finding:
    """18: no entry is dated after the block that anchors it."""
    return unknown("no chain among the inputs")


def _anchored(case: Case, kind: int, size: int, expected: tuple[str, str, str]) -> Finding:
    if case.agreement.anchoring is None:
        return unknown("the agreement anchors nowhere")
    status, inputs, results = expected
    here = {"0x" + leaf.org.hex(): leaf for leaf in _leaves(case) if leaf.kind == kind}
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


def _leaves(case: Case) -> list[Leaf]:
    return [leaves.decode(bytes.fromhex(one["leaf"].removeprefix("0x"))) for one in case.bundle.anchors]


def _has(events: list[dict[str, object]], kind: str) -> bool:
    return any(event.get("type") == kind for event in events)
