"""Install everything that Tallystick runs on, in `.venv`, `node_modules` and `.cache`; nothing outside this folder.

1. Say what the machine lacks, all of it at once.
2. Make the virtual environment from hash-locked wheels.
3. Bring anvil and solc from npm, by the hashes in package-lock.json.

Registries and mirrors are whatever pip and npm are configured for. A second run finds its stamps and does nothing.
"""

from __future__ import annotations

import fcntl
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import checks
import node_tools
import python_tools
from commands import SetupError, say

ROOT = Path(__file__).resolve().parents[2]


def main(argv: Sequence[str]) -> int:
    """Set up; with `--check`, only say what is missing. Return the process's exit code."""
    missing = checks.lacks(ROOT)
    for lack in missing:
        print(f"tallystick: missing {lack.what}\n  to mend: {lack.mend}", file=sys.stderr)
    if missing or "--check" in argv:
        return 1 if missing else 0
    cache = ROOT / ".cache"
    cache.mkdir(exist_ok=True)
    with (cache / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two `make`s at once must not install into one environment
        return _install()


def _install() -> int:
    started = time.monotonic()
    try:
        python_tools.install(ROOT)
        node_tools.install(ROOT)
    except SetupError as error:
        print(f"tallystick: {error}", file=sys.stderr)
        return 1
    if time.monotonic() - started > 1:
        say(f"ready after {time.monotonic() - started:.0f} s")
    return 0
