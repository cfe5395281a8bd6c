"""The portal's stand-ins behind a real Hypercorn, on a port of its own."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from node.portal.browser import read_port

TESTS = Path(__file__).parents[2]


@contextlib.contextmanager
def served(app: str) -> Iterator[str]:
    """The address at which ``module:application`` answers, as long as the context lasts."""
    command = [sys.executable, "-m", "hypercorn", "--workers", "0", "-b", "127.0.0.1:0"]
    command.append(app)  # in one process: a killed parent leaves its workers behind
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        port = read_port(process, r"Running on http://127.0.0.1:(\d+)")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(10)
        assert process.stderr
        process.stderr.close()
