"""forge runs over the contracts, and what transactions cost: the figures in `contracts/test/Gas.json` still hold."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.processes import ROOT, tool

CONTRACTS = ROOT / "contracts"
GAS = CONTRACTS / "test" / "Gas.json"
MINUTES = 20  # compiling takes most of it, on a machine that does other things too
# Gas of a transaction, base cost and call data included: figure in Gas.json, what it is shared among, aim.
AIMS = {
    "anchor of 256 executions at 10^6 leaves": (256, 300),
    "anchor of 4096 executions at 10^6 leaves": (4096, 20),
    "anchor of 4096 executions at 10^6 leaves, five signers": (4096, 26),
}

pytestmark = pytest.mark.timeout(MINUTES * 60)


def forge(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run forge in the contracts' folder; the compiler's wrapper needs node, which set-up links beside it."""
    path = f"{tool('forge').parent}{os.pathsep}{os.environ['PATH']}"
    command: list[str | Path] = [tool("forge"), *words]
    full = {**os.environ, **env, "PATH": path}
    return subprocess.run(
        command, cwd=CONTRACTS, env=full, capture_output=True, text=True, timeout=MINUTES * 60, check=False
    )


@pytest.fixture(autouse=True, scope="module")
def built() -> None:
    """Compile everything at once: each `forge test` with a filter would compile only, and again, what that needs."""
    done = forge("build")
    assert done.returncode == 0, done.stderr


def test_every_forge_test_passes() -> None:
    done = forge("test", "--json", "--no-match-contract", "GasTest|Proof")
    suites: dict[str, dict[str, Any]] = json.loads(done.stdout[done.stdout.index("{") :])
    results = {
        f"{suite} {name}": result for suite, one in suites.items() for name, result in one["test_results"].items()
    }
    failed = {name: result.get("reason") for name, result in results.items() if result["status"] != "Success"}
    assert not failed
    assert done.returncode == 0, done.stderr
    kinds = {next(iter(result["kind"])) for result in results.values()}
    assert kinds == {"Unit", "Fuzz", "Invariant"}
    sources = [path.read_text(encoding="utf-8") for path in (CONTRACTS / "test").glob("*.t.sol")]
    assert len(results) > len(sources) * 3


def test_transactions_cost_what_they_did(tmp_path: Path) -> None:
    """A difference is either a fault or an improvement: then run the command in the message and commit the file."""
    done = forge("test", "--isolate", "--match-contract", "GasTest", FORGE_SNAPSHOT_CHECK="true")
    assert done.returncode == 0, f"{done.stdout}\n(cd contracts && forge test --isolate --match-contract GasTest)"


def test_a_changed_cost_fails(tmp_path: Path) -> None:
    figures = json.loads(GAS.read_text(encoding="utf-8"))
    (tmp_path / "Gas.json").write_text(json.dumps({**figures, "startExecution": "1"}))
    done = forge(
        *("test", "--isolate", "--match-test", "test_direct"),
        FORGE_SNAPSHOT_CHECK="true",
        FOUNDRY_SNAPSHOTS=str(tmp_path),
    )
    assert done.returncode != 0
    assert "startExecution" in done.stdout + done.stderr


def test_costs_are_within_their_aims() -> None:
    gas = {name: int(value) for name, value in json.loads(GAS.read_text(encoding="utf-8")).items()}
    assert all(gas[name] / shared <= aim for name, (shared, aim) in AIMS.items())
    assert max(gas[name] for name in AIMS if "five" not in name) <= 80_000
    assert gas["startExecution"] + gas["completeExecution"] <= 85_000


def test_the_sources_are_formatted() -> None:
    done = forge("fmt", "--check")
    assert done.returncode == 0, done.stdout
