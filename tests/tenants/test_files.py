"""Files and folders that only their owner may read."""

import os
import resource
import stat
from pathlib import Path

import pytest

from tallystick.core.errors import Invalid, Unavailable
from tallystick.tenants.files import OpenToOthers, private_file, private_folder, read_private, write_private


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folders_and_files_are_private_under_any_umask(folder: Path) -> None:
    before = os.umask(0)
    try:
        write_private(folder / "a" / "b" / "secret", b"x")
        private_file(folder / "c" / "empty")
    finally:
        os.umask(before)
    assert mode(folder / "a") == mode(folder / "a" / "b") == mode(folder / "c") == 0o700
    assert mode(folder / "a" / "b" / "secret") == mode(folder / "c" / "empty") == 0o600


@pytest.mark.parametrize("permissions", [0o710, 0o701, 0o755, 0o777])
def test_a_folder_open_to_others_is_refused_and_left_alone(folder: Path, permissions: int) -> None:
    folder.chmod(permissions)
    with pytest.raises(OpenToOthers, match="chmod 700") as caught:
        private_folder(folder)
    assert (caught.value.path, caught.value.mode) == (folder, permissions)
    assert mode(folder) == permissions


@pytest.mark.parametrize("permissions", [0o640, 0o604, 0o666])
def test_a_file_open_to_others_is_not_read(folder: Path, permissions: int) -> None:
    path = folder / "secret"
    path.write_bytes(b"x")
    path.chmod(permissions)
    with pytest.raises(OpenToOthers, match="chmod 600"):
        read_private(path, max_bytes=10)
    with pytest.raises(OpenToOthers):
        private_file(path)


def test_a_link_is_not_followed(folder: Path) -> None:
    (folder / "link").symlink_to(folder / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        private_file(folder / "link")
    assert not (folder / "elsewhere").exists()


def test_writing_replaces_the_whole_file_and_leaves_nothing_else(folder: Path) -> None:
    path = folder / "secret"
    write_private(path, b"old and long")
    write_private(path, b"new")
    assert read_private(path, max_bytes=3) == b"new"
    assert list(folder.iterdir()) == [path]


def test_an_existing_file_stays_when_it_must_not_be_replaced(folder: Path) -> None:
    path = folder / "secret"
    write_private(path, b"old")
    with pytest.raises(FileExistsError):
        write_private(path, b"new", replace=False)
    assert path.read_bytes() == b"old"
    assert list(folder.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file(folder: Path) -> None:
    """A limit on the file size stops the write half-way, as a full disk does."""
    path = folder / "secret"
    write_private(path, b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))
    try:
        with pytest.raises(Unavailable, match="cannot write"):
            write_private(path, bytes(4096))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == b"old"
    assert list(folder.iterdir()) == [path]


def test_reading_is_bounded(folder: Path) -> None:
    write_private(folder / "secret", b"1234")
    with pytest.raises(Invalid, match="more than 3 bytes"):
        read_private(folder / "secret", max_bytes=3)
