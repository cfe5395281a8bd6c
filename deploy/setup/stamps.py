"""Remember what each step installed, so that a second set-up does nothing and needs no network."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path


def digest(*parts: str | Path) -> str:
    """Hash the texts and the files' contents that decide what a step installs."""
    state = hashlib.sha256()
    for part in parts:
        data = part.read_bytes() if isinstance(part, Path) else part.encode()
        state.update(len(data).to_bytes(8, "big") + data)
    return state.hexdigest()


class Stamp:
    """A small file beside what a step installed: gone with it, and different once its inputs differ."""

    def __init__(self, path: Path, value: str) -> None:
        self._path = path
        self._value = value

    def current(self) -> bool:
        """Say whether the step finished with exactly these inputs."""
        return self.note() is not None

    def note(self) -> str | None:
        """Return what the finished step had to say, or None when it has to run."""
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return str(kept["note"]) if kept.get("digest") == self._value else None

    def set(self, note: str = "") -> None:
        """Record that the step finished."""
        self._path.write_text(json.dumps({"digest": self._value, "note": note}), encoding="utf-8")
