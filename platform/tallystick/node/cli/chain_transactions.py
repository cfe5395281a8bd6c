"""`tally chain transactions`: what an organisation sends to the chain, from its own database, whether its node runs."""

from pathlib import Path
from typing import Any

from tallystick.node import settings as node_settings
from tallystick.node.services.transactions import newest, view
from tallystick.tenants.database import Database

MAX_SHOWN = 1_000  # the API lists them all


def transactions(folder: Path, state: str | None, limit: int) -> dict[str, Any]:
    """The newest first, at most ``limit``."""
    settings = node_settings.load(folder)
    with Database(settings.database_url or settings.database_path) as database, database.session() as session:
        rows = session.exec(newest(state).limit(max(1, min(limit, MAX_SHOWN))))
        return {
            "transactions": [view(row, settings.blockchain.chain_id if settings.blockchain else None) for row in rows]
        }
