"""What ties this organisation to a partner, and parting with one.

Removing a partner while executions with it are open breaks them: nothing that it says comes in any more, nothing of
ours reaches it, so each such execution waits until its deadlines pass or a participant that may terminates it. What
was recorded stays and verifies as before: agreements name the keys that signed, and cards are not needed for that.
"""

from typing import Any

from sqlalchemy import delete, func
from sqlmodel import Session, col, select

from tallystick.core.engine.state import OPEN
from tallystick.core.errors import WrongState
from tallystick.node.record import terms
from tallystick.node.record.outgoing import undelivered
from tallystick.tenants.database import Database
from tallystick.tenants.models.listing import ExecutionTermRow
from tallystick.tenants.models.record import ExecutionRow, InboxRow, OutboxRow
from tallystick.tenants.partners import mark

MAX_NAMED = 20  # of open executions; how many there are is told beside


class StillTied(WrongState):
    """Executions with the partner are open, or messages to it undelivered (``open_executions``, ``undelivered``)."""

    default_code = "still_tied"

    def __init__(self, org_id: str, open_executions: int, undelivered: int) -> None:
        super().__init__(
            f"{open_executions} executions with {org_id} are open and {undelivered} messages to it are undelivered:"
            " removing it by force leaves those executions without it, and the messages are dropped",
            state="open",
        )
        self.open_executions = open_executions
        self.undelivered = undelivered


def ties(session: Session, org_id: str) -> dict[str, Any]:
    """How many executions with the partner are open, the newest of them, and how many messages it has not got yet."""
    ours = col(ExecutionTermRow.execution) == col(ExecutionRow.id)
    theirs = (ExecutionTermRow.term == terms.participant(org_id), col(ExecutionRow.status).in_(sorted(OPEN)))
    number = session.exec(
        select(func.count()).select_from(ExecutionRow).join(ExecutionTermRow, ours).where(*theirs)
    ).one()
    query = (
        select(ExecutionRow.id, ExecutionRow.name, ExecutionRow.status)
        .join(ExecutionTermRow, ours)
        .where(*theirs)
        .order_by(col(ExecutionRow.created_at).desc())
        .limit(MAX_NAMED)
    )
    left = session.exec(select(func.count()).where(OutboxRow.partner == org_id, undelivered())).one()
    newest = [{"execution_id": one[0], "name": one[1], "status": one[2]} for one in session.exec(query)]
    return {"open_executions": number, "newest_open": newest, "undelivered": left}


def part(database: Database, org_id: str, *, force: bool) -> dict[str, Any]:
    """Remove a partner, and return the :func:`ties` that it still had; any at all need ``force``."""
    with database.write() as session:
        mark(session, org_id, "removed")
        found = ties(session, org_id)
        if (found["open_executions"] or found["undelivered"]) and not force:
            raise StillTied(org_id, found["open_executions"], found["undelivered"])
        session.exec(delete(OutboxRow).where(col(OutboxRow.partner) == org_id))
        session.exec(delete(InboxRow).where(col(InboxRow.partner) == org_id, col(InboxRow.outcome) == "wait"))
    return found
