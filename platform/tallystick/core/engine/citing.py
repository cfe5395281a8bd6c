"""Where the anchor of the start is required: nothing is entered until the coordinator cites it in the record.

What is cited is a leaf of the coordinator's log that says exactly this start, and the head of the log that covers it.
Legality reads the leaf's words and no chain. That the leaf stands in that head, and the head on the chain, everyone
checks for itself: nodes before they take the entry in, auditors in check 21.
"""

from tallystick.core.engine.agenda import resume
from tallystick.core.engine.state import GOING
from tallystick.core.engine.work import Work
from tallystick.core.merkle import MAX_PROOF
from tallystick.core.statement import CiteStart, Statement

WORDS = 13  # of 32 bytes, as RECORD.md has them
_START = 1
_DIGITS = frozenset("0123456789abcdef")


def hold(work: Work) -> None:
    """After the start: what follows waits for its anchor, where that is required."""
    terms = work.agreement.anchoring
    if terms is not None and terms.start_anchor == "required":
        work.emit({"type": "start_held", "size": work.draft.seq + 1})


def cite(work: Work, statement: Statement, body: CiteStart) -> str | None:
    """The coordinator names the anchored start; what was held back follows."""
    terms = work.agreement.anchoring
    if terms is None or terms.start_anchor != "required":
        return "not_required"
    if work.state.status not in GOING:
        return "not_running"
    if work.state.unanchored is None:
        return "already_cited"
    if statement.iss != work.agreement.coordinator:
        return "not_the_coordinator"
    if body.chain_id not in terms.chains:
        return "other_chain"
    if not 0 <= body.index < body.log_size or len(body.path) > MAX_PROOF:
        return "other_start"
    if not _says(work, statement, body, work.state.unanchored):
        return "other_start"
    facts = {name: getattr(body, name) for name in ("chain_id", "index", "log_epoch", "log_size", "log_root")}
    work.emit({"type": "start_anchored", "org": statement.iss, **facts, "block_number": body.block_number})
    if work.state.status == "running":
        resume(work)
    return None


def _says(work: Work, statement: Statement, body: CiteStart, size: int) -> bool:
    """Whether the leaf is the author's, of this execution's start under this agreement."""
    me, text = work.agreement.participant(statement.iss), body.leaf.removeprefix("0x")
    if me is None or len(text) != WORDS * 64 or not _DIGITS.issuperset(text):
        return False
    words = [text[place : place + 64] for place in range(0, len(text), 64)]
    said = {"version": words[0], "kind": words[1], "org": words[2], "execution": words[3], "agreement": words[4]}
    said |= {"term": words[5], "size": words[6], "start_index": words[11]}
    return said == {
        "version": _number(1),
        "kind": _number(_START),
        "org": me.chain_org.removeprefix("0x").lower(),
        "execution": work.state.execution,
        "agreement": statement.aud,
        "term": _number(work.state.term),
        "size": _number(size),
        "start_index": _number(body.index),
    }


def _number(value: int) -> str:
    return f"{value:064x}"
