"""Tokens by which programs of the organisation reach its node."""

from sqlalchemy import JSON, BigInteger
from sqlmodel import Field, SQLModel


class AccessToken(SQLModel, table=True):
    """A worker's token by its public half; of the secret half only the hash is kept. Times in milliseconds since 1970.

    ``queues`` are the task queues that it may take from; None is all of them.
    """

    __tablename__ = "access_token"

    id: str = Field(primary_key=True, max_length=16)
    secret_hash: str = Field(repr=False)
    name: str = Field(max_length=100)
    queues: list[str] | None = Field(default=None, sa_type=JSON)
    created_by: str = Field(max_length=64)
    created_at: int = Field(sa_type=BigInteger)
    expires_at: int = Field(sa_type=BigInteger)
