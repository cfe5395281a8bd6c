"""Writing down what a soak found, where TALLY_SOAK_RESULTS names a folder."""

import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any


def write_result(name: str, soak: str, facts: dict[str, Any]) -> None:
    """Write ``name.json``: what ran, on which commit and machine, and ``facts``."""
    folder = os.environ.get("TALLY_SOAK_RESULTS")
    if not folder:
        return
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    machine = f"{platform.platform(terse=True)}, {os.cpu_count()} cores, Python {platform.python_version()}"
    result = {"soak": soak, "commit": commit, "machine": machine, **facts}
    Path(folder).mkdir(parents=True, exist_ok=True)
    (Path(folder) / f"{name}.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
