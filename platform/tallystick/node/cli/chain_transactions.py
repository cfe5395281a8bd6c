"""`tally chain transactions`: what an organisation sends to the chain, from its own database, whether its node runs."""

from pathlib import Path
from typing import Any

from sqlmodel import col, select

from tallystick.node import settings as node_settings
from tallystick.node.anchoring.stores import read_row
from tallystick.node.anchoring.telling import told
from tallystick.tenants.database import Database
from tallystick.tenants.models.anchor import SubmissionRow

MAX_SHOWN = 1_000  # the API lists them all


def transactions(folder: Path, state: str | None, limit: int) -> dict[str, Any]:
    """The newest first, at most ``limit``."""
    settings = node_settings.load(folder)
    query = select(SubmissionRow).order_by(col(SubmissionRow.since).desc(), col(SubmissionRow.key))
    if state is not None:
        query = query.where(SubmissionRow.state == state)
    with Database(settings.database_url or settings.database_path) as database, database.session() as session:
        found = [read_row(row) for row in session.exec(query.limit(max(1, min(limit, MAX_SHOWN))))]
    return {"transactions": [{"purpose": one.key, "to": one.to, **told(one)} for one in found]}
