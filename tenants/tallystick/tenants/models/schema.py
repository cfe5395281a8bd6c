"""Which versions of the schema a database has had."""

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel


class SchemaVersion(SQLModel, table=True):
    """One row for each version; ``applied_at`` in milliseconds since 1970."""

    __tablename__ = "schema_version"

    version: int = Field(primary_key=True)
    applied_at: int = Field(sa_type=BigInteger)
