"""Who uses an organisation's data folder: nodes together, a command that moves its keys alone.

An advisory lock (flock) on a file in the folder. It ends with the process, however that ends; replicas on other
machines are not seen.
"""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from tallystick.core.errors import WrongState

FILE = ".lock"


class FolderInUse(WrongState):
    """Another process uses the folder (``path``)."""

    default_code = "folder_in_use"

    def __init__(self, path: Path, detail: str) -> None:
        super().__init__(detail, state="in_use")
        self.path = path


class FolderLock:
    """Held from when it is made until it is closed; raises :class:`FolderInUse`."""

    def __init__(self, folder: Path, *, alone: bool) -> None:
        path = folder / FILE
        self._descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(self._descriptor, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            if not isinstance(error, BlockingIOError):
                raise  # a file system without such locks
            why = "its node is running: stop it first" if alone else "a command is changing its keys"
            raise FolderInUse(folder, f"{folder} is in use: {why}") from None

    def close(self) -> None:
        """Let others use it."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
