"""Messages between nodes: their forms, bounds and bytes (RECORD.md, Messages between nodes)."""

import hashlib
import re
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from tallystick.core import agreement as agreements
from tallystick.core import canonical, jws
from tallystick.core.errors import Invalid, UnknownVersion

VERSION = 1
MAX_MESSAGE = 900_000  # bytes: below the transport's 1 MB, headers included
MAX_TOGETHER = 200  # messages in one of the transport's
_HASH = r"^[0-9a-f]{64}\Z"
_EXECUTION = re.compile(_HASH)
MAX_HELD = 100  # executions of each list in one message: what one transaction answers
MAX_NEEDED_CHUNKS = 64  # 20 MB of answers
_BETWEEN = b"\n"  # canonical JSON holds none


Hash = Annotated[str, msgspec.Meta(pattern=_HASH)]


class _Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    v: int = VERSION


class AgreementMessage(_Message, frozen=True, kw_only=True, tag="agreement"):
    """The agreement, before the entries that need it, and the definition as it was written, for who would change it."""

    agreement: dict[str, Any]
    source: dict[str, Any] | None = None


class StatementMessage(_Message, frozen=True, kw_only=True, tag="statement"):
    """A statement for the coordinator to sequence, with the envelopes that it commits to."""

    token: str
    sealed: list[dict[str, Any]] = []


class EntriesMessage(_Message, frozen=True, kw_only=True, tag="entries"):
    """Entries ``start`` … under a head, with their statements and envelopes."""

    execution: str
    start: int
    entries: list[dict[str, Any]]
    statements: list[str]
    head: str
    sealed: list[dict[str, Any]] = []


class AttestationMessage(_Message, frozen=True, kw_only=True, tag="attestation"):
    """A participant's attestation."""

    token: str


class RefusalMessage(_Message, frozen=True, kw_only=True, tag="refusal"):
    """A signed refusal, back to the author."""

    token: str


class SubmissionMessage(_Message, frozen=True, kw_only=True, tag="submission"):
    """A statement that its author has seen in no entry within the sequencing limit, to every participant."""

    token: str
    sealed: list[dict[str, Any]] = []


class ReceiptMessage(_Message, frozen=True, kw_only=True, tag="receipt"):
    """A signed receipt of a submission, back to its author."""

    token: str


class NeedMessage(_Message, frozen=True, kw_only=True, tag="need"):
    """A request for what follows ``size`` entries."""

    execution: str
    size: int


class NeedChunksMessage(_Message, frozen=True, kw_only=True, tag="need_chunks"):
    """A request for chunks of files of an execution, by the hashes that its openings name."""

    execution: str
    chunks: Annotated[list[Hash], msgspec.Meta(max_length=MAX_NEEDED_CHUNKS)]


class Held(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many entries of an execution the sender holds."""

    execution: Hash
    size: Annotated[int, msgspec.Meta(ge=0, le=canonical.MAX_INTEGER)]


class HoldingMessage(_Message, frozen=True, kw_only=True, tag="holding"):
    """What the sender holds, for the receiver to compare with what it holds itself.

    ``held`` are executions that the receiver coordinates, ``offered`` such that the sender coordinates and that wait
    for the receiver's consent, ``unattested`` such that are closed and whose attestation by the receiver it lacks.
    ``card`` is the ``iat`` of the receiver's card that the sender has, ``own_card`` that of the sender's newest; 0 says
    nothing of it.
    """

    held: Annotated[list[Held], msgspec.Meta(max_length=MAX_HELD)] = []
    offered: Annotated[list[Held], msgspec.Meta(max_length=MAX_HELD)] = []
    unattested: Annotated[list[Hash], msgspec.Meta(max_length=MAX_HELD)] = []
    card: Annotated[int, msgspec.Meta(ge=0, le=canonical.MAX_INTEGER)] = 0
    own_card: Annotated[int, msgspec.Meta(ge=0, le=canonical.MAX_INTEGER)] = 0


class ChunkMessage(_Message, frozen=True, kw_only=True, tag="chunk"):
    """A file chunk; ``data`` is base64url and absent while the message waits in the sender's outbox."""

    execution: str
    sha256: str
    data: str = ""


class AnchorMessage(_Message, frozen=True, kw_only=True, tag="anchor"):
    """The proof that the sender anchored its leaf of the execution."""

    execution: str
    proof: dict[str, Any]


class CardMessage(_Message, frozen=True, kw_only=True, tag="card"):
    """The sender's newest card, signed by the root key that the receiver has pinned."""

    token: str


Message = (
    CardMessage
    | AgreementMessage
    | StatementMessage
    | EntriesMessage
    | AttestationMessage
    | RefusalMessage
    | SubmissionMessage
    | ReceiptMessage
    | NeedMessage
    | NeedChunksMessage
    | HoldingMessage
    | ChunkMessage
    | AnchorMessage
)


# What says only in its token which execution it is about.
_TOLD = (StatementMessage, AttestationMessage, RefusalMessage, SubmissionMessage, ReceiptMessage)


def encode(message: Message) -> bytes:
    """Canonical bytes."""
    if isinstance(message, AgreementMessage | AnchorMessage):
        return canonical.encode(msgspec.to_builtins(message))
    return canonical.encode_plain(message)  # tokens, events and envelopes: whoever made or read them refused floats


def decode(data: bytes) -> Message:
    """Read a partner's bytes; anything unexpected is Invalid."""
    document = canonical.parse(data, max_bytes=MAX_MESSAGE)
    if not isinstance(document, dict) or document.get("v") != VERSION:
        raise UnknownVersion("message has a version that is not known here")
    try:
        message: Message = msgspec.convert(document, Message)
    except msgspec.ValidationError as error:
        raise Invalid(f"message: {error}", code="bad_message") from error
    return message


def join(payloads: Sequence[bytes]) -> bytes:
    """Several messages as one of the transport's, of at most :data:`MAX_MESSAGE` bytes together."""
    return _BETWEEN.join(payloads)


def split(data: bytes) -> list[bytes]:
    """The messages that came as one, in order; each stands for itself, whatever becomes of the others."""
    if len(data) > MAX_MESSAGE:
        raise Invalid(f"has {len(data)} bytes, {MAX_MESSAGE} are allowed", code="too_large")
    if data.count(_BETWEEN) >= MAX_TOGETHER:
        raise Invalid(f"more than {MAX_TOGETHER} messages came as one", code="too_many_messages")
    return data.split(_BETWEEN)


def execution_of(message: Message) -> str | None:
    """The execution that a message is about, as far as it says and could be one; it is not verified."""
    if isinstance(message, AgreementMessage | CardMessage | HoldingMessage):
        return None
    named = jws.peek(message.token).get("execution") if isinstance(message, _TOLD) else message.execution
    return named if isinstance(named, str) and _EXECUTION.match(named) else None


def agreement_of(message: AgreementMessage) -> str:
    """The hash of the agreement that a message brings."""
    return agreements.agreement_hash(message.agreement)


def message_id(partner: str, payload: bytes) -> str:
    """The transport's id: the same message to the same partner is sent once.

    What is sent again because it may be lost gets something more behind it (:func:`.outgoing.post_all`).
    """
    return hashlib.sha256(partner.encode() + b"\x00" + payload).hexdigest()
