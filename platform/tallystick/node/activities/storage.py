"""``save_to_storage``: a file in this organisation's storage folder, whole or not at all."""

import asyncio
import hashlib
import os
import re
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from tallystick.core.errors import TallystickError
from tallystick.node.activities.call import Call, Input, invalid, read_input
from tallystick.node.activities.failing import ActivityFailed
from tallystick.node.activities.settings import StorageSettings
from tallystick.tenants.files import write_private

MAX_LEVELS = 8
_SEGMENT = re.compile(r"[^\W_][\w .,()+@=-]{0,99}\Z")  # letters of any script; begins with a letter or a digit


class SaveToStorage(Input, frozen=True):
    """Its input: ``name`` may have folders (``orders/2026/17.json``); exactly one of ``text`` and ``json``."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    text: str | UnsetType = UNSET
    json: Any | UnsetType = UNSET


class StorageActivity:
    """The activity of one organisation. A redelivered call writes the same file again, which changes nothing."""

    def __init__(self, settings: StorageSettings, data_dir: Path) -> None:
        self._settings = settings
        self._folder = data_dir / settings.folder
        self._lock = asyncio.Lock()
        self._used: int | None = None  # counted once, then kept up to date: this process is the only writer

    async def __call__(self, call: Call) -> dict[str, Any]:
        """Write the file, on disk before this returns; its name, size and SHA-256 (hex)."""
        asked = read_input(call.input, SaveToStorage)
        segments = _segments(asked.name)
        data = _data(asked)
        if len(data) > self._settings.max_file_bytes:
            raise ActivityFailed(f"it has more than {self._settings.max_file_bytes} bytes", code="too_large")
        async with self._lock:
            await asyncio.to_thread(self._write, segments, data)
        return {"name": asked.name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}

    def _write(self, segments: list[str], data: bytes) -> None:
        path = self._folder.joinpath(*segments)
        try:
            self._check_inside(path)
            before = path.stat().st_size if path.exists() else 0
            used = self._total() - before + len(data)
            if used > self._settings.max_total_bytes:
                raise ActivityFailed("the storage folder is full (activities.storage)", code="storage_unavailable")
            write_private(path, data)
        except OSError as error:
            raise ActivityFailed(f"it cannot be written: {error.strerror}", code="storage_unavailable") from error
        except ActivityFailed:
            raise
        except TallystickError as error:
            raise ActivityFailed("the storage folder cannot be written", code="storage_unavailable") from error
        self._used = used

    def _check_inside(self, path: Path) -> None:
        """Names cannot lead out; a link that somebody laid in the folder could, so none is followed."""
        for one in (path, *path.parents):
            if one == self._folder:
                return
            if one.is_symlink() or (one.exists() and one.is_dir() == (one == path)):
                raise invalid("leads through something that is not a folder, or is one itself", "/name")

    def _total(self) -> int:
        if self._used is None:
            found = [Path(at, name) for at, _, names in os.walk(self._folder) for name in names]
            self._used = sum(one.lstat().st_size for one in found)
        return self._used


def _segments(name: str) -> list[str]:
    segments = name.split("/")
    if len(segments) > MAX_LEVELS or not all(_SEGMENT.match(one) for one in segments):
        raise invalid("must be a relative name whose parts begin with a letter or a digit", "/name")
    return segments


def _data(asked: SaveToStorage) -> bytes:
    if (asked.text is UNSET) == (asked.json is UNSET):
        raise invalid("give exactly one of text and json", "/text")
    if asked.text is not UNSET:
        return asked.text.encode()
    return msgspec.json.format(msgspec.json.encode(asked.json), indent=2) + b"\n"
