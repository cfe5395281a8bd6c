"""`tally bench ledger`: its figures are there, and what gas costs is within the aims whatever else the machine does."""

from __future__ import annotations

import pytest

from tallystick.node.bench import ledger

AIMS = {
    "batch256.gas_per_execution": 300,
    "batch4096.gas_per_execution": 20,
    "batch4096x5.gas_per_execution": 26,
    "anchor.gas": 80_000,
    "verify.gas": 50_000,
    "direct.gas": 85_000,
}


@pytest.mark.timeout(600)
async def test_a_small_run_gives_every_figure() -> None:
    told: list[str] = []
    figures = await ledger.measure(ledger.Size(log=1_000, batches=1, naive=1, pipelined=3), told.append)
    assert {name: figures[name] for name in AIMS if figures[name] > AIMS[name]} == {}
    assert figures["batch256.gas_per_execution"] < figures["pin256.gas_per_execution"]
    assert figures["direct.gas"] < figures["stored.gas_per_execution"]
    assert {"naive.executions_per_s", "ratio.batch256", "ratio.pipelined"} < figures.keys()
    assert told
