"""Encrypted file chunks on disk, each named by the SHA-256 of its bytes."""

import hashlib
import os
import re
from pathlib import Path

from tallystick.core.errors import Invalid, NotFound

MAX_CHUNK = 300_000  # 256 KiB of plaintext, its tag and room to spare
_NAME = re.compile(r"[0-9a-f]{64}\Z")


class Chunks:
    """A folder of immutable chunks; the same bytes are kept once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def put(self, data: bytes) -> str:
        """Keep ``data`` durably; its name."""
        if len(data) > MAX_CHUNK:
            raise Invalid(f"chunk has {len(data)} bytes, {MAX_CHUNK} are allowed", code="too_large")
        name = hashlib.sha256(data).hexdigest()
        path = self._path(name)
        if not path.exists():
            path.parent.mkdir(mode=0o700, exist_ok=True)
            partial = path.with_suffix(f".{os.getpid()}")
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        return name

    def get(self, name: str) -> bytes:
        """The chunk's bytes."""
        try:
            return self._path(name).read_bytes()
        except FileNotFoundError as error:
            raise NotFound(f"chunk {name} is not here") from error

    def has(self, name: str) -> bool:
        """Whether the chunk is here."""
        return self._path(name).exists()

    def remove(self, name: str) -> None:
        """Forget a chunk."""
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        if not _NAME.match(name):
            raise Invalid("a chunk is named by 64 hex digits", code="bad_chunk_name")
        return self._folder / name[:2] / name
