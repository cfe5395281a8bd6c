"""`tally bench report`: BENCHMARKS.md from the results that are committed beside it."""

import json
from pathlib import Path
from typing import Any

AIMS = {
    "sqlite.c50.executions_per_s": "≥ 1,000",
    "sqlite.c1.executions_per_s": "≥ 150",
    "postgres.c50.executions_per_s": "≥ half of SQLite's",
    "postgres.c1.executions_per_s": "≥ half of SQLite's",
    "replay.entries_per_s": "≥ 50,000",
    "stored.ratio_1e6_to_1e3": "≤ 1.2",
    "history.ratio_1e5_to_10": "≤ 1.5",
    "start.open_1e5_s": "≤ 3",
    "tenants200.rss_mb": "≤ 120",
    "full.completions_per_s": "≥ 500",
    "half.hop_p99_ms": "≤ 50",
    "restart.flowing_s": "≤ 5",
    "blackhole.flowing_s": "≤ 10",
    "batch256.gas_per_execution": "≤ 300",
    "batch4096.gas_per_execution": "≤ 20",
    "batch4096x5.gas_per_execution": "≤ 26",
    "anchor.gas": "≤ 80,000",
    "direct.gas": "≤ 85,000",
    "verify.gas": "≤ 50,000",
    "ratio.batch256": "≥ 1,000",
    "ratio.pipelined": "≥ 20",
    "ratio.sqlite.c50": "≥ 20",
    "ratio.sqlite.c1": "≥ 3",
}
HEAD = """# Benchmarks

Made by `tally bench report` from the files in the folder `benchmarks` beside it; do not edit. A rate says as much
about the machine, and about what else ran on it (`load_before`), as about the code; a ratio was measured in one run.
"""


def write(folder: Path, target: Path) -> int:
    """Write the page; how many results it shows."""
    results = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    target.write_text("\n".join([HEAD, *(_section(one) for one in results)]))
    return len(results)


def _section(result: dict[str, Any]) -> str:
    machine = ", ".join(f"{name} {value}" for name, value in result["machine"].items())
    rows = [f"| `{name}` | {value:,.2f} | {AIMS.get(name, '')} |" for name, value in result["figures"].items()]
    return "\n".join(
        [
            f"## `{result['command']}`",
            f"Commit `{result['commit']}`; {machine}.\n",
            *([f"{result['note']}\n"] if "note" in result else []),
            "| figure | measured | aim |",
            "|---|---:|---|",
            *rows,
            "",
        ]
    )
