"""How each partner is reached, and which requests of theirs were taken. Times are milliseconds since 1970 (UTC)."""

from sqlalchemy import BigInteger, Index, Text
from sqlmodel import Field, SQLModel


class TransportRow(SQLModel, table=True):
    """The administrator's choice for a partner; without a row the default holds. ``ca_pem`` pins its authority."""

    __tablename__ = "partner_transport"
    org_id: str = Field(primary_key=True, max_length=40)
    transport: str = Field(max_length=8)  # nats | https
    ca_pem: str | None = Field(default=None, sa_type=Text)
    updated_at: int = Field(sa_type=BigInteger)


class NonceRow(SQLModel, table=True):
    """The nonce of a signed request that was taken, kept ``until`` its signature is too old to be sent again."""

    __tablename__ = "partner_nonce"
    __table_args__ = (Index("ix_partner_nonce_until", "until"), {"sqlite_with_rowid": False})
    partner: str = Field(primary_key=True, max_length=40)
    nonce: str = Field(primary_key=True, max_length=128)
    until: int = Field(sa_type=BigInteger)
