"""The bodies of what clients send. An unknown field is refused: it is a misspelling or a newer client's expectation."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Text = Annotated[str, Meta(max_length=4000)]
Word = Annotated[str, Meta(min_length=1, max_length=200)]
DefinitionId = Annotated[str, Meta(min_length=1, max_length=64)]
Groups = Annotated[list[Word], Meta(max_length=100)]
Secret = Annotated[str, Meta(min_length=1, max_length=1000)]


class Body(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every request body and query."""


class Nothing(Body, frozen=True, kw_only=True):
    """No parameters."""


class SignIn(Body, frozen=True, kw_only=True):
    """A user's name and password."""

    username: Word
    password: Secret


class SignInLink(Body, frozen=True, kw_only=True):
    """A one-time sign-in link's secret."""

    link: Secret


class PartnerTransport(Body, frozen=True, kw_only=True):
    """How messages go to a partner; ``ca_pem`` pins the authority of its HTTPS certificate."""

    transport: Literal["nats", "https"]
    ca_pem: Annotated[str, Meta(max_length=16_000)] | None = None


class NewUser(Body, frozen=True, kw_only=True):
    """A user to add to this organisation."""

    username: Word
    password: Annotated[str, Meta(min_length=12, max_length=1000)]
    display_name: Word
    roles: Annotated[list[Literal["administrator", "operator", "auditor", "worker"]], Meta(min_length=1, max_length=4)]
    groups: Groups = []
    language: Literal["en", "zh-CN"] = "en"


class UserGroups(Body, frozen=True, kw_only=True):
    """The groups that a user is in from now on."""

    groups: Groups


class NewInvitation(Body, frozen=True, kw_only=True):
    """An invitation: for how many hours it is good, and a note for this organisation's own list."""

    hours: Annotated[int, Meta(ge=1, le=720)] = 72
    note: Annotated[str, Meta(max_length=200)] = ""


class GivenInvitation(Body, frozen=True, kw_only=True):
    """An invitation that another organisation gave: its text, or its link."""

    invitation: Annotated[str, Meta(min_length=1, max_length=100_000)]


class InvitationAnswer(Body, frozen=True, kw_only=True):
    """The answer to an invitation that this organisation gave."""

    answer: Annotated[str, Meta(min_length=1, max_length=100_000)]


class Fingerprint(Body, frozen=True, kw_only=True):
    """The fingerprint as the other organisation's administrator reads it: thirty digits, however they are grouped."""

    fingerprint: Annotated[str, Meta(min_length=30, max_length=80)]


class Removal(Body, frozen=True, kw_only=True):
    """Whether to remove a partner even where executions with it are open or messages to it undelivered."""

    force: bool = False


class Rotation(Body, frozen=True, kw_only=True):
    """A new signing key; the one before may sign ``overlap`` more entries of each open execution."""

    overlap: Annotated[int, Meta(ge=0, le=10_000)] = 64
    sealing: bool = True


class Revocation(Body, frozen=True, kw_only=True):
    """Why a key is to speak no more, and since when (milliseconds) its owner believes that to be so."""

    reason: Literal["compromised", "lost", "superseded"]
    since: Annotated[int, Meta(ge=0)] | None = None


class Signatures(Body, frozen=True, kw_only=True):
    """Tokens that the root key has signed: cards, rotations and revocations (JWS, compact)."""

    tokens: Annotated[list[Annotated[str, Meta(min_length=1, max_length=64_000)]], Meta(min_length=1, max_length=200)]


class Limits(Body, frozen=True, kw_only=True):
    """Bounds that all apply alike, in milliseconds: how far clocks may differ, how soon a statement is sequenced."""

    skew_ms: Annotated[int, Meta(ge=1_000, le=3_600_000)] | UnsetType = UNSET
    sequencing_ms: Annotated[int, Meta(ge=1_000, le=86_400_000)] | UnsetType = UNSET


AnchoringTerms = Annotated[
    dict[str, Any],
    Meta(
        description="When and how it is anchored: `mode` (direct, batched), `max_leaves`, `max_age_seconds`, "
        "`padding` (none, power_of_two, {multiple_of}), `start_anchor` (best_effort, required), "
        "`finality` ({confirmations}, safe, finalized)."
    ),
]


class Terms(Body, frozen=True, kw_only=True):
    """Terms of an agreement; those left out are as before, or the node's."""

    retention_days: Annotated[int, Meta(ge=1, le=36_500)] | UnsetType = UNSET
    limits: Limits | UnsetType = UNSET
    anchoring: AnchoringTerms | UnsetType = UNSET


class Change(Body, frozen=True, kw_only=True):
    """What is to be proposed instead: another definition, other terms, or both, and why."""

    definition: dict[str, Any] | None = None
    terms: Terms = Terms()
    reason: Text | None = None


class Proposal(Body, frozen=True, kw_only=True):
    """A collaboration to propose: a definition or the id (and version) of a stored one and, if known, its input."""

    definition: dict[str, Any] | None = None
    definition_id: DefinitionId | None = None
    version: Word | None = None
    input: dict[str, Any] = {}
    terms: Terms = Terms()


class NewDefinition(Body, frozen=True, kw_only=True):
    """A version of a definition to keep, in the short or the full form."""

    definition: dict[str, Any]


class Deprecation(Body, frozen=True, kw_only=True):
    """The version from which nothing more is to start; without it, every one."""

    version: Word | None = None


class NewExecution(Body, frozen=True, kw_only=True):
    """An execution to start from a stored definition, its newest version unless another is named."""

    input: dict[str, Any] = {}
    version: Word | None = None


class Event(Body, frozen=True, kw_only=True):
    """Something that happened; what comes again under one ``id`` and topic starts nothing again."""

    topic: Annotated[str, Meta(min_length=1, max_length=1000)]
    payload: Any = None
    id: Annotated[str, Meta(min_length=1, max_length=255)] | None = None


class Consent(Body, frozen=True, kw_only=True):
    """This organisation's answer to a proposal."""

    decision: Literal["accepted", "rejected"]
    reason: Text | None = None


class Start(Body, frozen=True, kw_only=True):
    """Start a collaboration that everyone accepted; starting twice changes nothing."""

    input: dict[str, Any] = {}


class Signal(Body, frozen=True, kw_only=True):
    """A signal: it ends a step that waits for its name; expressions read its data."""

    name: Annotated[str, Meta(pattern="^[A-Za-z][A-Za-z0-9_-]{0,63}$")]
    data: dict[str, Any] = {}


class Reason(Body, frozen=True, kw_only=True):
    """Why something is ended."""

    reason: Annotated[str, Meta(min_length=1, max_length=4000)]


class Completion(Body, frozen=True, kw_only=True):
    """A task's answer: the values of its form. A file is ``{"$file": {"document_id": …}}``.

    Workers prove by ``claim_token`` that the task is still theirs.
    """

    data: dict[str, Any] = {}
    claim_token: Secret | None = None


class Failure(Body, frozen=True, kw_only=True):
    """Why a task cannot be done; ``code`` is what the step's retry policy looks at."""

    code: Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,99}$")]
    message: Text = ""
    claim_token: Secret | None = None


class ClaimTasks(Body, frozen=True, kw_only=True):
    """What a worker takes from a queue, for how long it may be silent, and how long it waits when there is nothing."""

    worker_id: Word
    max_tasks: Annotated[int, Meta(ge=1, le=100)] = 1
    wait_seconds: Annotated[int, Meta(ge=0, le=30)] = 20
    lease_seconds: Annotated[int, Meta(ge=5, le=3600)] = 60


class ClaimToken(Body, frozen=True, kw_only=True):
    """Proof that a task is still the worker's."""

    claim_token: Secret


class NewAccessToken(Body, frozen=True, kw_only=True):
    """A token for a worker: its name, the queues that it may take from (all, without), and the days that it lives."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    queues: Annotated[list[Word], Meta(min_length=1, max_length=100)] | None = None
    days: Annotated[int, Meta(ge=1, le=730)] = 365


class Comments(Body, frozen=True, kw_only=True):
    """What an approver says beside the decision."""

    comments: Text = ""
