"""Files that only their owner may read: folders 0700, files 0600, writes that survive a power cut."""

import os
import secrets
import stat
from pathlib import Path

from tallystick.core.errors import Invalid, Unavailable

OTHERS = stat.S_IRWXG | stat.S_IRWXO


class OpenToOthers(Invalid):
    """A file or folder that holds secrets lets others in (``path``, ``mode``)."""

    default_code = "open_to_others"

    def __init__(self, path: Path, mode: int) -> None:
        wanted = "700" if path.is_dir() else "600"
        super().__init__(f"{path} is open to others (mode {mode:03o}); run: chmod {wanted} {path}")
        self.path = path
        self.mode = mode


def private_folder(path: Path) -> Path:
    """Make ``path`` with mode 0700, or check that an existing folder lets nobody else in.

    An existing folder is never changed: it may be one that others rely on.
    """
    for missing in reversed([folder for folder in (path, *path.parents) if not folder.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
    _refuse_open(path)
    return path


def private_file(path: Path) -> Path:
    """Make an empty file of mode 0600 in a private folder, or check the one that is there."""
    private_folder(path.parent)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    _refuse_open(path)
    return path


def write_private(path: Path, data: bytes, *, replace: bool = True) -> None:
    """Write ``data`` to ``path`` as a whole or not at all, on disk before this returns.

    With ``replace=False`` an existing file raises :class:`FileExistsError`, also when two writers race.
    """
    private_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        _write_durably(temporary, data)
        if replace:
            temporary.replace(path)
        else:
            path.hardlink_to(temporary)  # unlike a rename, a link fails when the name is taken
    except FileExistsError:
        raise
    except OSError as error:
        raise Unavailable(f"cannot write {path}: {error.strerror}", code="disk") from error
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def read_private(path: Path, *, max_bytes: int) -> bytes:
    """The content of a file that only its owner can read; more than ``max_bytes`` raises :class:`Invalid`."""
    _refuse_open(path)
    with path.open("rb") as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise Invalid(f"{path} has more than {max_bytes} bytes", code="too_large")
    return data


def _refuse_open(path: Path) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & OTHERS:
        raise OpenToOthers(path, mode)


def _write_durably(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    """A new name is durable only once its folder is."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
