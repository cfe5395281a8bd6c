"""`tally bench`: measure this machine, and print one object that says what was measured, where and on what."""

import argparse
import asyncio
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tallystick.node import collector
from tallystick.node.bench import engine, exchange, ledger, peers, report

# minutes, and gigabytes of disk, of the whole run
_NEEDS = {
    "engine": (engine.MINUTES, 40),
    "exchange": (exchange.MINUTES, 8),
    "ledger": (ledger.MINUTES, 0),
    "peers": (peers.MINUTES, 1),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; figures go to stdout, progress to stderr."""
    options = _parser().parse_args(argv)
    if options.what == "report":
        for part in ("platform", "ledger"):
            count = report.write(Path(part, "benchmarks"), Path(part, "BENCHMARKS.md"))
            print(f"{part}/BENCHMARKS.md shows {count} results")
        return 0
    size = engine.QUICK if options.quick else engine.FULL
    minutes, gigabytes = _NEEDS[options.what]
    took = "about twenty seconds" if options.quick else f"about {minutes} minutes"
    print(f"tally bench {options.what}: {took}; databases of up to {gigabytes} GB in {options.folder}", file=sys.stderr)
    begun = time.monotonic()
    measured = {"commit": _commit(), "machine": _machine()}  # as they were before

    def tell(text: str) -> None:
        print(f"[{time.monotonic() - begun:6.1f} s] {text}", file=sys.stderr, flush=True)

    collector.relax()  # as a node does
    if options.what == "engine":
        figures = asyncio.run(engine.measure(size, options.folder, tell, options.part))
    elif options.what == "exchange":
        between = exchange.QUICK if options.quick else exchange.FULL
        figures = asyncio.run(exchange.measure(between, options.folder, tell))
    elif options.what == "ledger":
        figures = asyncio.run(ledger.measure(ledger.QUICK if options.quick else ledger.FULL, tell))
    else:
        figures = asyncio.run(peers.measure(size, options.folder, tell))
    result = {
        "bench": options.what,
        "command": " ".join(["tally bench", options.what, *_given(options), "--json"]),
        **measured,
        "figures": {name: round(value, 3) for name, value in figures.items()},
    }
    if options.json:
        print(msgspec.json.encode(result).decode())
    else:
        for name, value in figures.items():
            print(f"{name:44}{value:14,.3f}")
    return 0


def _given(options: argparse.Namespace) -> list[str]:
    return [*(["--quick"] if options.quick else []), *(f"--part {name}" for name in options.part)]


def _commit() -> str:
    words = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _machine() -> dict[str, str | int | float]:
    info = Path("/proc/cpuinfo")
    names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": os.cpu_count() or 0,
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tally bench", description=__doc__)
    parser.add_argument(
        "what",
        choices=["engine", "exchange", "ledger", "peers", "report"],
        help="what to measure; or write BENCHMARKS.md",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--quick", action="store_true", help="a little of everything, to see that it runs")
    parser.add_argument(
        "--part",
        action="append",
        default=[],
        choices=list(engine.PARTS),
        help="of engine: this one only; again for more",
    )
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where the databases lie")
    return parser
