"""Ports that a server keeps for good."""

import socket
from pathlib import Path

import pytest

from tallystick.core.errors import Unavailable
from tallystick.node import freeport

HOST = "127.0.0.1"


def test_a_taken_port_shifts() -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        assert port < freeport.find(HOST, port) < port + 200


def test_what_is_promised_to_others_is_not_given() -> None:
    port = freeport.find(HOST)
    assert freeport.find(HOST, port, taken={port}) > port


def test_any_port_is_none_of_those_that_outgoing_connections_get() -> None:
    found = {freeport.find(HOST) for _ in range(50)}
    assert len(found) > 1
    assert min(found) >= 20_000
    outgoing = Path("/proc/sys/net/ipv4/ip_local_port_range")
    if outgoing.exists():
        lowest = int(outgoing.read_text().split()[0])
        assert max(found) < max(lowest, 32_768)


def test_a_host_that_is_not_ours_has_none() -> None:
    with pytest.raises(Unavailable, match="no free port at 192"):
        freeport.find("192.0.2.1")
