"""The committed artifacts are what the sources compile to, and the storage is laid out as proofs expect."""

from pathlib import Path

import pytest

from tallystick.ledger import artifact, compile
from tallystick.ledger.proofs import ANCHORS_SLOT


def test_the_committed_artifacts_are_what_the_sources_give() -> None:
    assert compile.main(["--check"]) == 0


def test_a_stale_artifact_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    stale = {Path(__file__): b"something else"}
    monkeypatch.setattr(compile, "render", lambda: stale)
    assert compile.main(["--check"]) == 1
    assert capsys.readouterr().out == f"{Path(__file__).name} differs from its source\n"


def test_a_warning_of_the_compiler_is_a_failure() -> None:
    with pytest.raises(compile.CompilationFailed, match="Unused local variable"):
        compile.compile_sources({"A.sol": _WARNED})


def test_the_slots_that_proofs_name_are_the_contracts() -> None:
    storage = artifact.load("ExecutionLedger").storage
    keys = {"_admins": 0, "_pendingAdmins": 1, "_windows": 2}
    assert storage == {**keys, "_logs": 3, "_anchors": ANCHORS_SLOT, "_executions": 5, "_taints": 6}


@pytest.mark.parametrize("name", artifact.NAMES)
def test_contracts_have_no_way_to_change_or_end(name: str) -> None:
    """Neither proxy nor self-destruction: the code has no DELEGATECALL, CALLCODE or SELFDESTRUCT."""
    assert not _opcodes(artifact.load(name).code()) & {0xF2, 0xF4, 0xFF}


def _opcodes(code: bytes) -> set[int]:
    found, at = set(), 0
    end = len(code) - int.from_bytes(code[-2:], "big") - 2  # the compiler's metadata is no code
    while at < end:
        # Where INVALID stands, data follows.
        if code[at] == 0xFE:
            break
        found.add(code[at])
        at += 1 + max(0, code[at] - 0x5F) if code[at] <= 0x7F else 1
    return found


_WARNED = """// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;
contract A { function f() external pure { uint256 unused; } }
"""
