"""`make prove-contracts`: halmos over the Merkle verifiers, for all inputs up to a size, then over faults in them.

Works on a copy below `.cache` that holds what the proofs need and no more: halmos has forge compile all there is.
Fails when a property does not hold for the contracts as they are, or when a fault is not found.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from contracts.planted import MERKLE

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / ".cache" / "prove" / "contracts"
FORGE = ROOT / "node_modules" / ".bin"
HALMOS = ROOT / ".cache" / "contracts" / "bin" / "halmos"
SOURCES = (
    "Merkle.sol",
    "foundry.toml",
    "solc.js",
    "test/MerkleHarness.sol",
    "test/Reference.sol",
    "test/MerkleProof.t.sol",
)
# A tree of 8 leaves has 4 levels; no loop takes twelve rounds. The solver has 60,000 ms for an answer.
OPTIONS = ("--loop", "12", "--default-array-lengths", "0,1,2,3,4", "--solver-timeout-assertion", "60000")
LIMIT_S = 900
RESULT = re.compile(r"\[(PASS|FAIL|ERROR|TIMEOUT)\]\S* (\w+)")


def main() -> int:
    """Prove and disprove; the exit code is 1 when anything is otherwise than it should be."""
    begun = time.monotonic()
    lay_out()
    results = prove()
    for name, result in results.items():
        say(f"{result:8} {name}")
    good = len(results) == 4 and set(results.values()) == {"PASS"}
    source = WORK / "Merkle.sol"
    sound = source.read_text(encoding="utf-8")
    for number, fault in enumerate(MERKLE, 1):
        if fault.old not in sound:
            raise SystemExit(f"Merkle.sol has no {fault.old!r}: change planted.py with it")
        source.write_text(sound.replace(fault.old, fault.new, 1), encoding="utf-8")
        found = [name for name, result in prove().items() if result == "FAIL"]
        say(f"{number:3}/{len(MERKLE)} {', '.join(found) or 'NOT FOUND':60} {fault.old[:60]!r}")
        good = good and bool(found)
    say(f"{'all is as it should be' if good else 'NOT as it should be'}, after {time.monotonic() - begun:.0f} s")
    return 0 if good else 1


def lay_out() -> None:
    """Copy the sources anew."""
    shutil.rmtree(WORK, ignore_errors=True)
    for name in SOURCES:
        (WORK / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / "contracts" / name, WORK / name)


def prove() -> dict[str, str]:
    """What halmos says of each property."""
    paths = (str(FORGE), str(HALMOS.parent), os.environ["PATH"])
    env = {**os.environ, "PATH": os.pathsep.join(paths), "FOUNDRY_OUT": "out", "FOUNDRY_CACHE_PATH": "cache"}
    command: list[str | Path] = [HALMOS, "--root", WORK, "--contract", "MerkleProof", "--no-status", *OPTIONS]
    done = subprocess.run(command, cwd=WORK, env=env, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    results = {name: result for result, name in RESULT.findall(re.sub(r"\x1b\[\d+m", "", done.stdout))}
    if not results:
        raise SystemExit(f"halmos says nothing of any property:\n{done.stdout}{done.stderr}")
    return results


def say(text: str) -> None:
    """One line for who watches."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
