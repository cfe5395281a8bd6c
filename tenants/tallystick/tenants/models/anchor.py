"""Tables of the organisation's log and of what must reach the chain. Times are milliseconds since 1970 (UTC)."""

from sqlalchemy import BigInteger, Index, LargeBinary, UniqueConstraint, text
from sqlmodel import Field, SQLModel

# A query uses an index of some rows when it says the same in these words.
_COUNTED, _UNCOUNTED = text("block_number IS NOT NULL"), text("block_number IS NULL AND kind != 5")


class LeafRow(SQLModel, table=True):
    """A leaf of the organisation's log, in order of ``index``.

    ``subject`` is the statement that a submission's leaf is about, a padding leaf's own number, else "". ``due_at`` to
    ``finality`` are what its agreement asks for (``core.policy``; the last two as JSON).

    ``block_number`` and ``block_hash`` name the block that the proof rests on which the other participants were given;
    None while they have none.
    """

    __tablename__ = "leaf"
    __table_args__ = (
        UniqueConstraint("execution", "kind", "subject"),
        # What is looked for in every round is what does not count yet; padding (kind 5) never will.
        Index("ix_leaf_uncounted", "finality", "index", sqlite_where=_UNCOUNTED, postgresql_where=_UNCOUNTED),
        Index("ix_leaf_block_number", "block_number", sqlite_where=_COUNTED, postgresql_where=_COUNTED),
    )
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
    block_number: int | None = Field(default=None, sa_type=BigInteger)
    block_hash: str | None = None


class MirroredLeafRow(SQLModel, table=True):
    """A leaf that counts on a further chain (its id), by the block that the proof rests on which others were given."""

    __tablename__ = "mirrored_leaf"
    chain: int = Field(primary_key=True, sa_type=BigInteger)
    index: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    block_number: int = Field(index=True, sa_type=BigInteger)
    block_hash: str


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
    key: str = Field(primary_key=True)
    chain: int = Field(default=0, sa_type=BigInteger)
    state: str = Field(index=True)
    relayer: str | None = None
    nonce: int | None = None
    block_number: int | None = Field(default=None, index=True, sa_type=BigInteger)
    block_hash: str | None = None
    since: int = Field(index=True, sa_type=BigInteger)
    log_epoch: int | None = None
    log_size: int | None = Field(default=None, index=True)
    document: bytes = Field(sa_type=LargeBinary)
