"""Tables of the signed record: what was said, sequenced, opened and sent. Times are milliseconds since 1970 (UTC).

Every row of an execution costs one insertion into each index of its table, so there is none that a query could do
without. Rows that are found by their key alone lie in it (``WITHOUT ROWID``), an execution's side by side. Indexes of
what is still to be done hold only that.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, UniqueConstraint, text
from sqlmodel import Field, SQLModel

# SQLite numbers the rows of a table by its INTEGER key, and of no other type.
_NUMBER = BigInteger().with_variant(Integer, "sqlite")
_IN_KEY = {"sqlite_with_rowid": False}


def _some(name: str, *columns: str, where: str) -> Index:
    """An index of those rows only; a query uses it when it says the same in as many words."""
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


class AgreementRow(SQLModel, table=True):
    """An agreement in canonical bytes, by its hash; ``source`` is the definition as it was written, where that came."""

    __tablename__ = "agreement"
    hash: str = Field(primary_key=True)
    document: bytes = Field(sa_type=LargeBinary)
    source: bytes | None = Field(default=None, sa_type=LargeBinary)


class ExecutionRow(SQLModel, table=True):
    """Where an execution stands: the fold of its entries, and the tree's right edge."""

    __tablename__ = "execution"
    __table_args__ = (
        Index("ix_execution_created", "created_at", "id"),
        Index("ix_execution_status", "status", "created_at", "id"),
        _some("ix_execution_due", "next_due", where="next_due IS NOT NULL"),
    )
    number: int = Field(primary_key=True, sa_type=_NUMBER)  # for this database only; partners know the id
    id: str = Field(unique=True)
    agreement_hash: str
    name: str
    definition_id: str
    status: str
    coordinator: str
    term: int = 0
    size: int = 0
    root: str = ""
    frontier: bytes = Field(sa_type=LargeBinary)
    state: bytes = Field(sa_type=LargeBinary)
    created_at: int = Field(sa_type=BigInteger)
    updated_at: int = Field(sa_type=BigInteger)
    start_size: int | None = None  # the head that the start leaf anchors
    next_due: int | None = Field(default=None, sa_type=BigInteger)  # the earliest timer
    dispute: str | None = None
    proposed_input: bytes | None = Field(default=None, sa_type=LargeBinary)  # of our own proposal, until it starts
    replaced_by: str | None = None  # the execution of the changed proposal that took this one's place
    revision: int = 0  # counts the row's writes: a replica of this node that read another one has to read again


class StatementRow(SQLModel, table=True):
    """A statement's token. Own ones carry ``answer_key``: one signature for one question, whatever crashes.

    ``due_at`` is when one of ours that stands in no entry is sent again, ``submitted_at`` when it went to everyone.
    """

    __tablename__ = "statement"
    __table_args__ = (
        UniqueConstraint("number", "answer_key"),
        _some("ix_statement_due", "due_at", where="due_at IS NOT NULL"),
        _IN_KEY,
    )
    number: int = Field(primary_key=True, sa_type=BigInteger)
    id: str = Field(primary_key=True)
    iss: str
    kind: str
    token: str
    at: int = Field(sa_type=BigInteger)
    seq: int | None = None
    answer_key: str | None = None
    refusal: str | None = None  # "code: detail", when the coordinator refused it
    due_at: int | None = Field(default=None, sa_type=BigInteger)
    submitted_at: int | None = Field(default=None, sa_type=BigInteger)


class RootSignedRow(SQLModel, table=True):
    """A statement that the root key signed elsewhere, until it is said: the question it answers, and its token."""

    __tablename__ = "root_signed"
    __table_args__ = (_IN_KEY,)
    number: int = Field(primary_key=True, sa_type=BigInteger)
    answer_key: str = Field(primary_key=True)
    token: str
    at: int = Field(sa_type=BigInteger)


class ReceiptRow(SQLModel, table=True):
    """A participant's receipt of a statement that was submitted to all; ``at`` is what its signer's clock said."""

    __tablename__ = "receipt"
    __table_args__ = (_IN_KEY,)
    number: int = Field(primary_key=True, sa_type=BigInteger)
    statement_id: str = Field(primary_key=True)
    iss: str = Field(primary_key=True)
    token: str
    at: int = Field(sa_type=BigInteger)


class EntryRow(SQLModel, table=True):
    """An entry's canonical bytes, which are its leaf data, and the root of the tree that it ends."""

    __tablename__ = "entry"
    __table_args__ = (_IN_KEY,)
    number: int = Field(primary_key=True, sa_type=BigInteger)
    term: int = Field(primary_key=True)
    seq: int = Field(primary_key=True)
    statement_id: str
    leaf: bytes = Field(sa_type=LargeBinary)
    root: bytes = Field(sa_type=LargeBinary)


class HeadRow(SQLModel, table=True):
    """A head (by the coordinator) or an attestation: one for each (execution, term, size, issuer)."""

    __tablename__ = "head"
    __table_args__ = (_IN_KEY,)
    number: int = Field(primary_key=True, sa_type=BigInteger)
    term: int = Field(primary_key=True)
    size: int = Field(primary_key=True)
    iss: str = Field(primary_key=True)
    root: str
    token: str


class UnattestedRow(SQLModel, table=True):
    """A participant whose attestation of a closed execution has not come; it is asked for now and then."""

    __tablename__ = "unattested"
    __table_args__ = (_IN_KEY,)
    number: int = Field(primary_key=True, sa_type=BigInteger)
    partner: str = Field(primary_key=True)
    since: int = Field(sa_type=BigInteger)


class OpeningRow(SQLModel, table=True):
    """A value that this organisation may read, with the salt that proves it; ``value`` is canonical JSON."""

    __tablename__ = "opening"
    __table_args__ = (_some("ix_opening_file", "file_sha256", where="file_sha256 IS NOT NULL"), _IN_KEY)
    number: int = Field(primary_key=True, sa_type=BigInteger)
    statement_id: str = Field(primary_key=True)
    property: str = Field(primary_key=True)
    issuer: str
    task: str
    attempt: int
    salt: str
    value: bytes = Field(sa_type=LargeBinary)
    file_sha256: str | None = None  # of a value that is a file: what documents are found by


class EnvelopeRow(SQLModel, table=True):
    """A sealed envelope, kept for relaying to participants that lack it."""

    __tablename__ = "envelope"
    __table_args__ = (_IN_KEY,)
    number: int = Field(primary_key=True, sa_type=BigInteger)
    hash: str = Field(primary_key=True)
    statement_id: str
    document: bytes = Field(sa_type=LargeBinary)


class TaskRow(SQLModel, table=True):
    """A task of this organisation, for its staff."""

    __tablename__ = "task"
    __table_args__ = (
        _some("ix_task_list", "status", "since", "key", where="kind = 'user'"),
        _some("ix_task_since", "since", "key", where="kind = 'user'"),
        _some("ix_task_by_due", "status", "due_at", "key", where="kind = 'user'"),
        _some("ix_task_due", "retry_at", where="retry_at IS NOT NULL"),
        _IN_KEY,
    )
    key: str = Field(primary_key=True)  # begins with its execution's number, so a range of keys is an execution's
    execution: str
    task: str
    step: str
    attempt: int
    kind: str  # user, or the automatic activity's type
    status: str
    since: int = Field(sa_type=BigInteger)
    due_at: int | None = Field(default=None, sa_type=BigInteger)  # for people the stated due date, else the time-out
    priority: str = "normal"
    candidate_groups: str | None = None  # a JSON list; None where everybody may take it
    claimed_by: str | None = None
    claimed_at: int | None = Field(default=None, sa_type=BigInteger)
    note: str | None = None  # why automatic work waits
    details: str | None = None  # JSON: what a running function said last of itself, for whoever tries it again
    retry_at: int | None = Field(default=None, sa_type=BigInteger)  # when automatic work is due, or its lease ends


class NotificationRow(SQLModel, table=True):
    """Something that staff should see."""

    __tablename__ = "notification"
    __table_args__ = (_some("ix_notification_asked", "execution", "task", where="requires_acknowledgment"),)
    id: int | None = Field(default=None, primary_key=True)
    notification_type: str
    message: str
    execution: str
    from_org: str
    at: int = Field(sa_type=BigInteger)
    task: str | None = None
    attempt: int | None = None
    requires_acknowledgment: bool = False
    acknowledged: bool = False
    read: bool = False
    statement_id: str | None = None  # which brought it: its reason, if it has one, is the notification's


class OutboxRow(SQLModel, table=True):
    """A message that a partner's inbox stream has not confirmed yet.

    The node gives the numbers, so that it can send what it has committed without reading it back.
    """

    __tablename__ = "outbox"
    __table_args__ = (Index("ix_outbox_partner", "partner", "id"),)
    id: int = Field(
        sa_column=Column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=False)
    )
    partner: str
    message_id: str
    execution: str | None = None
    what: str
    payload: bytes = Field(sa_type=LargeBinary)
    since: int = Field(sa_type=BigInteger)
    attempts: int = 0
    last_error: str | None = None
    retry_at: int | None = Field(default=None, sa_type=BigInteger)  # after a failure


class InboxRow(SQLModel, table=True):
    """What became of a message that changed nothing or waits; ``payload`` and ``retry_at`` only while it waits."""

    __tablename__ = "inbox"
    __table_args__ = (Index("ix_inbox_due", "outcome", "retry_at"), Index("ix_inbox_partner", "partner", "outcome"))
    partner: str = Field(primary_key=True)
    message_id: str = Field(primary_key=True)
    execution: str | None = Field(default=None, index=True)
    outcome: str  # confirm, reject, wait
    reason: str
    since: int = Field(sa_type=BigInteger)
    retry_at: int | None = Field(default=None, sa_type=BigInteger)
    payload: bytes | None = Field(default=None, sa_type=LargeBinary)


class PartnerChunkRow(SQLModel, table=True):
    """A chunk that a partner sent; it counts against the partner's quota until a value that we opened names it.

    ``execution`` is where such a value stands whose chunk is still to come; it is asked for now and then.
    """

    __tablename__ = "partner_chunk"
    __table_args__ = (
        Index("ix_partner_chunk_quota", "partner", "needed"),
        _some("ix_partner_chunk_wanted", "at", where="execution IS NOT NULL"),
    )
    sha256: str = Field(primary_key=True)
    partner: str
    size: int
    at: int = Field(sa_type=BigInteger)
    needed: bool = False
    execution: str | None = None


class PendingAgreementRow(SQLModel, table=True):
    """An agreement that a partner brought, under which no work has started; ``begun`` when it has been proposed."""

    __tablename__ = "pending_agreement"
    __table_args__ = (Index("ix_pending_agreement_quota", "partner", "at"),)
    hash: str = Field(primary_key=True)
    partner: str
    size: int
    at: int = Field(sa_type=BigInteger)
    begun: bool = False


class DocumentRow(SQLModel, table=True):
    """A file that staff brought in; its bytes lie encrypted in the chunk folder under the manifest's key."""

    __tablename__ = "document"
    id: str = Field(primary_key=True)
    name: str
    media_type: str
    size: int
    sha256: str
    manifest: bytes = Field(sa_type=LargeBinary)
    uploaded_by: str
    at: int = Field(sa_type=BigInteger)


class VerificationRow(SQLModel, table=True):
    """A stored verification result (names.md)."""

    __tablename__ = "verification"
    id: int | None = Field(default=None, primary_key=True)
    execution_id: str = Field(index=True)
    workflow_id: str
    is_valid: bool
    verdict: str
    local_hash: str
    blockchain_hash: str | None = None
    verification_time: int = Field(sa_type=BigInteger)
    blockchain_tx_hash: str | None = None
    verifier_id: str
    checks: bytes = Field(sa_type=LargeBinary)
