"""Servers that tests start are real, say when they are ready, and end with the test."""

import sys

import pytest

from support.processes import Anvil, NotReady, Processes, start_anvil

TALKS = "import sys, time; print('ready on 7 轴承', flush=True); time.sleep(60)"


def test_a_server_is_ready_when_it_says_so_and_ends_with_the_block() -> None:
    with Processes() as processes:
        server = processes.start("talker", [sys.executable, "-c", TALKS])
        assert server.wait_for(r"ready on (\d+)")[1] == "7"
        assert server.process.poll() is None
    assert server.process.poll() is not None


def test_a_server_that_ends_first_is_quoted(processes: Processes) -> None:
    server = processes.start("quitter", [sys.executable, "-c", "print('port is taken')"])
    with pytest.raises(NotReady, match="quitter did not become ready") as caught:
        server.wait_for("ready")
    assert caught.value.log == "port is taken\n"


def test_a_server_that_stays_silent_is_not_waited_for_without_end(processes: Processes) -> None:
    server = processes.start("talker", [sys.executable, "-c", TALKS])
    with pytest.raises(NotReady):
        server.wait_for("never", seconds=0.2)


def test_a_server_that_ignores_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("support.processes.STOP_SECONDS", 0.5)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    with Processes() as processes:
        server = processes.start("deaf", [sys.executable, "-c", deaf])
        server.wait_for("up")
    assert server.process.returncode == -9


def test_anvil_starts_on_a_port_of_its_own_and_dies_at_once(processes: Processes, anvil: Anvil) -> None:
    other = start_anvil(processes)
    assert anvil.port != other.port
    other.server.kill()
    assert other.server.process.returncode == -9
    assert anvil.server.process.poll() is None
