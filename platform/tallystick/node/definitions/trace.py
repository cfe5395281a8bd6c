"""What a simulation tells."""

from typing import Any

import msgspec


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that happened; ``at`` in milliseconds since the start, ``level`` 1 and more in sub-workflows."""

    at: int
    task: str
    event: str
    step_type: str = ""
    org: str = ""
    data: dict[str, Any] = {}
    outcome: str | None = None
    level: int = 0


class Ended(msgspec.Struct, frozen=True):
    """How it ended; ``stuck`` says why it did not."""

    status: str
    outcome: str | None
    lines: list[Line]
    scope: dict[str, Any]
    stuck: str = ""
