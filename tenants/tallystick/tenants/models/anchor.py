"""Tables of the organisation's log and of what must reach the chain. Times are milliseconds since 1970 (UTC)."""

from sqlalchemy import BigInteger, LargeBinary, UniqueConstraint
from sqlmodel import Field, SQLModel


class LeafRow(SQLModel, table=True):
    """A leaf of the organisation's log, in order of ``index``."""

    __tablename__ = "leaf"
    __table_args__ = (UniqueConstraint("execution", "kind"),)
    index: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    execution: str
    kind: int
    data: bytes = Field(sa_type=LargeBinary)
    since: int = Field(sa_type=BigInteger)
    shared: bool = Field(default=False, index=True)


class PartnerAnchorRow(SQLModel, table=True):
    """A partner's proof that it anchored its leaf of an execution; the verifier checks it, not this node."""

    __tablename__ = "partner_anchor"
    execution: str = Field(primary_key=True)
    partner: str = Field(primary_key=True)
    kind: int = Field(primary_key=True)
    document: bytes = Field(sa_type=LargeBinary)


class SubmissionRow(SQLModel, table=True):
    """A call that must reach the chain once; ``document`` is the ledger's own form of it."""

    __tablename__ = "submission"
    key: str = Field(primary_key=True)
    state: str = Field(index=True)
    nonce: int | None = None
    since: int = Field(sa_type=BigInteger)
    log_epoch: int | None = None
    log_size: int | None = Field(default=None, index=True)
    document: bytes = Field(sa_type=LargeBinary)
