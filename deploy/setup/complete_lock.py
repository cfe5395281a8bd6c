"""Name, in package-lock.json, the anvil packages of machines that the registry at hand does not carry.

`npm ci` refuses a lock that leaves out an optional package, even one for another system. A mirror may hold only
some of them; then npm writes a lock that it will not install from. The entries added here have no hash: set-up
says so on such a machine. Where the mirror has them all, npm's own entries stay.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LOCK = Path(__file__).resolve().parents[2] / "package-lock.json"
META = "node_modules/@foundry-rs/anvil"
CPUS = {"amd64": "x64", "arm64": "arm64"}


def main() -> None:
    """Complete the lock in place."""
    lock = json.loads(LOCK.read_text(encoding="utf-8"))
    packages: dict[str, dict[str, Any]] = lock["packages"]
    for name, version in packages[META]["optionalDependencies"].items():
        packages.setdefault(f"node_modules/{name}", _entry(name, version))
    lock["packages"] = dict(sorted(packages.items()))
    LOCK.write_text(json.dumps(lock, indent=2) + "\n", encoding="utf-8")


def _entry(name: str, version: str) -> dict[str, Any]:
    """Return what npm itself would write for another system's package, but for its hash."""
    system, machine = name.removeprefix("@foundry-rs/anvil-").split("-")
    return {"version": version, "cpu": [CPUS[machine]], "optional": True, "os": [system]}


if __name__ == "__main__":
    main()
