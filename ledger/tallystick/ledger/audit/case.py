"""A case: the bundle, the auditor's trust, and what earlier checks established for later ones."""

from functools import cached_property

import msgspec

from tallystick.core import agreement as agreements
from tallystick.core import entry as entries
from tallystick.core import jws, replay
from tallystick.core import statement as statements
from tallystick.core.agreement import Agreement
from tallystick.core.entry import Entry
from tallystick.core.errors import Invalid, TallystickError
from tallystick.core.head import Head, read_attestation, read_head
from tallystick.core.merkle import Frontier, leaf_hash
from tallystick.core.statement import Statement
from tallystick.ledger.proofs import LeafProof, Verified, verify_leaf

from .bundle import Bundle
from .trust import Trust


class Case:
    """Parsed parts are computed once, from signed bytes only; whatever cannot be parsed raises Invalid."""

    def __init__(self, bundle: Bundle, trust: Trust) -> None:
        self.bundle = bundle
        self.trust = trust

    @cached_property
    def agreement(self) -> Agreement:
        """The agreement's form."""
        return agreements.read(self.bundle.agreement)

    @cached_property
    def agreement_hash(self) -> str:
        """Recomputed."""
        return agreements.agreement_hash(self.bundle.agreement)

    @cached_property
    def entries(self) -> list[Entry]:
        """All entries, in the bundle's order."""
        return [entries.read(one) for one in self.bundle.entries]

    @cached_property
    def statements(self) -> dict[str, Statement]:
        """Statements by id, in form; check 3 says whether they are signed."""
        return {name: statements.read(token)[1] for name, token in self.bundle.statements.items()}

    @cached_property
    def roots(self) -> list[str]:
        """``roots[n]`` is the tree's root over the first n entries."""
        frontier, roots = Frontier(), [Frontier().root().hex()]
        for entry in self.entries:
            frontier = frontier.append(leaf_hash(entry.leaf()))
            roots.append(frontier.root().hex())
        return roots

    @cached_property
    def replayed(self) -> replay.Replay:
        """The verified fold over all entries."""
        walk = replay.Replay(self.agreement, self.agreement_hash, self.bundle.execution)
        for entry in self.entries:
            said = self.statements.get(entry.statement_id)
            if said is None:
                raise Withheld(f"statement of entry {entry.seq} is withheld")
            walk.step(entry, said)
        return walk

    @cached_property
    def pairs(self) -> list[tuple[Entry, Statement]]:
        """Entries with their statements, where those are disclosed."""
        return [(one, self.statements[one.statement_id]) for one in self.entries if one.statement_id in self.statements]

    @cached_property
    def heads(self) -> list[tuple[jws.Token, Head]]:
        """Coordinator's heads, in form."""
        return [read_head(token) for token in self.bundle.heads]

    @cached_property
    def attestations(self) -> list[tuple[jws.Token, Head]]:
        """Participants' attestations, in form."""
        return [read_attestation(token) for token in self.bundle.attestations]

    @cached_property
    def proofs(self) -> list[LeafProof]:
        """The anchors' proofs, in form."""
        return [msgspec.convert(one, LeafProof) for one in self.bundle.anchors]

    @cached_property
    def verified(self) -> list[Verified]:
        """What the anchors prove; the first one that does not hold raises."""
        return [verify_leaf(one) for one in self.proofs]

    @property
    def size(self) -> int:
        """How many entries there are."""
        return len(self.bundle.entries)

    def signed(self, raw: jws.Token, issuer: str) -> bool:
        """Whether a token is signed by the key that the agreement gives its issuer."""
        try:
            replay.verify_token(raw, self.agreement, issuer)
        except TallystickError:
            return False
        return True


class Withheld(Invalid):
    """Something that a check needs is left out of the bundle on purpose."""

    default_code = "withheld"
