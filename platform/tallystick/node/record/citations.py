"""Cited anchors of starts: what a node sees for itself before it takes the entry in that cites one.

Legality reads no chain; but a participant that was promised an anchor before work need not believe that there is one.
The entry waits, as one that is ahead of our clock does, until our own endpoint shows the head that it names, final as
agreed. One that contradicts the record or its own hashes is refused. What is waited for is kept in memory: a message
that is tried again after a restart asks again.
"""

import msgspec

from tallystick.core import policy
from tallystick.core.agreement import Anchoring
from tallystick.core.entry import APPLIED, Entry
from tallystick.core.errors import Invalid, NotYet
from tallystick.core.statement import CiteStart, Statement
from tallystick.ledger.citation import cited_leaf
from tallystick.node.record import store
from tallystick.node.record.loaded import Loaded
from tallystick.node.record.unit import Unit

MAX_ASKED = 1_000  # of each kind; what is beyond asks again with its message's next try


class Cited(msgspec.Struct, frozen=True, kw_only=True):
    """A head that the chain should have: whose log's, and how final it must be; ``execution`` waits for it."""

    execution: str
    org: str
    chain_id: int
    log_epoch: int
    log_size: int
    log_root: str
    finality: policy.Finality


class Citations:
    """What is asked of the chain, and what it has shown."""

    def __init__(self) -> None:
        self._asked: dict[Cited, None] = {}
        self._seen: dict[Cited, None] = {}

    def require(self, cited: Cited) -> None:
        """NotYet until the chain has shown it to us."""
        if cited in self._seen:
            return
        if len(self._asked) < MAX_ASKED:
            self._asked[cited] = None
        raise NotYet("the anchor of the start that is cited is not on our chain as agreed yet", code="anchor_not_seen")

    @property
    def asked(self) -> list[Cited]:
        """What somebody waits for."""
        return list(self._asked)

    def show(self, cited: Cited) -> None:
        """The chain has it."""
        self._asked.pop(cited, None)
        if len(self._seen) >= MAX_ASKED:
            self._seen.pop(next(iter(self._seen)))
        self._seen[cited] = None


def check(unit: Unit, citations: Citations, loaded: Loaded, entry: Entry, said: Statement) -> None:
    """Invalid for a citation that is false by what is here already, NotYet while our chain has not shown it."""
    body, terms = said.body, loaded.agreement.anchoring
    if not isinstance(body, CiteStart) or entry.outcome != APPLIED or terms is None:
        return
    leaf = cited_leaf(body)
    root = store.root_at(unit, loaded, leaf.size) if leaf.size <= loaded.state.size else None
    if root != leaf.root.hex():
        raise Invalid("the cited leaf is of another history than this record's", code="false_citation")
    citations.require(_cited(loaded, terms, said.iss, body))


def _cited(loaded: Loaded, terms: Anchoring, author: str, body: CiteStart) -> Cited:
    org = loaded.agreement.participant(author)
    return Cited(
        execution=loaded.row.id,
        org=org.chain_org if org else "",
        chain_id=body.chain_id,
        log_epoch=body.log_epoch,
        log_size=body.log_size,
        log_root=body.log_root,
        finality=terms.finality,
    )
