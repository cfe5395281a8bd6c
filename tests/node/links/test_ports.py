"""Ports that stay."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tallystick.core.errors import Unavailable
from tallystick.node.links.config import Files, Ports
from tallystick.node.links.ports import choose
from tallystick.node.links.server import Server

_ANY = Ports(client=0, leaf=0)


def listening(port: int = 0) -> socket.socket:
    taken = socket.socket()
    taken.bind(("127.0.0.1", port))
    taken.listen(1)
    return taken


def test_chosen_once_kept_for_good(tmp_path: Path) -> None:
    path = tmp_path / "ports.json"
    chosen = choose(path, leaf_host="127.0.0.1", wanted=_ANY)
    assert 0 not in {chosen.client, chosen.leaf}
    assert chosen.client != chosen.leaf
    assert choose(path, leaf_host="127.0.0.1", wanted=_ANY) == chosen


def test_a_taken_port_shifts_alone(tmp_path: Path) -> None:
    path = tmp_path / "ports.json"
    chosen = choose(path, leaf_host="127.0.0.1", wanted=_ANY)
    with listening(chosen.leaf):
        shifted = choose(path, leaf_host="127.0.0.1", wanted=_ANY)
    assert shifted.leaf > chosen.leaf
    assert shifted.client == chosen.client
    assert choose(path, leaf_host="127.0.0.1", wanted=_ANY) == shifted


def test_wanted_ports_are_taken_when_free(tmp_path: Path) -> None:
    with listening() as one, listening() as two:
        wanted = Ports(client=one.getsockname()[1], leaf=two.getsockname()[1])
    assert choose(tmp_path / "ports.json", leaf_host="127.0.0.1", wanted=wanted) == wanted


@pytest.mark.parametrize("text", ["", "{}", '{"client":"x","leaf":1}', "\0"])
def test_a_damaged_file_is_chosen_anew(tmp_path: Path, text: str) -> None:
    path = tmp_path / "ports.json"
    path.write_text(text)
    chosen = choose(path, leaf_host="127.0.0.1", wanted=_ANY)
    assert choose(path, leaf_host="127.0.0.1", wanted=_ANY) == chosen


def test_a_host_that_is_not_ours_has_no_free_port(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        choose(tmp_path / "ports.json", leaf_host="192.0.2.1", wanted=_ANY)


def test_whoever_asks_first_all_hear_of_the_same_ports(tmp_path: Path) -> None:
    """Cards are made in several threads at once; a port that only one of them names leads nowhere."""
    server = Server(files=Files(folder=tmp_path), leaf_host="127.0.0.1", wanted=_ANY)
    gate = threading.Barrier(8)

    def ask(_: int) -> Ports:
        gate.wait()
        return server.ports

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(8)))) == 1
