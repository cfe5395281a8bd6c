"""The benchmark between organisations runs and names everything; what it measures is never asserted."""

import json
from pathlib import Path

import pytest

from tallystick.node.cli.bench import main

pytestmark = pytest.mark.timeout(300)
NAMES = {
    "raw.c1.acks_per_s",
    "raw.c50.acks_per_s",
    "full.completions_per_s",
    "full.cpu_ms_per_completion",
    "full.counted_twice",
    "full.ratio_to_raw_c1",
    "half.hop_p50_ms",
    "half.hop_p99_ms",
    "restart.flowing_s",
    "blackhole.flowing_s",
    "partners.ratio",
    "past.ratio",
    "agree",
}


def test_the_quick_run_gives_every_figure(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["exchange", "--quick", "--json", "--folder", str(tmp_path)]) == 0
    result = json.loads(capfd.readouterr().out)
    assert set(result) == {"bench", "command", "commit", "machine", "figures"}
    figures = result["figures"]
    assert set(figures) >= NAMES
    assert figures["full.completions_per_s"] > 0
    # Whatever it measures, what it counts is right.
    assert (figures["full.counted_twice"], figures["agree"]) == (0, 1)
