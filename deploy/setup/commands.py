"""Run the package clients, quietly while they succeed and with all they said when they fail."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet")


class SetupError(Exception):
    """A step failed; the message says which, why and what to try."""


def say(text: str) -> None:
    """Tell the person at the terminal what is going on."""
    print(f"tallystick: {text}", flush=True)


def run(
    what: str,
    command: Iterable[str | Path],
    *,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    hint: str = "is the package registry reachable? pip and npm use their own configuration, mirrors included",
) -> str:
    """Run one client and return its output; raise `SetupError` with the tail of it when it fails."""
    say(what)
    started = time.monotonic()
    try:
        done = subprocess.run(
            [str(word) for word in command],
            cwd=cwd,
            env=None if env is None else dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise SetupError(f"{what}: {error}") from error
    if done.returncode:
        tail = "\n".join("    " + line for line in done.stdout.splitlines()[-25:])
        raise SetupError(f"{what}: failed with code {done.returncode}\n{tail}\n  {hint}")
    if time.monotonic() - started > 2:
        say(f"  done in {time.monotonic() - started:.0f} s")
    return done.stdout
