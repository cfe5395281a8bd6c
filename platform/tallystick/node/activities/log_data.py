"""``log_data``: a line in this organisation's own activity log.

The line goes to a file of the organisation's, not to the log of the process, which other organisations may share and
operators read: values stay where they may be seen.
"""

import asyncio
import os
import re
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, field

from tallystick.node.activities.call import Call, Input, read_input
from tallystick.node.activities.failing import ActivityFailed
from tallystick.node.activities.settings import LogSettings

MAX_LINE = 16_000  # bytes; a longer line is cut, and says so
_SECRET = re.compile(
    r"pass(word|phrase|wd)?|secret|token|authori[sz]ation|credential|api[_-]?key|private[_-]?key", re.I
)


class LogData(Input, frozen=True):
    """Its input."""

    message: Annotated[str, Meta(min_length=1, max_length=4000)]
    level: Literal["debug", "info", "warning", "error"] = "info"
    data: dict[str, Any] = field(default_factory=dict)


class LogActivity:
    """The activity of one organisation; lines are JSON, so that no value can forge a second line."""

    def __init__(self, settings: LogSettings, data_dir: Path) -> None:
        self._settings = settings
        self._path = data_dir / settings.file
        self._lock = asyncio.Lock()

    async def __call__(self, call: Call) -> dict[str, Any]:
        """Append the line; members whose name says that they are secret are left out."""
        asked = read_input(call.input, LogData)
        at = time.time_ns() // 1_000_000
        facts = {"at": at, "level": asked.level, "execution": call.execution, "task": call.task, "token": call.token}
        line = msgspec.json.encode({**facts, "message": asked.message, "data": without_secrets(asked.data)})
        if len(line) > MAX_LINE:
            line = msgspec.json.encode({**facts, "message": asked.message[:1000], "cut": len(line)})
        async with self._lock:
            await asyncio.to_thread(self._append, line)
        return {"logged_at": at}

    def _append(self, line: bytes) -> None:
        try:
            if self._path.exists() and self._path.stat().st_size + len(line) > self._settings.max_bytes:
                self._rotate()
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
            with os.fdopen(os.open(self._path, flags, 0o600), "ab") as file:
                file.write(line + b"\n")
        except OSError as error:
            raise ActivityFailed(f"the log cannot be written: {error.strerror}", code="storage_unavailable") from error

    def _rotate(self) -> None:
        """``activity.log`` becomes ``activity.log.1`` and so on; the oldest goes."""
        files = [self._path, *(self._path.with_name(f"{self._path.name}.{n}") for n in range(1, self._settings.files))]
        for older, newer in zip(reversed(files[1:]), reversed(files[:-1]), strict=True):
            if newer.exists():
                newer.replace(older)
        self._path.unlink(missing_ok=True)  # where only one file is kept


def without_secrets(value: Any) -> Any:
    """``value`` with ``"…"`` for every member whose name says that it is secret."""
    if isinstance(value, dict):
        return {name: "…" if _SECRET.search(name) else without_secrets(one) for name, one in value.items()}
    return [without_secrets(one) for one in value] if isinstance(value, list) else value
