"""What executions are found by beside their own columns."""

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel


class ExecutionTermRow(SQLModel, table=True):
    """A term of an execution: ``p:`` a participant, ``d:`` its definition, ``w:`` a word of its names.

    ``c:`` is its parent's task. The key is the order of listings: a page costs the same whatever else is stored.
    """

    __tablename__ = "execution_term"
    __table_args__ = {"sqlite_with_rowid": False}
    term: str = Field(primary_key=True)
    created_at: int = Field(primary_key=True, sa_type=BigInteger)
    execution: str = Field(primary_key=True)
