"""Answers kept for requests that may come again. Times are milliseconds since 1970 (UTC)."""

from sqlalchemy import BigInteger, Index, LargeBinary
from sqlmodel import Field, SQLModel


class RepeatRow(SQLModel, table=True):
    """The answer to a user's request under an Idempotency-Key; ``fingerprint`` is SHA-256 of what was asked."""

    __tablename__ = "repeat"
    __table_args__ = (Index("ix_repeat_age", "user_id", "at"),)
    user_id: str = Field(primary_key=True)
    key: str = Field(primary_key=True, max_length=255)
    fingerprint: bytes = Field(sa_type=LargeBinary)
    answer: bytes = Field(sa_type=LargeBinary)
    at: int = Field(sa_type=BigInteger, index=True)
