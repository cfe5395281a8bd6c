"""The virtual environment: every wheel pinned by hash, this project on top, and what is optional if it can be had."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

from commands import PIP, SetupError, run, say
from stamps import Stamp, digest

# A lock is a whole resolution, so pip resolves nothing: for a requirement with extras it would weigh releases newer
# than the lock, and refuse them for having no hash. What it would have found wrong, `pip check` finds.
# Source-only packages build with the locked setuptools: an isolated build would fetch one that no hash covers.
LOCKED = ("--require-hashes", "--no-deps", "--no-build-isolation", "-r")
WHEELS = ("--only-binary", ":all:")
STALE = "is a lock in requirements/ older than pyproject.toml? make lock"
# Lock, what it brings, and what follows where it is not to be had.
OPTIONAL = (
    (
        "fast",
        "faster signatures and hashes for the chain",
        "what is signed and hashed for the chain will be slower, all else is the same",
    ),
    ("second", "py-evm, a second client for tests", "the tests over it are skipped"),
)
ALONE = ("--no-deps", "--no-build-isolation", "--no-index")


def install(root: Path) -> None:
    """Bring `.venv` to what the locks and pyproject.toml say."""
    home = root / ".venv"
    locks = [root / "requirements" / name for name in ("build.txt", "dev.txt")]
    base = f"{_version()} {root}"
    python = _environment(home)
    wheels = Stamp(home / "tally-wheels.json", digest(base, *locks))
    if not wheels.current():
        run("installing the build tools", [python, *PIP, *WHEELS, *LOCKED, locks[0]], cwd=root)
        run("installing the locked packages (a minute, the first time)", [python, *PIP, *LOCKED, locks[1]], cwd=root)
        wheels.set()
    project = Stamp(home / "tally-project.json", digest(base, *locks, root / "pyproject.toml"))
    if not project.current():
        editable: list[str | Path] = [python, *PIP, *ALONE, "--editable", root]
        run("installing tallystick itself", editable, cwd=root)
        run("checking that they fit together", [python, "-m", "pip", "check"], cwd=root, hint=STALE)
        project.set()
    for name, what, lacking in OPTIONAL:
        _optional(name, what, lacking, root=root, home=home, python=python, base=base)


def _environment(home: Path) -> Path:
    """Make the environment, anew when it belongs to another Python or another place."""
    python = home / "bin" / "python"
    if not (python.exists() and _belongs(home)):
        say(f"making {home} with Python {_version()}")
        try:
            venv.create(home, with_pip=True, clear=True, symlinks=True)
        except (OSError, subprocess.SubprocessError) as error:
            raise SetupError(f"making {home}: {error}") from error
    return python


def _version() -> str:
    return ".".join(map(str, sys.version_info[:3]))


def _belongs(home: Path) -> bool:
    """Say whether `home` was made by this Python version for this very path (an environment cannot be moved)."""
    try:
        lines = (home / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    settings = {name.strip(): value.strip() for name, _, value in (line.partition("=") for line in lines)}
    return settings.get("version") == _version() and settings.get("command", "").endswith(f" {home}")


def _optional(name: str, what: str, lacking: str, *, root: Path, home: Path, python: Path, base: str) -> None:
    """Try optional wheels, once a lock."""
    lock = root / "requirements" / f"{name}.txt"
    stamp = Stamp(home / f"tally-{name}.json", digest(base, lock))
    if stamp.current():
        return
    try:
        run(f"installing {what} (optional)", [python, *PIP, *WHEELS, *LOCKED, lock], cwd=root)
    except SetupError:
        say(f"  none for this machine: {lacking}")
        stamp.set("absent")
    else:
        stamp.set("present")
