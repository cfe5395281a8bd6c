"""What is due here at a moment, found by index and bounded: timers, tasks, statements that nobody has sequenced."""

from dataclasses import dataclass, replace

from sqlalchemy import BindParameter, bindparam, func
from sqlmodel import col, select

from tallystick.tenants.database import Database
from tallystick.tenants.models.record import ExecutionRow, InboxRow, StatementRow, TaskRow

BATCH = 500  # of each, in one look
_now: BindParameter[int] = bindparam("b_now")
_leased: BindParameter[int] = bindparam("b_leased")
_due, _retry, _late = col(ExecutionRow.next_due), col(TaskRow.retry_at), col(StatementRow.due_at)
_TIMERS = select(ExecutionRow.id).where(_due <= _now).order_by(_due).limit(BATCH)
_TASKS = select(TaskRow).where(_retry <= _leased).order_by(_retry).limit(BATCH)
_LATE = select(StatementRow.number, StatementRow.id).where(_late <= _now).order_by(_late).limit(BATCH)
_NEXT = (
    select(func.min(ExecutionRow.next_due)).where(_due > _now),
    select(func.min(TaskRow.retry_at)).where(_retry > _leased),
    select(func.min(StatementRow.due_at)).where(_late > _now),
    select(func.min(InboxRow.retry_at)).where(InboxRow.outcome == "wait"),
)


@dataclass(frozen=True, slots=True)
class Due:
    """What one look has found."""

    timers: list[str]  # executions that have one due, the longest overdue first
    tasks: list[TaskRow]
    overdue: list[tuple[int, str]]  # statements past the sequencing limit: number of the execution, statement id
    later: int | None  # Unix ms of what is due next; None when nothing is known to be, or something is due now

    @property
    def something(self) -> bool:
        """Whether there is anything to do, and so perhaps more of it than one look takes."""
        return bool(self.timers or self.tasks or self.overdue)


def look(database: Database, now: int, leased_until: int) -> Due:
    """What is due at `now`, and the tasks whose lease ends by `leased_until`; both in Unix ms."""
    times = {"b_now": now, "b_leased": leased_until}
    with database.looking() as session:
        found = Due(
            list(session.exec(_TIMERS, params=times)),
            list(session.exec(_TASKS, params=times)),
            [(number, name) for number, name in session.exec(_LATE, params=times)],
            None,
        )
        if found.something:
            return found
        next_ones = [session.exec(query, params=times).one() for query in _NEXT]
        return replace(found, later=min((one for one in next_ones if one is not None), default=None))
