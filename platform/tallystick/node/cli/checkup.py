"""What `tally doctor` looks at. Standard library only: it has to run where half of everything is missing."""

import json
import os
import platform
import re
import shutil
import socket
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[4]
PORTS = {8545: "the chain", 8441: "the first node", 8442: "the second node", 8443: "the third node"}
DISK_BYTES = 500_000_000
PROBE_SECONDS = 20
SETUP = "make setup"
_PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([^ ;\\]+)([^\\\n]*)", re.MULTILINE)
_VERSION = re.compile(r"\d+\.\d+(?:\.\d+)*")


class Finding(NamedTuple):
    """One line of the table; `required` findings that are not `ok` make the check-up fail."""

    what: str
    state: str
    detail: str = ""
    mend: str = ""
    required: bool = True

    @property
    def fails(self) -> bool:
        """Say whether something cannot work until this is mended."""
        return self.required and self.state != "ok"


def findings(root: Path = ROOT, data: Path | None = None) -> Iterator[Finding]:
    """Yield everything there is to say about this machine, this checkout and, if given, a node's data folder."""
    yield python()
    yield sqlite()
    yield from packages(root)
    yield program("nats-server", _bin(), oldest=(2, 11), mend=SETUP)
    yield anvil(root)
    yield program("node", _node_bin(root), oldest=(20,), mend=SETUP)
    yield program("npm", None, oldest=(9,), mend="set-up brings its own where there is none", required=False)
    yield solc(root)
    yield coincurve()
    yield chromium()
    yield program("mosquitto", None, oldest=(2,), mend="apt-get install mosquitto", required=False)
    yield disk(root)
    yield from ports()
    yield from private(data or root / ".demo")
    yield from certificates(data or root / ".demo")
    yield from _root_key(data) if data else ()


def _root_key(data: Path) -> Iterator[Finding]:
    from tallystick.node.cli.checkup_root import root_key

    yield from root_key(data)


def certificates(data: Path) -> Iterator[Finding]:
    """Say when the certificates of the nodes' links end; a running node renews them long before."""
    try:
        from tallystick.core.errors import TallystickError
        from tallystick.tenants.tls import validity
    except ImportError:
        return  # other findings say what is missing
    for path in sorted([path for folder in ("tls*", "*/tls*", "*/data/tls*") for path in data.glob(f"{folder}/*.pem")]):
        name = f"certificate {path.relative_to(data)}"
        try:
            found = validity(path.stem, path.read_bytes())
        except (OSError, TallystickError):
            yield Finding(name, "broken", str(path), "start the node: it makes another")
            continue
        until = f"until {time.strftime('%Y-%m-%d', time.gmtime(found.not_after / 1000))}"
        mend = "start the node, or look into its log: it renews certificates by itself" if found.ends_soon else ""
        yield Finding(name, "ends soon" if found.ends_soon else "ok", until, mend)


def python() -> Finding:
    """Check the interpreter's version and machine."""
    detail = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if (3, 11) <= sys.version_info[:2] <= (3, 14):
        return Finding("Python", "ok", detail)
    return Finding(
        "Python", "too old" if sys.version_info < (3, 11) else "differs", detail, "install Python 3.11 to 3.14"
    )


def sqlite() -> Finding:
    """Check the SQLite library that Python was built with."""
    good = sqlite3.sqlite_version_info >= (3, 35)  # RETURNING
    return Finding(
        "SQLite", "ok" if good else "too old", sqlite3.sqlite_version, "" if good else "install a newer Python"
    )


def packages(root: Path) -> Iterator[Finding]:
    """Compare the environment's packages with the lock; an install elsewhere has no lock to compare with."""
    lock = root / "requirements" / "dev.txt"
    if not lock.is_file():
        yield Finding("packages", "ok", "installed without a lock", required=False)
        return
    pinned: dict[str, set[str]] = {}
    for name, version, marker in _PIN.findall(lock.read_text(encoding="utf-8")):
        # A pin with a marker may be for another machine; then only a wrong version is worth a word.
        pinned.setdefault(name, {""} if marker.strip() else set()).add(version)
    wrong = [f"{name} {here or 'missing'}" for name, known in pinned.items() if (here := _installed(name)) not in known]
    shown = ", ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else "")
    yield (
        Finding("packages", "differs", shown, SETUP) if wrong else Finding("packages", "ok", f"{len(pinned)} as locked")
    )


def program(what: str, folder: Path | None, *, oldest: tuple[int, ...], mend: str, required: bool = True) -> Finding:
    """Check that a program starts and is new enough; `folder` is searched before PATH."""
    found = shutil.which(what, path=str(folder)) if folder else None
    found = found or shutil.which(what)
    if found is None:
        return Finding(what, "missing", "", mend, required)
    version = _version([found, "-h"] if what == "mosquitto" else [found, "--version"])
    if not version:
        return Finding(what, "broken", found, mend, required)
    state = "ok" if tuple(map(int, version.split("."))) >= oldest else "too old"
    return Finding(what, state, f"{version} {found}", "" if state == "ok" else mend, required)


def anvil(root: Path) -> Finding:
    """Check anvil, and that it is the package whose hash package-lock.json names."""
    found = program("anvil", root / "node_modules" / ".bin", oldest=(1, 7), mend=SETUP)
    if found.state != "ok":
        return found
    locked, placed = _npm(root / "package-lock.json"), _npm(root / "node_modules" / ".package-lock.json")
    natives = [name for name in placed if name.startswith("node_modules/@foundry-rs/anvil-")]
    if not natives or placed[natives[0]].get("integrity") == locked.get(natives[0], {}).get("integrity"):
        return found
    return found._replace(state="not pinned", mend="package-lock.json names another: make clean setup", required=False)


def solc(root: Path) -> Finding:
    """Check the Solidity compiler's package."""
    version = _npm(root / "node_modules" / ".package-lock.json").get("node_modules/solc", {}).get("version", "")
    return Finding("solc", "ok", version) if version else Finding("solc", "missing", "", SETUP)


def coincurve() -> Finding:
    """Check the optional speed-up of signing for the chain."""
    version = _installed("coincurve")
    if version:
        return Finding("coincurve", "ok", version, required=False)
    return Finding("coincurve", "missing", "signing for the chain is slower", "it has no wheel for this machine", False)


def chromium() -> Finding:
    """Check the browser that the portal's own tests drive."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for path in map(shutil.which, names) if path), None)
    if found:
        return Finding("chromium", "ok", found, required=False)
    return Finding("chromium", "missing", "the portal's browser tests are skipped", "apt-get install chromium", False)


def disk(root: Path) -> Finding:
    """Check the room for databases, streams and chain state."""
    free = shutil.disk_usage(root).free
    detail = f"{free / 1e9:.1f} GB free"
    return Finding("disk", "ok", detail) if free >= DISK_BYTES else Finding("disk", "too little", detail, "free 0.5 GB")


def ports() -> Iterator[Finding]:
    """Say which usual ports are taken: a demo then takes others, so nothing has to be mended."""
    for port, whose in PORTS.items():
        state = "taken" if _taken(port) else "ok"
        mend = "nothing to do: another is used (`make down` if it is an earlier `make up`)" if state == "taken" else ""
        yield Finding(f"port {port}", state, f"usual for {whose}", mend, required=False)


def private(folder: Path) -> Iterator[Finding]:
    """Check that nobody but its owner reads an organisation's keys and databases under `folder`."""
    if not folder.is_dir():
        return
    secret = [path for name in ("keystore.json", "tenant.db", "passphrase") for path in folder.rglob(name)]
    opened = [path for path in secret if stat.S_IMODE(path.stat().st_mode) & 0o077]
    if opened:
        yield Finding("data folder", "too open", str(opened[0]), f"chmod -R go-rwx {folder}")
    elif not os.access(folder, os.W_OK):
        yield Finding(
            "data folder", "broken", f"{folder} cannot be written", "give it back to the user who runs the node"
        )
    else:
        yield Finding("data folder", "ok", str(folder))


def _bin() -> Path:
    return Path(sys.prefix) / "bin"


def _node_bin(root: Path) -> Path:
    return root / "node_modules" / ".bin"


def _installed(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _version(command: list[str]) -> str:
    """Return the version that a program prints; empty when it does not start or prints none."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_SECONDS, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    found = _VERSION.search(done.stdout + done.stderr)
    return found[0] if found else ""


def _npm(path: Path) -> dict[str, dict[str, str]]:
    """Return an npm lock's packages; empty when there is no readable lock."""
    try:
        packages: dict[str, dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))["packages"]
    except (OSError, ValueError, KeyError):
        return {}
    return packages


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False
