"""Ports that a server keeps for good: partners hold the leafnode port in their configuration."""

from pathlib import Path

import msgspec

from tallystick.node import freeport
from tallystick.node.links.config import Ports


def choose(path: Path, *, leaf_host: str, wanted: Ports) -> Ports:
    """Return ports that are free now: those kept in ``path``, else those wanted (0: any), shifted past taken ones.

    The choice is written to ``path``.
    """
    kept = _kept(path) or wanted
    leaf = freeport.find(leaf_host, kept.leaf or wanted.leaf)
    client = freeport.find("127.0.0.1", kept.client or wanted.client, taken={leaf})
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
