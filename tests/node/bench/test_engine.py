"""The benchmark runs and names everything; what it measures is never asserted."""

import json
from pathlib import Path

import pytest

from tallystick.node.cli.bench import main

NAMES = {
    "sqlite.c1.executions_per_s",
    "sqlite.c1.p99_ms",
    "sqlite.c50.executions_per_s",
    "postgres.c1.executions_per_s",
    "postgres.c50.executions_per_s",
    "replay.entries_per_s",
    "replay.verified_entries_per_s",
    "history.ratio_1e5_to_10",
    "stored.ratio_1e6_to_1e3",
    "start.open_1e5_s",
    "tenants200.rss_mb",
}


def test_the_quick_run_gives_every_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["engine", "--quick", "--json", "--folder", str(tmp_path)]) == 0
    result = json.loads(capsys.readouterr().out)
    assert set(result) == {"bench", "command", "commit", "machine", "figures"}
    assert set(result["figures"]) >= NAMES
