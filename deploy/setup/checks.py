"""What must be on a machine before anything can be installed, and how to mend what is not."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

DISK_NEEDED = 1_500_000_000  # bytes: the environment (400 MB), node and the tools (200 MB), caches, and room to run
MACHINES = {"x86_64", "amd64", "arm64", "aarch64"}


class Lack(NamedTuple):
    """One thing that is missing, and the words that mend it."""

    what: str
    mend: str


def lacks(root: Path) -> list[Lack]:
    """Return everything that stops a set-up in `root`; empty when it can go ahead."""
    found = [*_platform(), *_modules(), *_programs(), *_room(root)]
    return [lack for lack in found if lack is not None]


def _platform() -> list[Lack | None]:
    supported = sys.platform in {"linux", "darwin"} and platform.machine().lower() in MACHINES
    return [
        None
        if supported
        else Lack(
            f"Linux or macOS on x86-64 or arm64 (this is {sys.platform} on {platform.machine()})",
            "use a container or a virtual machine with one of those",
        ),
        None
        if sys.version_info[:2] <= (3, 14)
        else Lack("Python 3.11 to 3.14", "run: make setup PYTHON=/path/to/python3.14"),
    ]


def _modules() -> list[Lack | None]:
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    needed = {
        "venv": f"apt-get install python{version}-venv",
        "ensurepip": f"apt-get install python{version}-venv",
        "ssl": "install a Python built with OpenSSL (Debian: apt-get install python3)",
        "sqlite3": "install a Python built with SQLite (Debian: apt-get install python3; pyenv: libsqlite3-dev first)",
        "ctypes": "install a Python built with libffi (pyenv: apt-get install libffi-dev first)",
    }
    return [
        None if _importable(name) else Lack(f"Python's module `{name}` (in {sys.executable})", mend)
        for name, mend in needed.items()
    ]


def _importable(name: str) -> bool:
    """Say whether `name` really imports: a Python may carry ssl.py without its compiled half."""
    if importlib.util.find_spec(name) is None:
        return False
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def _programs() -> list[Lack | None]:
    mend = "apt-get install make" if sys.platform == "linux" else "xcode-select --install"
    return [None if shutil.which("make") else Lack("the program `make`", mend)]


def _room(root: Path) -> list[Lack | None]:
    free = shutil.disk_usage(root).free
    installed = (root / ".venv").exists()
    return [
        None if os.access(root, os.W_OK) else Lack(f"permission to write in {root}", "copy it to your home folder"),
        None
        if installed or free >= DISK_NEEDED
        else Lack(f"1.5 GB of free disk ({free / 1e9:.1f} GB free)", f"free some space where {root} lies"),
    ]
