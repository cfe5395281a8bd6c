"""Ports for servers that keep theirs for good.

One that the system hands out for port 0 comes from the range in which it also numbers outgoing connections (RFC 6335
§6: 49152 and up; 32768 and up on Linux): by the server's next start, any client's connection may have taken it.
"""

import os
import random
import socket
from collections.abc import Container

from tallystick.core.errors import Unavailable

_ANY = range(20_000, 32_768)  # in nobody's range of outgoing connections
_TRIES = 200  # a range this full is a machine that needs a person


def find(host: str, port: int = 0, *, taken: Container[int] = ()) -> int:
    """`port`, or the next above it, that is free at `host` now; any for 0. `taken` are promised to others."""
    candidates = range(port, min(port + _TRIES, 65_536)) if port else random.sample(_ANY, _TRIES)
    for candidate in candidates:
        if candidate not in taken and _is_free(host, candidate):
            return candidate
    raise Unavailable(f"no free port at {host} from {port or _ANY.start} on", code="no_port")


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        if os.name == "posix":
            # As the servers do: a port in TIME_WAIT after a restart counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
        return True
