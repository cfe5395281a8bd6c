"""Organisations that are getting to know each other. Times are milliseconds since 1970 (UTC)."""

from sqlalchemy import BigInteger, Text
from sqlmodel import Field, SQLModel


class InvitationRow(SQLModel, table=True):
    """An invitation that this organisation made: good until it is answered, withdrawn or expired."""

    __tablename__ = "invitation"
    name: str = Field(primary_key=True, max_length=64)  # SHA-256 of the token
    token: str = Field(sa_type=Text)
    note: str = Field(max_length=200)
    created_by: str = Field(max_length=80)
    created_at: int = Field(sa_type=BigInteger)
    expires_at: int = Field(sa_type=BigInteger)
    state: str = Field(default="open", max_length=16)  # open | answered | withdrawn
    answered_by: str | None = Field(default=None, max_length=40)
    answer: str | None = Field(default=None, max_length=64)  # SHA-256 of the answer, which may come again


class IntroductionRow(SQLModel, table=True):
    """An organisation whose card is here and whose fingerprint nobody here has confirmed yet."""

    __tablename__ = "introduction"
    org_id: str = Field(primary_key=True, max_length=40)
    card: str = Field(sa_type=Text)
    root_key: str = Field(max_length=64)
    fingerprint: str = Field(max_length=40)
    invitation: str = Field(max_length=64)
    invited_by: str = Field(max_length=40)  # the organisation that made the invitation
    since: int = Field(sa_type=BigInteger)
    expires_at: int = Field(sa_type=BigInteger)
    answer: str | None = Field(default=None, sa_type=Text)  # ours, when we were invited
    delivered_at: int | None = Field(default=None, sa_type=BigInteger)
    trouble: str | None = Field(default=None, max_length=300)  # why the answer was not delivered
