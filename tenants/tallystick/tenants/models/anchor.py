"""Tables of the organisation's log and its anchors. Times are milliseconds since 1970 (UTC)."""

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


class AnchorRow(SQLModel, table=True):
    """One anchored (or to be anchored) head of the log: all leaves below ``size``."""

    __tablename__ = "anchor"
    size: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    root: str
    state: str  # queued, sent, mined, confirmed, failed
    since: int = Field(sa_type=BigInteger)
    transaction_hash: str | None = None
    block_number: int | None = None
    gas_used: int | None = None
    error: str | None = None
