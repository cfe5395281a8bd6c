"""Ports of the servers that tests start, which keep theirs while they are down.

Whoever looks for a free port meanwhile would take it; everything else looks from 20,000 on (`freeport`). Each worker
has a thousand below of its own, and gives each of them once before it begins again.
"""

import os
import random
from itertools import count

from tallystick.node import freeport

FIRST, SHARE, WORKERS = 10_000, 1_000, 10
_next = count(random.randrange(SHARE))  # noqa: S311 - beside another run, elsewhere


def promised() -> int:
    """A port that is free, and that nobody else is told of."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
    while True:
        port = FIRST + worker * SHARE + next(_next) % SHARE
        if freeport.find("127.0.0.1", port) == port:
            return port
