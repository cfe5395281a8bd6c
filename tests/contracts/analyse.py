"""`make prove-contracts`: slither, through forge; each finding has to have its answer in contracts/SECURITY.md.

Fails for a finding without an answer, and for an answer whose finding is gone.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = ROOT / "contracts"
WORK = ROOT / ".cache" / "slither"
TOOLS = (ROOT / "node_modules" / ".bin", ROOT / ".cache" / "contracts" / "bin")
ANSWER = re.compile(r"^\| `([a-z-]+)` \| `(\w+\.\w+)` \|", re.MULTILINE)
LIMIT_S = 900


def main() -> int:
    """Compare; the exit code is 1 when they differ."""
    answered = set(ANSWER.findall((CONTRACTS / "SECURITY.md").read_text(encoding="utf-8")))
    found = findings()
    for name, where in sorted(found - answered):
        sys.stdout.write(f"{name} in {where} has no answer in SECURITY.md\n")
    for name, where in sorted(answered - found):
        sys.stdout.write(f"{name} in {where} is answered in SECURITY.md and is found no more\n")
    sys.stdout.write(f"slither: {len(found)} kinds of finding, {len(found & answered)} answered\n")
    return 0 if found == answered else 1


def findings() -> set[tuple[str, str]]:
    """Detector and place (`Contract.function`) of each."""
    WORK.mkdir(parents=True, exist_ok=True)
    report = WORK / "report.json"
    report.unlink(missing_ok=True)
    path = os.pathsep.join([*map(str, TOOLS), os.environ["PATH"]])
    env = {**os.environ, "PATH": path, "FOUNDRY_OUT": str(WORK / "out"), "FOUNDRY_CACHE_PATH": str(WORK / "cache")}
    command: list[str | Path] = ["slither", ".", "--filter-paths", "test/|bench/", "--json", report]
    done = subprocess.run(command, cwd=CONTRACTS, env=env, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    if not report.exists():
        raise SystemExit(f"slither gives no report:\n{done.stdout}{done.stderr}")
    said = json.loads(report.read_text(encoding="utf-8"))
    if not said["success"]:
        raise SystemExit(f"slither fails: {said['error']}")
    elements = [(one["check"], one["elements"][0]) for one in said["results"].get("detectors", [])]
    return {(name, f"{it['type_specific_fields']['parent']['name']}.{it['name']}") for name, it in elements}


if __name__ == "__main__":
    sys.exit(main())
