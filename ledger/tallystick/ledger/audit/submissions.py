"""Check 20: what was submitted to everyone, and the time-outs that it contradicts.

A time-out is the coordinator's statement. It is contradicted when the attempt that it ends had been answered by then,
and the coordinator gave the answer no place, or a later one. One organisation's word against the coordinator's proves
nothing. What proves it is a receipt by the coordinator itself; or, with the author, a majority of all participants,
the quorum that may hand coordination over. A receipt counts when its signer had not seen the time-out, and dates
it earlier by more than the agreed skew of clocks.

An author anchors what it submits (leaf kind 3, RECORD.md). That shows by a clock of nobody's own by when it was said,
and is told; that it was sent to anybody it does not show, so receipts decide as before.
"""

from tallystick.core.entry import Entry
from tallystick.core.head import Receipt
from tallystick.core.statement import Acknowledge, Received, Result, Statement
from tallystick.ledger import leaf as leaves
from tallystick.ledger.leaf import Leaf

from .case import Case
from .report import Finding, failed, passed, unknown


def heard(case: Case) -> Finding:
    """20: no time-out is contradicted by receipts of what was said in time."""
    if not case.submissions and not case.receipts and not _anchored(case):
        return passed("nothing_submitted")
    wrong = _malformed(case) or _misanchored(case)
    if wrong:
        return wrong
    doubt: Finding | None = None
    for _, said in case.submissions:
        ending = _timed_out(case, said)
        found = _judged(case, said, ending) if ending else None
        if found is not None and found.status == "FAIL":
            return found
        doubt = doubt or found
    return doubt or passed("submitted_heard", count=len(case.submissions))


def _anchored(case: Case) -> list[Leaf]:
    return [leaf for _, leaf in case.leaves if leaf.kind == leaves.SUBMISSION]


def _misanchored(case: Case) -> Finding | None:
    """A leaf that speaks of no submission here, or says something else of it than the record does."""
    authors = {said.id: case.agreement.participant(said.iss) for _, said in case.submissions}
    for leaf in _anchored(case):
        author = authors.get(leaf.input.hex())
        if author is None:
            return unknown("submission_alone", id=leaf.input.hex())
        history = leaf.size <= case.size and case.roots[leaf.size] == leaf.root.hex()
        place = (leaf.execution.hex(), leaf.agreement.hex(), "0x" + leaf.org.hex())
        if place != (case.bundle.execution, case.agreement_hash, author.chain_org.lower()) or not history:
            return failed("other_submission_anchored", org=author.org_id)
    return None


def _since(case: Case, said: Statement) -> int | None:
    """The block that holds the anchor of a submission, as far as its proof is as of a block that is trusted."""
    trusted = {block.number: block.hash.lower() for block in case.trust.trusted_blocks}
    for (_, leaf), found in zip(case.leaves, case.stored, strict=True):
        if leaf.kind == leaves.SUBMISSION and leaf.input.hex() == said.id:
            known = trusted.get(found.block.number) == "0x" + found.block.hash.hex()
            return found.anchored.block_number if known else None
    return None


def _in_time(case: Case, said: Statement, ending: Entry) -> bool:
    """Whether it stood on the chain before the time-out, by more than the agreed skew."""
    block = _since(case, said)
    times = {found.anchored.block_number: found.anchored.time for found in case.stored}
    # A block's time counts whole seconds.
    return block is not None and (times[block] + 1) * 1000 + case.agreement.limits.skew_ms <= ending.at


def _malformed(case: Case) -> Finding | None:
    """Whatever in the submissions or receipts is not what it says to be."""
    place = (case.bundle.execution, case.agreement_hash)
    for raw, said in case.submissions:
        if (said.execution, said.aud) != place or not case.signed(raw, said.iss):
            return failed("bad_submission", id=said.id)
    authors = {said.id: said.iss for _, said in case.submissions}
    for raw, one in case.receipts:
        author = authors.get(one.statement_id)
        if (one.execution, one.aud) != place or author in {None, one.iss} or not case.signed(raw, one.iss):
            return failed("bad_receipt", org=one.iss)
        basis = one.basis
        if basis and (basis.term != 0 or basis.size > case.size or case.roots[basis.size] != basis.root):
            return failed("receipt_other_history", org=one.iss, size=basis.size)
    for tokens in (case.bundle.submissions, case.bundle.receipts):
        if len(set(tokens)) != len(tokens):
            return failed("submission_repeated")
    return None


def _timed_out(case: Case, said: Statement) -> Entry | None:
    """The entry that ended the attempt for time before the statement had its place, if it ever had one."""
    if not isinstance(said.body, Result | Received | Acknowledge):
        return None
    for entry in case.entries:
        if entry.statement_id == said.id:
            return None
        for event in entry.events:
            if event.get("type") == "timed_out" and (event["task"], event["attempt"]) == said.place:
                return entry
    return None


def _judged(case: Case, said: Statement, ending: Entry) -> Finding | None:
    participants = case.agreement.participants
    assigned = next((e["org"] for entry in case.entries for e in entry.events if _assigns(e, said)), None)
    if assigned is not None and assigned != said.iss:
        return None  # it was not its author's to answer
    receipts = [one for _, one in case.receipts if one.statement_id == said.id]
    skew = case.agreement.limits.skew_ms
    firm = {one.iss for one in receipts if _before(one, ending, -skew)}
    facts: dict[str, str | int] = {"task": said.place[0], "seq": ending.seq, "org": said.iss}
    if case.agreement.coordinator in firm or 2 * len(firm | {said.iss}) > len(participants) > 2:
        witnesses = ", ".join(sorted(firm))
        if _in_time(case, said, ending):
            block = _since(case, said) or 0
            return failed("ignored_anchored", **facts, witnesses=witnesses, block=block)
        return failed("ignored_statement", **facts, witnesses=witnesses)
    if _in_time(case, said, ending):  # it was said in time, whoever had it
        return unknown("anchored_before", **facts, block=_since(case, said) or 0)
    perhaps = {one.iss for one in receipts if _before(one, ending, skew)}
    unplaced = said.id not in {entry.statement_id for entry in case.entries}
    if perhaps or (unplaced and not receipts and said.iat <= ending.at):
        return unknown("perhaps_ignored", **facts, witnesses=", ".join(sorted(perhaps)) or "–")
    return None


def _assigns(event: dict[str, object], said: Statement) -> bool:
    return event.get("type") == "assigned" and (event.get("task"), event.get("attempt")) == said.place


def _before(receipt: Receipt, ending: Entry, tolerance: int) -> bool:
    """Whether its signer had the statement before the time-out, as far as it had seen and by its clock."""
    size = receipt.basis.size if receipt.basis else 0
    return size <= ending.seq and receipt.iat <= ending.at + tolerance
