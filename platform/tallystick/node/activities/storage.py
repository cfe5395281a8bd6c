"""``save_to_storage``: a file in this organisation's storage folder, or among its documents; whole or not at all."""

import asyncio
import hashlib
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import msgspec
from msgspec import UNSET, Meta, UnsetType

from tallystick.core.errors import TallystickError, Unavailable
from tallystick.node.activities.call import Call, Input, invalid, read_input
from tallystick.node.activities.failing import ActivityFailed
from tallystick.node.activities.settings import StorageSettings
from tallystick.tenants.files import write_private

MAX_LEVELS = 8
_SEGMENT = re.compile(r"[^\W_][\w .,()+@=-]{0,99}\Z")  # letters of any script; begins with a letter or a digit


class SaveToStorage(Input, frozen=True):
    """Its input: exactly one of ``text`` and ``json``, under a ``name``.

    In the folder the name may have folders itself (``orders/2026/17.json``); ``documents`` are kept encrypted.
    """

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    to: Literal["folder", "documents"] = "folder"
    text: str | UnsetType = UNSET
    json: Any | UnsetType = UNSET


class KeepDocument(Protocol):
    """Keep a document, once for one ``token``; its id."""

    async def __call__(self, token: str, name: str, media_type: str, data: bytes) -> str: ...


class StorageActivity:
    """The activity of one organisation. A redelivered call writes the same file again, which changes nothing."""

    def __init__(self, settings: StorageSettings, data_dir: Path, keep: KeepDocument | None = None) -> None:
        self._settings = settings
        self._keep = keep
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
        kept = {"name": asked.name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        if asked.to == "documents":
            return {**kept, "document_id": await self._document(call, asked, segments, data)}
        async with self._lock:
            await asyncio.to_thread(self._write, segments, data)
        return kept

    async def _document(self, call: Call, asked: SaveToStorage, segments: list[str], data: bytes) -> str:
        if len(segments) > 1:
            raise invalid("documents have no folders", "/name")
        if self._keep is None:
            raise ActivityFailed("this node keeps no documents", code="not_configured")
        media_type = "application/json" if asked.text is UNSET else "text/plain"
        try:
            return await self._keep(call.token, asked.name, media_type, data)
        except (Unavailable, OSError) as error:
            raise ActivityFailed("the document cannot be kept now", code="storage_unavailable") from error

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
