"""The agreement: everything that legality depends on, fixed before anything starts."""

from functools import cached_property
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from tallystick.core import canonical, policy
from tallystick.core.definition.compile import audiences
from tallystick.core.definition.compiled import check_compiled
from tallystick.core.definition.model import CompiledDefinition, Wait
from tallystick.core.definition.observing import OBSERVER, actors
from tallystick.core.errors import Invalid, UnknownVersion

VERSION = 1
VERSIONS = {"statement": 1, "entry": 1, "head": 1, "engine": 1, "expression": 1, "leaf": 1}
ORG_ID = r"^[a-z][a-z0-9-]{1,39}\Z"
LAST_MS = 253_402_300_799_999  # the end of the year 9999, where calendars of many tools end
MAX_ROLE = 200
Suite = Literal["x25519-hkdf-sha256-chacha20poly1305", "mlkem768x25519-hkdf-sha256-chacha20poly1305"]


class _Wire(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Wire types name every field and tolerate no other."""


class PublicKey(_Wire, frozen=True):
    """An Ed25519 key of 64 hex digits and its key id."""

    kid: str
    key: str


class SealingKey(_Wire, frozen=True):
    """The HPKE key that openings are sealed to."""

    kid: str
    suite: Suite
    key: str


class Participant(_Wire, frozen=True):
    """An organisation in its role, with the keys that speak for it."""

    org_id: Annotated[str, Meta(pattern=ORG_ID)]
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    role: Annotated[str, Meta(max_length=MAX_ROLE)]
    chain_org: str
    log_key: str
    root_key: str
    signing_keys: list[PublicKey]
    sealing_key: SealingKey
    can_terminate: bool = False
    need_activity_notifications: bool = False

    @property
    def observes(self) -> bool:
        """Whether it gets the record without openings, and only consents and attests."""
        return self.role == OBSERVER


class Limits(_Wire, frozen=True):
    """Bounds that every participant applies alike; times in milliseconds.

    They are bounded themselves: a skew of years would bring times that no calendar has, and a sequencing limit of
    nothing would have every statement sent to everybody, and anchored.
    """

    skew_ms: Annotated[int, Meta(ge=1, le=3_600_000)] = 300_000
    sequencing_ms: Annotated[int, Meta(ge=1_000, le=86_400_000)] = 60_000
    max_entries: Annotated[int, Meta(ge=1, le=10_000_000)] = 100_000
    max_statement_bytes: Annotated[int, Meta(ge=1, le=900_000)] = 256_000


class Ledger(_Wire, frozen=True):
    """A chain and the contracts on it, addresses as ``0x…``."""

    chain_id: int
    org_registry: str
    workflow_registry: str
    execution_ledger: str


class Anchoring(Ledger, frozen=True):
    """Where and how the execution is anchored (:mod:`.policy`); ``also`` are further chains that get the same heads.

    ``workflow_salt`` (base64url, 16 bytes) keeps :func:`workflow_hash`, which stands on the chain, from telling
    anything about the definition. With ``start_anchor`` required no step is entered before an entry cites it.
    """

    workflow_salt: str
    mode: policy.Mode = "direct"
    max_leaves: policy.Leaves = 1
    max_age_seconds: policy.Age = 0
    padding: policy.Padding = "none"
    start_anchor: policy.StartAnchor = "best_effort"
    finality: policy.Finality = policy.Confirmations(confirmations=1)
    also: Annotated[list[Ledger], Meta(max_length=policy.MAX_FURTHER)] = []

    @property
    def chains(self) -> dict[int, Ledger]:
        """All chains that its anchors may stand on, by their ids."""
        return {one.chain_id: one for one in (self, *self.also)}


class Parent(_Wire, frozen=True):
    """The attempt at a sub-workflow step that an execution is the work of; ``agreement`` is a hash."""

    execution: str
    agreement: str
    task: str
    attempt: int


class Replaces(_Wire, frozen=True):
    """The proposal that a changed one takes the place of; ``agreement`` is its hash, ``by`` who proposes the change.

    ``version`` counts the proposals from the first one, which is 1 and replaces none.
    """

    execution: str
    agreement: str
    version: int
    by: str


class Agreement(_Wire, frozen=True, dict=True):
    """See RECORD.md; ``definition`` is the compiled form as it is signed, ``compiled`` what the engine reads."""

    v: int
    kind: Literal["agreement"]
    salt: str
    created_at: Annotated[int, Meta(ge=0, le=LAST_MS)]
    initiator: str
    coordinator: str
    versions: dict[str, int]
    definition: dict[str, Any]
    visibility: dict[str, Any]
    participants: list[Participant]
    quorums: dict[str, str]
    limits: Limits
    retention_days: Annotated[int, Meta(ge=1, le=36_500)]
    anchoring: Anchoring | None
    sealing_suite: Suite
    parent: Parent | None
    replaces: Replaces | None

    @property
    def proposer(self) -> str:
        """Who proposes it and thereby accepts it: the initiator, or who proposes a change."""
        return self.replaces.by if self.replaces else self.initiator

    @property
    def version(self) -> int:
        """Which proposal of the collaboration this is, from 1."""
        return self.replaces.version if self.replaces else 1

    @cached_property
    def compiled(self) -> CompiledDefinition:
        """The definition's typed form; :func:`read` makes it once."""
        return msgspec.convert(self.definition, CompiledDefinition)

    @cached_property
    def waits(self) -> dict[str, tuple[Wait, ...]]:
        """The steps that wait for a signal, by its name."""
        found: dict[str, tuple[Wait, ...]] = {}
        for step in self.compiled.steps.values():
            if isinstance(step, Wait):
                found[step.event_name] = (*found.get(step.event_name, ()), step)
        return found

    @cached_property
    def _members(self) -> dict[str, Participant]:
        return {one.org_id: one for one in self.participants}

    @cached_property
    def _keys(self) -> dict[tuple[str, str], str]:
        found: dict[tuple[str, str], str] = {}
        for one in self.participants:
            for key in one.signing_keys:
                found.setdefault((one.org_id, key.kid), key.key)
        return found

    def participant(self, org_id: str) -> Participant | None:
        """The participant of that id."""
        return self._members.get(org_id)

    def key(self, org_id: str, kid: str) -> str | None:
        """The public signing key ``kid`` of the participant, hex."""
        return self._keys.get((org_id, kid))


def agreement_hash(document: dict[str, Any]) -> str:
    """The hash that statements name as their audience."""
    return canonical.tagged("tallystick/agreement/v1", document)


def workflow_hash(agreement: Agreement) -> str | None:
    """What the initiator registers in ``WorkflowRegistry`` for the definition; None where nothing is anchored."""
    if agreement.anchoring is None:
        return None
    return canonical.tagged("tallystick/workflow/v1", agreement.anchoring.workflow_salt, agreement.definition)


def execution_id(agreement: str, initiator: str, nonce: str) -> str:
    """One proposal's execution."""
    return canonical.tagged("tallystick/execution/v1", agreement, initiator, nonce)


def read(document: Any) -> Agreement:
    """Check an agreement's form, versions and references, and that its definition is one that the engine can run."""
    if not isinstance(document, dict) or document.get("v") != VERSION or document.get("versions") != VERSIONS:
        raise UnknownVersion("agreement or one of its parts has a version that is not known here")
    try:
        agreement = msgspec.convert(document, Agreement)
    except msgspec.ValidationError as error:
        raise Invalid(f"agreement: {error}", code="bad_agreement") from error
    if canonical.encode(msgspec.to_builtins(agreement)) != canonical.encode(document):
        raise Invalid("agreement leaves out fields that must stand in it", code="bad_agreement")
    _check_references(agreement)
    _check_anchoring(agreement.anchoring)
    return agreement


def _check_anchoring(anchoring: Anchoring | None) -> None:
    if anchoring is None:
        return
    wrong = policy.contradiction(anchoring.mode, anchoring.max_leaves, anchoring.max_age_seconds)
    if wrong:
        raise Invalid(f"agreement: {wrong[1]}", code="bad_agreement", pointer=f"/anchoring/{wrong[0]}")
    chains = [anchoring.chain_id, *(one.chain_id for one in anchoring.also)]
    if len(set(chains)) != len(chains):
        raise Invalid("agreement names a chain twice", code="bad_agreement", pointer="/anchoring/also")


def _check_references(agreement: Agreement) -> None:
    organisations = [one.org_id for one in agreement.participants]
    if len(set(organisations)) != len(organisations):
        raise Invalid("agreement names a participant twice", code="bad_agreement")
    if not all(text.isprintable() for one in agreement.participants for text in (one.name, one.role)):
        raise Invalid("agreement has a name or role with characters that do not show", code="bad_agreement")
    if agreement.coordinator not in organisations or agreement.initiator not in organisations:
        raise Invalid("agreement's coordinator and initiator must be participants", code="bad_agreement")
    if agreement.proposer not in organisations:
        raise Invalid("who proposes an agreement must be a participant", code="bad_agreement")
    if agreement.replaces and (agreement.parent or agreement.replaces.version < 2):
        raise Invalid("agreement cannot replace a proposal as it says", code="bad_agreement")
    observers = {one.org_id for one in agreement.participants if one.observes}
    if observers & {agreement.initiator, agreement.coordinator, agreement.proposer} or any(
        one.observes and one.can_terminate for one in agreement.participants
    ):
        raise Invalid("agreement gives an observer more to do than to observe", code="bad_agreement")
    kids = [key.kid for one in agreement.participants for key in one.signing_keys]
    if len(set(kids)) != len(kids):
        raise Invalid("agreement names a key twice", code="bad_agreement")
    if any(one.root_key == key.key for one in agreement.participants for key in one.signing_keys):
        raise Invalid("agreement lets a root key sign what it must not", code="bad_agreement")
    compiled = check_compiled(agreement.definition)
    vars(agreement)["compiled"] = compiled  # parsed once
    if observers & actors(compiled):
        raise Invalid("agreement's definition gives an observer something to do", code="bad_agreement")
    if agreement.visibility != audiences(agreement.definition):
        raise Invalid("agreement shows values to others than its definition says", code="bad_agreement")
    if compiled.participants != organisations:
        raise Invalid("agreement and its definition name other participants", code="bad_agreement")
