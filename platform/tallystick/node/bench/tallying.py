"""What a node's record says afterwards: which partners' tasks were completed in a span of time, each counted once."""

from typing import Any

from sqlmodel import col, select

from tallystick.core import canonical
from tallystick.core import entry as entries
from tallystick.core import statement as statements
from tallystick.core.entry import APPLIED
from tallystick.tenants.database import Database
from tallystick.tenants.models.record import EntryRow, ExecutionRow, StatementRow

_WITHIN = 20  # bits of an execution's number below the milliseconds in which it began
_EARLIER_MS = 300_000  # than the span may an execution have begun


def completions(database: Database, since: int, until: int) -> dict[str, Any]:
    """Completed results by other organisations whose entry stands between the two moments (ms since 1970)."""
    seen: set[tuple[int, str, int]] = set()
    repeated = 0
    numbers = col(EntryRow.number) >= (since - _EARLIER_MS) << _WITHIN
    here = (col(StatementRow.number) == EntryRow.number) & (col(StatementRow.id) == EntryRow.statement_id)
    query = (
        select(EntryRow.number, EntryRow.leaf, StatementRow.token)
        .join(StatementRow, here)
        .join(ExecutionRow, col(ExecutionRow.number) == EntryRow.number)
        .where(numbers, StatementRow.kind == "result", col(StatementRow.iss) != ExecutionRow.coordinator)
    )
    with database.session() as session:
        for number, leaf, token in session.exec(query):
            entry = entries.read(canonical.parse(leaf))
            if entry.outcome != APPLIED or not since <= entry.at < until:
                continue
            task = (number, *statements.read(token)[1].place)
            repeated += task in seen
            seen.add(task)
    return {"completions": len(seen), "repeated": repeated}


def roots(database: Database) -> dict[str, tuple[int, str, str]]:
    """Size, root and status of every execution."""
    query = select(ExecutionRow.id, ExecutionRow.size, ExecutionRow.root, ExecutionRow.status)
    with database.session() as session:
        return {name: (size, root, status) for name, size, root, status in session.exec(query)}
