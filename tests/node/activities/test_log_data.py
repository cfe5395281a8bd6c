"""Lines in the organisation's own log."""

import json
import logging
from pathlib import Path

import pytest

from node.activities.calls import FakeCall
from tallystick.node.activities.failing import ActivityFailed
from tallystick.node.activities.log_data import MAX_LINE, LogActivity
from tallystick.node.activities.settings import LogSettings

DATA = {"amount": "12.50", "user": {"Password": "a!b@c", "api_key": "k", "名": "李"}, "list": [{"accessToken": 1}]}


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def sizes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.iterdir()}


async def test_a_line_says_what_and_where_without_secrets(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    given = {"message": 'order\n{"forged": true}', "level": "warning", "data": DATA}
    made = await LogActivity(LogSettings(), tmp_path)(FakeCall(input=given))
    [line] = lines(tmp_path / "activity.log")
    assert (line["message"], line["level"], line["at"]) == (given["message"], "warning", made["logged_at"])
    assert (line["execution"], line["task"], line["token"]) == ("ab" * 32, "step.1", "t_0123456789abcdef")
    assert line["data"] == {
        "amount": "12.50",
        "user": {"Password": "…", "api_key": "…", "名": "李"},
        "list": [{"accessToken": "…"}],
    }
    assert (tmp_path / "activity.log").stat().st_mode & 0o777 == 0o600
    assert caplog.text == ""  # the log of the process is others' too


async def test_lines_are_cut_and_files_turned_over(tmp_path: Path) -> None:
    log = LogActivity(LogSettings(max_bytes=10_000, files=3), tmp_path)
    await log(FakeCall(input={"message": "x", "data": {"long": "x" * (MAX_LINE + 1)}}))
    [line] = lines(tmp_path / "activity.log")
    assert isinstance(line["cut"], int)
    for _ in range(8):
        await log(FakeCall(input={"message": "x" * 4000}))
    kept = sizes(tmp_path)
    assert set(kept) == {"activity.log", "activity.log.1", "activity.log.2"}
    assert max(kept.values()) <= 10_000
    once = LogActivity(LogSettings(max_bytes=10_000, files=1, file="one.log"), tmp_path)
    for _ in range(4):
        await once(FakeCall(input={"message": "x" * 4000}))
    assert len(lines(tmp_path / "one.log")) == 2
    assert not (tmp_path / "one.log.1").exists()


async def test_faults(tmp_path: Path) -> None:
    with pytest.raises(ActivityFailed, match="level") as failed:
        await LogActivity(LogSettings(), tmp_path)(FakeCall(input={"message": "x", "level": "loud"}))
    assert failed.value.pointer == "/input/level"
    with pytest.raises(ActivityFailed) as failed:
        await LogActivity(LogSettings(file="none/there.log"), tmp_path)(FakeCall(input={"message": "x"}))
    assert (failed.value.code, failed.value.retryable) == ("storage_unavailable", True)
