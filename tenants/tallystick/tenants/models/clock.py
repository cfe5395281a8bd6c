"""What is known of the time from before the node's start. Times are milliseconds since 1970 (UTC)."""

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel


class ClockMarkRow(SQLModel, table=True):
    """One row: the newest time at which this node wrote (``at``), and the newest that a partner signed."""

    __tablename__ = "clock_mark"
    id: int = Field(default=1, primary_key=True, sa_column_kwargs={"autoincrement": False})
    at: int = Field(sa_type=BigInteger)
    signed_at: int = Field(default=0, sa_type=BigInteger)
    signed_by: str | None = None
