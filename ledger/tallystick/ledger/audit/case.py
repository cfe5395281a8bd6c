"""A case: the bundle, the auditor's trust, and the parts of the bundle that checks rest on.

Each part belongs to the check that judges it. Where a part is broken, that check says so, and a check that only needs
the part says that it cannot judge: one forged thing shows as the one failure that names it.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

import msgspec

from tallystick.core import agreement as agreements
from tallystick.core import entry as entries
from tallystick.core import jws, replay
from tallystick.core import statement as statements
from tallystick.core.agreement import Agreement
from tallystick.core.engine.evolve import evolve
from tallystick.core.engine.key_events import HANDLERS as KEY_EVENTS
from tallystick.core.engine.state import State, initial
from tallystick.core.entry import Entry
from tallystick.core.errors import BadSignature, TallystickError, UnknownVersion
from tallystick.core.head import Head, Receipt, read_attestation, read_head, read_receipt
from tallystick.core.merkle import Frontier, leaf_hash
from tallystick.core.statement import ROOT_SIGNED, Statement
from tallystick.ledger import leaf as leaves
from tallystick.ledger.leaf import Leaf
from tallystick.ledger.proofs import LeafProof

from . import chain
from .bundle import Bundle
from .report import Finding, failed, unknown
from .trust import Trust

_T = TypeVar("_T")


class Unsettled(Exception):
    """A part is not there to rest on: ``finding`` is what its own check, ``number``, has to say about it."""

    def __init__(self, number: int, finding: Finding) -> None:
        super().__init__(finding.code)
        self.number = number
        self.finding = finding

    def seen_from(self, number: int) -> Finding:
        """The finding of check ``number``, which needs the part."""
        if number == self.number or self.finding.status == "INDETERMINATE":
            return self.finding
        return unknown("rests_on", number=self.number)


class Withheld(TallystickError):
    """Something is left out of the bundle; ``finding`` says what."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.code)
        self.finding = finding


class _Part(Generic[_T]):
    """A lazily computed attribute; its failure is kept as well, so that nothing is computed twice."""

    def __init__(self, number: int, make: Callable[["Case"], _T]) -> None:
        self.__doc__ = make.__doc__
        self._number = number
        self._make = make

    @overload
    def __get__(self, case: None, owner: type) -> "_Part[_T]": ...
    @overload
    def __get__(self, case: "Case", owner: type) -> _T: ...
    def __get__(self, case: "Case | None", owner: type) -> "_T | _Part[_T]":
        if case is None:
            return self
        if self not in case.settled:
            case.settled[self] = self._settle(case)
        found: _T | Unsettled = case.settled[self]
        if isinstance(found, Unsettled):
            raise found
        return found

    def _settle(self, case: "Case") -> _T | Unsettled:
        try:
            return self._make(case)
        except Unsettled as error:
            return error
        except Withheld as error:
            return Unsettled(self._number, error.finding)
        except UnknownVersion as error:
            return Unsettled(self._number, unknown("unknown_version", reason=error.detail))
        except TallystickError as error:
            return Unsettled(self._number, failed("malformed", reason=str(error)))
        except Exception as error:  # an agreement that nobody checked for soundness can lead the engine anywhere
            return Unsettled(self._number, unknown("cannot_judge", reason=type(error).__name__))


def _part(number: int) -> Callable[[Callable[["Case"], _T]], _Part[_T]]:
    return lambda make: _Part(number, make)


class Case:
    """Everything is parsed from the bytes that were signed; nothing is believed that the bundle says about itself."""

    def __init__(self, bundle: Bundle, trust: Trust) -> None:
        self.bundle = bundle
        self.trust = trust
        self.settled: dict[object, Any] = {}

    @_part(2)
    def agreement(self) -> Agreement:
        """The agreement, in form and with known versions."""
        return agreements.read(self.bundle.agreement)

    @_part(2)
    def agreement_hash(self) -> str:
        """Recomputed."""
        return agreements.agreement_hash(self.bundle.agreement)

    @_part(3)
    def tokens(self) -> list[tuple[jws.Token, Statement]]:
        """The statements' tokens, in form; whether they are signed is for check 3 to say."""
        return [statements.read(token) for token in self.bundle.statements.values()]

    @_part(3)
    def statements(self) -> dict[str, Statement]:
        """Statements by the id that their bytes have."""
        return {said.id: said for _, said in self.tokens}

    @_part(3)
    def keys(self) -> State:
        """What the log says of keys, in a state that knows nothing else; each rotation verified by its root key."""
        state = initial(self.bundle.execution)
        for entry in self.entries:
            events = self._key_events(entry)
            if events:
                state = evolve(state, msgspec.structs.replace(entry, events=events))
        return state

    def _key_events(self, entry: Entry) -> list[dict[str, Any]]:
        events = [one for one in entry.events if one.get("type") in KEY_EVENTS]
        if not events:
            return []
        token = self.bundle.statements.get(entry.statement_id)
        if token is None:
            raise Withheld(unknown("keys_withheld", seq=entry.seq))
        try:
            said = replay.open_statement(token, self.agreement, self.agreement_hash, self.bundle.execution)
        except TallystickError as error:
            raise Unsettled(3, failed("bad_statement", id=entry.statement_id, reason=str(error))) from error
        if said.kind not in ROOT_SIGNED:
            raise Unsettled(3, failed("key_event_alone", seq=entry.seq))
        return [one for one in events if one.get("org") == said.iss]

    @_part(4)
    def entries(self) -> list[Entry]:
        """All entries, in the bundle's order."""
        return [entries.read(one) for one in self.bundle.entries]

    @_part(4)
    def roots(self) -> list[str]:
        """``roots[n]`` is the tree's root over the first n entries."""
        frontier, roots = Frontier(), [Frontier().root().hex()]
        for entry in self.entries:
            frontier = frontier.append(leaf_hash(entry.leaf()))
            roots.append(frontier.root().hex())
        return roots

    @_part(4)
    def pairs(self) -> list[tuple[Entry, Statement]]:
        """Entries with their statements, where those are disclosed."""
        return [(one, self.statements[one.statement_id]) for one in self.entries if one.statement_id in self.statements]

    @_part(6)
    def replayed(self) -> replay.Replay:
        """The verified fold over all entries."""
        walk = replay.Replay(self.agreement, self.agreement_hash, self.bundle.execution)
        for entry in self.entries:
            said = self.statements.get(entry.statement_id)
            if said is None:
                raise Withheld(unknown("replay_stops", seq=entry.seq))
            try:
                walk.step(entry, said)
            except replay.IllegalEntry as error:
                raise Unsettled(6, failed("illegal_entry", reason=error.detail)) from error
        return walk

    @_part(7)
    def heads(self) -> list[tuple[jws.Token, Head]]:
        """The coordinator's heads, in form."""
        return [read_head(token) for token in self.bundle.heads]

    @_part(8)
    def attestations(self) -> list[tuple[jws.Token, Head]]:
        """Participants' attestations, in form."""
        return [read_attestation(token) for token in self.bundle.attestations]

    @_part(20)
    def submissions(self) -> list[tuple[jws.Token, Statement]]:
        """The statements that their authors submitted to everyone, in form."""
        return [statements.read(token) for token in self.bundle.submissions]

    @_part(20)
    def receipts(self) -> list[tuple[jws.Token, Receipt]]:
        """Participants' receipts of them, in form."""
        return [read_receipt(token) for token in self.bundle.receipts]

    @_part(13)
    def leaves(self) -> list[tuple[LeafProof, Leaf]]:
        """The anchored leaves, in form."""
        return [(one, leaves.decode(chain.octets(one.leaf, "leaf"))) for one in self.bundle.anchors]

    @_part(16)
    def stored(self) -> list[chain.Stored]:
        """What the chain's state says of each anchor, by the proofs that the bundle brings; in the anchors' order."""
        return [chain.stored(one) for one in self.bundle.anchors]

    @property
    def size(self) -> int:
        """How many entries there are."""
        return len(self.bundle.entries)

    @property
    def complete(self) -> bool:
        """Whether every entry's statement is here."""
        return len(self.pairs) == self.size

    def signed(self, raw: jws.Token, issuer: str) -> bool:
        """Whether a token is signed by a key that its issuer has, or has had, by the agreement and the log."""
        try:
            replay.verify_token(raw, self.agreement, issuer, self.keys)
        except BadSignature:
            return False
        return True
