"""Tasks that external workers do. Times are milliseconds since 1970 (UTC)."""

from sqlalchemy import BigInteger, Index, text
from sqlmodel import Field, SQLModel


def _while(column: str, *columns: str) -> Index:
    """An index of the rows in which ``column`` has a value: as small as what is still to be done."""
    where = text(f"{column} IS NOT NULL")
    return Index(f"ix_queue_task_{column}", *columns, sqlite_where=where, postgresql_where=where)


class QueueTaskRow(SQLModel, table=True):
    """A task in a queue. It has a ``rank`` while it waits and a ``lease_until`` while a worker has it.

    ``rank`` is when it came, less what its priority is worth: ordering by it lets urgent tasks pass and every other
    one move up as it waits. ``heartbeat_ms`` None means that a lease which runs out only gives the task back.
    """

    __tablename__ = "queue_task"
    __table_args__ = (
        _while("rank", "queue", "activity_type", "rank", "key"),
        _while("lease_until", "lease_until", "activity_type"),
    )
    key: str = Field(primary_key=True)
    execution: str = Field(index=True)
    queue: str
    activity_type: str
    since: int = Field(sa_type=BigInteger)
    due_at: int | None = Field(default=None, sa_type=BigInteger)
    priority: str
    heartbeat_ms: int | None = Field(default=None, sa_type=BigInteger)
    state: str = "waiting"  # waiting, claimed, answered, or how the attempt ended
    rank: int | None = Field(default=None, sa_type=BigInteger)
    deliveries: int = 0
    claim_hash: str | None = Field(default=None, repr=False)
    answered_with: str | None = None  # what the last claim answered: saying it again is harmless
    claimed_by: str | None = None  # who is answerable: the user or token
    worker_id: str | None = None  # what the worker calls itself
    claimed_at: int | None = Field(default=None, sa_type=BigInteger)
    lease_ms: int | None = Field(default=None, sa_type=BigInteger)
    lease_until: int | None = Field(default=None, sa_type=BigInteger)
