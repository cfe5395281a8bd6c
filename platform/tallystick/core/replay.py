"""Replay: a participant's or auditor's walk through an execution's entries.

For each entry, in this order: the statement is well formed, for this agreement and execution, and signed by a key that
the agreement or the log before it gives its author; the entry is the next one and later than no clock allows; the
statement has not been sequenced before; ``decide`` gives exactly the entry's outcome and events. Whatever differs is
illegal.
"""

from tallystick.core import agreement as agreements
from tallystick.core import jws, statement
from tallystick.core.agreement import Agreement
from tallystick.core.engine import keyring
from tallystick.core.engine.decide import decide
from tallystick.core.engine.state import State, initial
from tallystick.core.entry import APPLIED, Entry
from tallystick.core.errors import BadSignature, Invalid
from tallystick.core.merkle import Frontier, leaf_hash
from tallystick.core.statement import ROOT_SIGNED, Propose, Result, Start, Statement


class IllegalEntry(Invalid):
    """An entry that no honest coordinator makes; ``seq`` says which."""

    default_code = "illegal_entry"

    def __init__(self, detail: str, *, seq: int, code: str = "illegal_entry") -> None:
        super().__init__(detail, code=code, pointer=f"/entries/{seq}")
        self.seq = seq


def open_statement(
    token: str,
    agreement: Agreement,
    agreement_hash: str,
    execution: str,
    state: State | None = None,
    form: tuple[jws.Token, Statement] | None = None,
) -> Statement:
    """Read and verify a statement of this execution by the keys that are known in ``state``.

    Without a state that is the agreement's keys. Whether the key still speaks is for ``decide`` to say. The root key
    signs rotations and revocations, and only those. ``form`` is what :func:`statement.read` made of this very token,
    for who has called it already.
    """
    if len(token) > agreement.limits.max_statement_bytes:
        raise Invalid("statement is larger than the agreement allows", code="too_large")
    raw, read = form or statement.read(token)
    if read.aud != agreement_hash:
        raise Invalid("statement is addressed to another agreement", code="wrong_audience")
    if read.execution != execution:
        raise Invalid("statement is for another execution", code="wrong_execution")
    if read.kind in ROOT_SIGNED:
        _verify(raw, keyring.root(agreement, read.iss, raw.kid), read.iss)
    else:
        verify_token(raw, agreement, read.iss, state)
    return read


def verify_token(raw: jws.Token, agreement: Agreement, issuer: str, state: State | None = None) -> None:
    """Check a token's signature by a key that ``issuer`` has, or has had, as far as ``state`` tells."""
    _verify(raw, keyring.public(agreement, state or initial(""), issuer, raw.kid), issuer)


def verify_head(raw: jws.Token, agreement: Agreement, issuer: str, size: int, state: State) -> None:
    """Check a head's or attestation's signature, and that its key speaks for a log of ``size`` entries."""
    verify_token(raw, agreement, issuer, state)
    reason = keyring.fault(state, raw.kid, size - 1)
    if reason:
        raise BadSignature(f"key {raw.kid[:16]} of {issuer[:64]} signs no longer at size {size}", code=reason)


def _verify(raw: jws.Token, key: str | None, issuer: str) -> None:
    if key is None:
        raise BadSignature(
            f"key {raw.kid[:16]} is not a key of {issuer[:64]} that may sign this in the execution", code="unknown_key"
        )
    jws.verify(raw, key)


class Replay:
    """The verified fold so far: state, tree frontier and the statements that were sequenced."""

    def __init__(
        self,
        agreement: Agreement,
        agreement_hash: str,
        execution: str,
        *,
        state: State | None = None,
        frontier: Frontier | None = None,
    ) -> None:
        self.agreement = agreement
        self.agreement_hash = agreement_hash
        self.execution = execution
        self.state = state or initial(execution)
        self.frontier = frontier or Frontier()
        self.leaf = b""  # the canonical bytes of the entry that was taken in last
        self._root: str | None = None

    def copy(self) -> "Replay":
        """One that goes on from here by itself: state and frontier are immutable."""
        copied = Replay(self.agreement, self.agreement_hash, self.execution, state=self.state, frontier=self.frontier)
        copied._root = self._root
        return copied

    def open(self, token: str, form: tuple[jws.Token, Statement] | None = None) -> Statement:
        """Read and verify a statement that is to be the next entry's; ``form`` as :func:`open_statement` has it."""
        return open_statement(token, self.agreement, self.agreement_hash, self.execution, self.state, form)

    def step(self, entry: Entry, said: Statement) -> None:
        """Check the next entry and its (already opened) statement, then take it in."""
        self._check_sequence(entry, said)
        decision = decide(self.agreement, self.state, said, entry.at)
        if decision.outcome != entry.outcome:
            raise self._illegal(entry, f"outcome is {entry.outcome}, replay gives {decision.outcome}")
        if decision.events != entry.events:
            raise self._illegal(entry, "events are not those that replay gives")
        self._take(entry, decision.state)

    def sequence(self, said: Statement, at: int, term: int = 0) -> Entry:
        """The coordinator's side of :meth:`step`: make the next entry for ``said`` and take it in."""
        at = max(at, self.state.at)
        decision = decide(self.agreement, self.state, said, at)
        entry = Entry(
            v=1,
            execution=self.execution,
            term=term,
            seq=self.state.size,
            at=at,
            statement_id=said.id,
            outcome=decision.outcome,
            events=decision.events,
        )
        self._take(entry, decision.state)
        return entry

    @property
    def root(self) -> str:
        """The tree's root over the entries so far, hex."""
        if self._root is None:
            self._root = self.frontier.root().hex()
        return self._root

    def _take(self, entry: Entry, state: State) -> None:
        """``state`` is what ``decide`` arrived at on its way to these very events; ``evolve`` would give no other."""
        state.term = entry.term
        self.state = state
        self.leaf = entry.leaf()
        self.frontier = self.frontier.append(leaf_hash(self.leaf))
        self._root = None

    def _check_sequence(self, entry: Entry, said: Statement) -> None:
        if entry.execution != self.execution or said.execution != self.execution:
            raise self._illegal(entry, "belongs to another execution")
        if entry.seq != self.state.size:
            raise self._illegal(entry, f"has number {entry.seq}, {self.state.size} is next")
        if entry.term != self.state.term:
            raise self._illegal(entry, f"has term {entry.term}, the term is {self.state.term}")
        if entry.at < self.state.at:
            raise self._illegal(entry, "is earlier than the entry before it")
        if entry.statement_id != said.id:
            raise self._illegal(entry, "names another statement")
        if entry.seq == 0:
            self._check_proposal(entry, said)

    def _check_proposal(self, entry: Entry, said: Statement) -> None:
        nonce = said.body.nonce if isinstance(said.body, Propose) else ""
        if agreements.execution_id(self.agreement_hash, said.iss, nonce) != self.execution:
            raise self._illegal(entry, "does not give the execution its id")

    @staticmethod
    def _illegal(entry: Entry, detail: str) -> IllegalEntry:
        return IllegalEntry(f"entry {entry.seq} {detail}", seq=entry.seq)


def anchored_commitments(statements: list[tuple[Entry, Statement]]) -> tuple[list[str], list[str]]:
    """(input, result) commitments of the applied statements, for the completion leaf."""
    inputs: list[str] = []
    results: list[str] = []
    for entry, said in statements:
        if entry.outcome != APPLIED:
            continue
        if isinstance(said.body, Start):
            inputs += said.commitments.values()
        elif isinstance(said.body, Result):
            results += said.commitments.values()
    return inputs, results
