"""The organisations that this one works with."""

from sqlalchemy import BigInteger, Text
from sqlmodel import Field, SQLModel


class Partner(SQLModel, table=True):
    """A partner's newest card (the signed token) and the root key pinned when it was first accepted."""

    org_id: str = Field(primary_key=True, max_length=40)
    card: str = Field(sa_type=Text)
    root_key: str = Field(max_length=64)
    status: str = Field(default="active", max_length=16)  # active | suspended | removed, by this organisation
    issued_at: int = Field(sa_type=BigInteger)
    updated_at: int = Field(sa_type=BigInteger)
    since: int = Field(sa_type=BigInteger)  # when the status became what it is
    fingerprint: str | None = Field(default=None, max_length=40)  # that an administrator confirmed, if one did
    last_seen: int | None = Field(default=None, sa_type=BigInteger)  # when its leafnode was last here


class PartnerKeyRow(SQLModel, table=True):
    """A signing key that a partner's newer card no longer names; agreements drafted before may name it a while."""

    __tablename__ = "partner_key"
    org_id: str = Field(primary_key=True, max_length=40)
    kid: str = Field(primary_key=True, max_length=16)
    key: str = Field(max_length=64)
    replaced_at: int = Field(sa_type=BigInteger)
