"""Ports that a server keeps for good: partners hold the leafnode port in their configuration."""

import os
import socket
from pathlib import Path

import msgspec

from tallystick.core.errors import Unavailable
from tallystick.node.links.config import Ports

_SHIFTS = 100  # a port range this full is a machine that needs a person


def choose(path: Path, *, leaf_host: str, wanted: Ports) -> Ports:
    """Return ports that are free now: those kept in ``path``, else those wanted (0: any), shifted past taken ones.

    The choice is written to ``path``.
    """
    kept = _kept(path) or wanted
    leaf = _free(leaf_host, kept.leaf or wanted.leaf, avoid=0)
    client = _free("127.0.0.1", kept.client or wanted.client, avoid=leaf)
    chosen = Ports(client=client, leaf=leaf)
    if chosen != kept or not path.exists():
        replacement = path.with_suffix(".new")
        replacement.write_bytes(msgspec.json.encode(chosen))
        replacement.replace(path)
    return chosen


def _kept(path: Path) -> Ports | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Ports)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


def _free(host: str, port: int, *, avoid: int) -> int:
    candidates = range(port, min(port + _SHIFTS, 65_536)) if port else [0] * 10
    for candidate in candidates:
        found = _bind(host, candidate)
        if found and found != avoid:
            return found
    raise Unavailable(f"no free port at {host} from {port} on", code="ports")


def _bind(host: str, port: int) -> int | None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        if os.name == "posix":
            # As the server does: a port in TIME_WAIT after a restart counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return None
        return int(probe.getsockname()[1])
