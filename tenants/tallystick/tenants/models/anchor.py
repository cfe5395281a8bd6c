"""Tables of the organisation's log and of what must reach the chain. Times are milliseconds since 1970 (UTC)."""

from typing import Any

from sqlalchemy import BigInteger, Index, LargeBinary, TextClause, UniqueConstraint, text
from sqlmodel import Field, SQLModel

# A query uses an index of some rows when it says the same in these words; what a round looks for is in such an index,
# so that a round costs the same however much came before.
GIVEN, UNGIVEN = text("block_number IS NOT NULL"), text("block_number IS NULL")
UNDER_WAY = text("state IN ('queued', 'held', 'sent', 'reorged', 'mined')")
BEAT = text("kind = 5 AND due_at > 0")
AT_REST = text("state IN ('confirmed', 'failed') AND block_number IS NOT NULL")


def _some(name: str, *columns: Any, where: TextClause) -> Index:
    return Index(name, *columns, sqlite_where=where, postgresql_where=where)


class LeafRow(SQLModel, table=True):
    """A leaf of the organisation's log, in order of ``index``.

    ``subject`` is the statement that a submission's leaf is about, a padding leaf's own number, else "". ``due_at`` to
    ``finality`` are what its agreement asks for (``core.policy``; the last two as JSON). Padding (kind 5) asks for
    nothing, but where ``due_at`` is set: such a leaf has the log anchored in an interval in which nothing happened.
    """

    __tablename__ = "leaf"
    __table_args__ = (UniqueConstraint("execution", "kind", "subject"), _some("ix_leaf_beat", "index", where=BEAT))
    index: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    execution: str
    kind: int
    data: bytes = Field(sa_type=LargeBinary)
    since: int = Field(sa_type=BigInteger)
    subject: str = ""
    due_at: int = Field(default=0, sa_type=BigInteger)
    max_leaves: int = 1
    padding: str = '"none"'
    finality: str = '{"confirmations":1}'


class LeafProofRow(SQLModel, table=True):
    """A leaf's proof on a chain: 0 for the one that agreements name first, else the id of a further one.

    ``block_number`` and ``block_hash`` name the block that the proof rests on which the other participants were given;
    None while they have none. Padding has no proofs.
    """

    __tablename__ = "leaf_proof"
    __table_args__ = (
        _some("ix_leaf_proof_ungiven", "chain", "finality", "index", where=UNGIVEN),
        _some("ix_leaf_proof_given", "chain", "block_number", where=GIVEN),
    )
    chain: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    index: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    finality: str
    block_number: int | None = Field(default=None, sa_type=BigInteger)
    block_hash: str | None = None


class ProvenLogRow(SQLModel, table=True):
    """How many of the log's leaves have got their ``leaf_proof`` rows for a chain, which may join at any time."""

    __tablename__ = "proven_log"
    chain: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    size: int


class WorkflowRow(SQLModel, table=True):
    """A definition that its proposer (``org`` on the chain) registers; ``registered_at`` is the chain's time for it.

    ``block_number`` and ``block_hash`` name the block that this time is from; all three are None until it is confirmed,
    and again when that block has left the chain.
    """

    __tablename__ = "workflow"
    __table_args__ = (Index("ix_workflow_due", "registered_at", "check_at"),)
    org: str = Field(primary_key=True)
    workflow_hash: str = Field(primary_key=True)
    mine: bool
    since: int = Field(sa_type=BigInteger)
    check_at: int = Field(sa_type=BigInteger)
    registered_at: int | None = Field(default=None, sa_type=BigInteger)
    block_number: int | None = Field(default=None, index=True, sa_type=BigInteger)
    block_hash: str | None = None


class PartnerAnchorRow(SQLModel, table=True):
    """A partner's proof that it anchored its leaf of an execution; the verifier checks it, not this node.

    ``subject`` is the statement that a submission's leaf is about, else ""; ``chain`` the id of the chain.
    """

    __tablename__ = "partner_anchor"
    execution: str = Field(primary_key=True)
    partner: str = Field(primary_key=True)
    kind: int = Field(primary_key=True)
    subject: str = Field(default="", primary_key=True)
    chain: int = Field(default=0, primary_key=True, sa_type=BigInteger)
    document: bytes = Field(sa_type=LargeBinary)


class SubmissionRow(SQLModel, table=True):
    """A call that must reach the chain once; ``document`` is the ledger's own form of it.

    ``chain`` is 0 for the chain that agreements name first, else the id of a further one, which ``key`` begins with.
    """

    __tablename__ = "submission"
    __table_args__ = (
        _some("ix_submission_under_way", "chain", "state", where=UNDER_WAY),
        _some("ix_submission_at_rest", "chain", "block_number", where=AT_REST),
        Index("ix_submission_since", "chain", "since"),
        Index("ix_submission_log", "chain", "log_epoch", "log_size"),
        Index("ix_submission_newest", text("since DESC"), "key"),
        Index("ix_submission_newest_in", "state", text("since DESC"), "key"),
    )
    key: str = Field(primary_key=True)
    chain: int = Field(default=0, sa_type=BigInteger)
    state: str
    relayer: str | None = None
    nonce: int | None = None
    block_number: int | None = Field(default=None, sa_type=BigInteger)
    block_hash: str | None = None
    since: int = Field(sa_type=BigInteger)
    log_epoch: int | None = None
    log_size: int | None = None
    document: bytes = Field(sa_type=LargeBinary)
