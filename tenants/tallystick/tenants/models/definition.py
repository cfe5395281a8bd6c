"""Definitions that an organisation keeps, and what starts them. Times are milliseconds since 1970 (UTC)."""

from sqlalchemy import BigInteger, Index, LargeBinary, UniqueConstraint
from sqlmodel import Field, SQLModel


class DefinitionRow(SQLModel, table=True):
    """One version, which never changes but for its deprecation; ``number`` counts those of one id."""

    __tablename__ = "definition"
    __table_args__ = (
        UniqueConstraint("id", "number"),
        Index("ix_definition_list", "created_at", "id", "version"),
    )
    id: str = Field(primary_key=True)
    version: str = Field(primary_key=True)
    number: int
    name: str
    source: bytes = Field(sa_type=LargeBinary)  # canonical, as it was given
    compiled: bytes = Field(sa_type=LargeBinary)  # canonical; what agreements of this version hold
    triggers: bytes = Field(sa_type=LargeBinary)  # those of ``compiled``, for whoever needs no more
    created_by: str
    created_at: int = Field(sa_type=BigInteger)
    deprecated_at: int | None = Field(default=None, sa_type=BigInteger)


class ScheduleRow(SQLModel, table=True):
    """When a schedule of a definition's current version is due next; ``trigger`` is its place among the triggers."""

    __tablename__ = "trigger_schedule"
    definition_id: str = Field(primary_key=True)
    trigger: int = Field(primary_key=True)
    cron: str
    time_zone: str
    next_due: int = Field(sa_type=BigInteger, index=True)


class TriggerRunRow(SQLModel, table=True):
    """What a trigger did on one occasion (``due/…``, ``event/…``): its key is why it does so once.

    Written with the proposal that it leads to; without an ``execution`` it says why there is none.
    """

    __tablename__ = "trigger_run"
    __table_args__ = (Index("ix_trigger_run_at", "definition_id", "at"),)
    definition_id: str = Field(primary_key=True)
    trigger: int = Field(primary_key=True)
    occasion: str = Field(primary_key=True)
    version: str
    at: int = Field(sa_type=BigInteger)
    execution: str | None = None
    code: str | None = None
    detail: str | None = None


class AwaitingRow(SQLModel, table=True):
    """A proposal of a trigger's that starts as soon as every participant has accepted."""

    __tablename__ = "trigger_awaiting"
    execution: str = Field(primary_key=True)
