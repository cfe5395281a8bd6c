"""`tally chain transactions`: what an organisation sends to the chain, from its own database, whether its node runs."""

from pathlib import Path
from typing import Any

from sqlmodel import col, select

from tallystick.node import settings as node_settings
from tallystick.node.services.transactions import view
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
        rows = session.exec(query.limit(max(1, min(limit, MAX_SHOWN))))
        return {
            "transactions": [view(row, settings.blockchain.chain_id if settings.blockchain else None) for row in rows]
        }
