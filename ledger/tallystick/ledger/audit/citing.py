"""Check 21: where the agreement lets no step be entered before it, the anchored start is cited, and the chain has it.

That nothing was entered before the entry that cites it, and nothing answered, check 6 shows: the engine gives no such
record. Here it is whether the citation is true: the leaf is the coordinator's start leaf of this very record, it stands
in the head that is named, the chain holds that head, and held it before the entry's time, but for the agreed skew.
"""

from tallystick.core.errors import Invalid
from tallystick.core.statement import CiteStart
from tallystick.ledger import leaf as leaves
from tallystick.ledger.citation import cited_leaf
from tallystick.ledger.proofs import LeafProof

from .case import Case
from .chain import Stored
from .report import Finding, failed, passed, unknown

SECOND_MS = 1000


def start_cited(case: Case) -> Finding:
    """21: the start that is cited stands on the chain, and did when it was cited."""
    terms = case.agreement.anchoring
    if terms is None or terms.start_anchor != "required":
        return passed("not_required")
    seq = next((entry.seq for entry in case.entries if _has(entry.events, "start_anchored")), None)
    if seq is None:
        ended = any(_has(entry.events, "closed") for entry in case.entries)
        return passed("never_begun") if ended else unknown("not_cited")
    said = case.statements.get(case.entries[seq].statement_id)
    if said is None:
        return unknown("citation_withheld")
    body = said.body
    if not isinstance(body, CiteStart) or _is_false(case, body, seq):
        return failed("false_citation", seq=seq)
    return _on_chain(case, body, seq)


def _is_false(case: Case, body: CiteStart, seq: int) -> bool:
    """Whether the record itself, or the hashes, speak against it."""
    try:
        leaf = cited_leaf(body)
    except Invalid:
        return True
    return leaf.size > seq or leaf.root.hex() != case.roots[leaf.size]


def _on_chain(case: Case, body: CiteStart, seq: int) -> Finding:
    org = case.agreement.coordinator
    found = _start_of(case, org, body.chain_id)
    if found is None:
        return unknown("citation_unproven", seq=seq)
    proof, stored = found
    if proof.leaf != body.leaf:
        return failed("other_start_cited", seq=seq, org=org)
    if {block.number: block.hash.lower() for block in case.trust.trusted_blocks}.get(stored.block.number) is None:
        return unknown("untrusted_blocks", numbers=str(stored.block.number))
    held = stored.anchored
    cited = (body.log_root, body.log_size, body.log_epoch, body.block_number)
    if cited != (proof.log_root, held.size, held.epoch, held.block_number):
        return unknown("cited_elsewhere", seq=seq, org=org)  # the chain was reorganised since, or it never was so
    if held.time * SECOND_MS > case.entries[seq].at + case.agreement.limits.skew_ms:
        return failed("cited_too_early", seq=seq, block=held.block_number)
    return passed("cited", seq=seq, block=held.block_number)


def _start_of(case: Case, org: str, chain_id: int) -> tuple[LeafProof, Stored] | None:
    """The coordinator's anchored start on the chain that is cited, as the bundle proves it."""
    member = case.agreement.participant(org)
    for (proof, leaf), stored in zip(case.leaves, case.stored, strict=True):
        ours = member is not None and "0x" + leaf.org.hex() == member.chain_org.lower()
        if ours and leaf.kind == leaves.START and proof.chain_id == chain_id:
            return proof, stored
    return None


def _has(events: list[dict[str, object]], kind: str) -> bool:
    return any(one.get("type") == kind for one in events)
