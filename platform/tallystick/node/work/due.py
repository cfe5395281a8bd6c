"""What is due here at a moment, found by index and bounded: timers, tasks, statements that nobody has sequenced."""

from dataclasses import dataclass

from sqlalchemy import func
from sqlmodel import col, select

from tallystick.tenants.database import Database
from tallystick.tenants.models.record import ExecutionRow, InboxRow, StatementRow, TaskRow

BATCH = 500  # of each, in one look


@dataclass(frozen=True, slots=True)
class Due:
    """What one look has found."""

    timers: list[str]  # executions that have one due, the longest overdue first
    tasks: list[TaskRow]
    overdue: list[tuple[int, str]]  # statements past the sequencing limit: number of the execution, statement id
    later: int | None  # Unix ms of what is due next; None when nothing is known to be

    @property
    def something(self) -> bool:
        """Whether there is anything to do, and so perhaps more of it than one look takes."""
        return bool(self.timers or self.tasks or self.overdue)


def look(database: Database, now: int, leased_until: int) -> Due:
    """What is due at `now`, and the tasks whose lease ends by `leased_until`; both in Unix ms."""
    with database.looking() as session:
        timers = select(ExecutionRow.id).where(col(ExecutionRow.next_due) <= now)
        tasks = select(TaskRow).where(col(TaskRow.retry_at) <= leased_until)
        late = select(StatementRow.number, StatementRow.id).where(col(StatementRow.due_at) <= now)
        times = (
            select(func.min(ExecutionRow.next_due)).where(col(ExecutionRow.next_due) > now),
            select(func.min(TaskRow.retry_at)).where(col(TaskRow.retry_at) > leased_until),
            select(func.min(StatementRow.due_at)).where(col(StatementRow.due_at) > now),
            select(func.min(InboxRow.retry_at)).where(InboxRow.outcome == "wait"),
        )
        return Due(
            list(session.exec(timers.order_by(col(ExecutionRow.next_due)).limit(BATCH))),
            list(session.exec(tasks.order_by(col(TaskRow.retry_at)).limit(BATCH))),
            [(number, name) for number, name in session.exec(late.order_by(col(StatementRow.due_at)).limit(BATCH))],
            min((one for one in (session.exec(time).one() for time in times) if one is not None), default=None),
        )
