"""`make mutate-contracts`: plant each fault of `planted.py` and run forge's tests; fails when one fault goes unnoticed.

Works on a copy below `.cache`, where the compiler's wrapper still finds its package, and with few fuzzing runs; what
these do not notice, more runs may. `python -m contracts.mutate 31` begins with the 31st fault.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from contracts.planted import FAULTS, Fault

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / ".cache" / "mutants"
FORGE = ROOT / "node_modules" / ".bin" / "forge"
SKIP = "GasTest|Proof"
FEW = {"FOUNDRY_FUZZ_RUNS": "16", "FOUNDRY_INVARIANT_RUNS": "2"}
MORE = {"FOUNDRY_FUZZ_RUNS": "64", "FOUNDRY_INVARIANT_RUNS": "8"}
LIMIT_S = 900


def main(first: int = 1) -> int:
    """Try all from the `first` on; the exit code is 1 when one survives."""
    shutil.rmtree(WORK / "contracts", ignore_errors=True)
    shutil.copytree(ROOT / "contracts", WORK / "contracts")
    passed, output = tests(MORE)
    if not passed:
        say(output)
        say("the tests fail without any fault")
        return 1
    begun, survivors = time.monotonic(), []
    for number, fault in list(enumerate(FAULTS, 1))[first - 1 :]:
        caught = plant(fault)
        say(f"{number:3}/{len(FAULTS)} {fault.file:17} {caught or 'SURVIVES':60} {fault.old[:60]!r}")
        survivors += [] if caught else [fault]
    tried = len(FAULTS) - first + 1
    say(f"{tried - len(survivors)} of {tried} faults caught in {time.monotonic() - begun:.0f} s")
    return 1 if survivors else 0


def plant(fault: Fault) -> str:
    """Run the tests with one fault; the first test that fails, or nothing when none does."""
    path = WORK / "contracts" / f"{fault.file}.sol"
    sound = path.read_text(encoding="utf-8")
    if fault.old not in sound:
        raise SystemExit(f"{fault.file}.sol has no {fault.old!r}: change planted.py with it")
    try:
        path.write_text(sound.replace(fault.old, fault.new, 1), encoding="utf-8")
        passed, output = tests(FEW)
        if passed:
            passed, output = tests(MORE)
    finally:
        path.write_text(sound, encoding="utf-8")
    if "Compiler run failed" in output:
        raise SystemExit(f"the fault does not compile: {fault}\n{output}")
    found = re.search(r"^\[FAIL.*?\] (\w+)", output, re.MULTILINE)
    if not passed and not found:
        raise SystemExit(f"forge fails without a failing test:\n{output}")
    return found.group(1) if found else ""


def tests(runs: dict[str, str]) -> tuple[bool, str]:
    """Whether forge's tests pass, and what it said."""
    env = {**os.environ, **runs, "PATH": f"{FORGE.parent}{os.pathsep}{os.environ['PATH']}"}
    command: list[str | Path] = [FORGE, "test", "--no-match-contract", SKIP, "--fail-fast", "--color", "never"]
    done = subprocess.run(
        command, cwd=WORK / "contracts", env=env, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    return done.returncode == 0, done.stdout + done.stderr


def say(text: str) -> None:
    """One line for who watches."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:2])))
