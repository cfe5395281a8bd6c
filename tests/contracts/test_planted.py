"""The list of faults keeps up with the contracts: each has its place, and changes something."""

from __future__ import annotations

from contracts.planted import FAULTS
from support.processes import ROOT


def test_each_fault_has_its_place() -> None:
    sources = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "contracts").glob("*.sol")}
    assert [fault for fault in FAULTS if fault.old not in sources[fault.file] or fault.old == fault.new] == []
    assert len(set(FAULTS)) == len(FAULTS)
