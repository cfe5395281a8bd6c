"""Starting, finding and ending a nats-server process."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from tallystick.core.errors import Invalid, Unavailable
from tallystick.node.links.config import Files

# Runs in the child before nats-server takes its place. The kernel then ends the server with the node, even a node that
# was killed; the look at the parent covers a node that died before the call. On other systems `end_orphan` has to do.
_LAUNCHER = """\
import os, sys
if sys.platform == "linux":
    import ctypes, signal
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


def find_binary(given: Path | None) -> Path:
    """Return the nats-server to run: ``given``, else the wheel's beside this interpreter, else the one on the path."""
    beside = Path(sys.executable).parent / "nats-server"
    found = given or (beside if beside.exists() else shutil.which("nats-server"))
    if found is None or not Path(found).exists():
        raise Unavailable("nats-server is not installed", code="nats_server")
    return Path(found)


async def spawn(binary: Path, files: Files) -> asyncio.subprocess.Process:
    """Start nats-server on its configuration; what it says before its log is open goes to the same log."""
    with files.log.open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), str(binary), "-c", str(files.config),
            stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    # Written here, not by the server: it must be there however early this node is killed.
    files.pid.write_text(str(process.pid))
    return process


async def check(binary: Path, files: Files) -> None:
    """Raise `Invalid` if nats-server does not accept the candidate configuration."""
    checking = await asyncio.create_subprocess_exec(
        str(binary), "-t", "-c", str(files.candidate),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, words = await checking.communicate()
    if checking.returncode != 0:
        reason = words.decode(errors="replace").replace(str(files.folder), "").strip()
        raise Invalid(f"nats-server does not accept this configuration: {reason[:500]}", code="nats_configuration")


async def end(process: asyncio.subprocess.Process, *, grace: float = 5.0) -> None:
    """End ``process``: politely, then after ``grace`` seconds for certain."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
    try:
        async with asyncio.timeout(grace):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def end_orphan(files: Files, *, grace: float = 5.0) -> bool:
    """End the server that a killed node left running on this very configuration; say whether there was one."""
    pid = _orphan(files)
    if pid is None:
        return False
    deadline = time.monotonic() + grace
    _signal(pid, signal.SIGTERM)
    while _orphan(files) == pid:
        if time.monotonic() > deadline:
            _signal(pid, signal.SIGKILL)
        time.sleep(0.05)
    files.pid.unlink(missing_ok=True)
    return True


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _orphan(files: Files) -> int | None:
    try:
        pid = int(files.pid.read_text())
    except (FileNotFoundError, ValueError):
        return None
    # The id may have been given to another program since: only a nats-server on our configuration is ours to end.
    arguments = _arguments(pid)
    ours = pid > 1 and "nats-server" in arguments and str(files.config) in arguments
    return pid if ours else None


def _arguments(pid: int) -> str:
    proc = Path(f"/proc/{pid}/cmdline")
    if Path("/proc/self").exists():
        try:
            return proc.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    listing = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return listing.stdout
