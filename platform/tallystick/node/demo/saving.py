"""Writing a document that people will open."""

from pathlib import Path
from typing import Any

import msgspec


def save(where: Path, document: Any) -> Path:
    """Write `document` as indented JSON; returns the path."""
    where.write_bytes(msgspec.json.format(msgspec.json.encode(document)) + b"\n")
    return where
