"""Servers are started, found again and ended by id."""

import os
import sys
from functools import partial
from pathlib import Path

import pytest

from tallystick.core.errors import Unavailable
from tallystick.node.client import until
from tallystick.node.demo.processes import Running, born, spawn

SERVE = "import time; print('ready at 7', flush=True); time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
PARENT = (
    "import subprocess, sys, time; child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
    "print('ready', child.pid, flush=True); time.sleep(60)"
)


def _command(code: str) -> list[str]:
    return [sys.executable, "-c", code]


async def test_a_server_is_ready_when_it_says_so_and_gone_when_stopped(tmp_path: Path) -> None:
    spawned = spawn("server", _command(SERVE), log=tmp_path / "server.log")
    assert (await spawned.ready_line(r"^ready at (\d+)$"))[1] == "7"
    assert spawned.running.alive
    await spawned.running.stop()
    assert not spawned.running.alive
    await spawned.running.stop()  # stopping twice is harmless


async def test_only_this_runs_words_count_as_readiness(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text("ready at 5\n")
    spawned = spawn("server", _command(SERVE), log=log)
    assert (await spawned.ready_line(r"^ready at (\d+)$"))[1] == "7"
    await spawned.running.stop()


async def test_a_server_that_fails_is_reported_with_its_last_words(tmp_path: Path) -> None:
    spawned = spawn("server", _command("print('no disk'); raise SystemExit(1)"), log=tmp_path / "server.log")
    with pytest.raises(Unavailable, match=r"(?s)server ended before it was ready.*no disk"):
        await spawned.ready_line("^ready")


async def test_what_a_killed_server_started_goes_with_its_group(tmp_path: Path) -> None:
    spawned = spawn("server", _command(PARENT), log=tmp_path / "server.log")
    child = int((await spawned.ready_line(r"ready (\d+)"))[1])
    await spawned.running.kill()
    assert born(child)
    await spawned.running.stop()
    await until("the child's end", partial(_ended, child), within=5)


async def _ended(pid: int) -> bool | None:
    return None if born(pid) else True


async def test_a_stubborn_server_is_ended_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tallystick.node.demo.processes.STOP_IN", 0.2)
    spawned = spawn("server", _command(STUBBORN), log=tmp_path / "server.log")
    await spawned.ready_line("ready")
    await spawned.running.stop()
    assert not spawned.running.alive


async def test_a_process_id_that_was_used_again_is_a_stranger() -> None:
    stranger = Running(name="server", pid=os.getpid(), since="long ago")
    assert not stranger.alive
