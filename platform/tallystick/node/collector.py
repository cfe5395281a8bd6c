"""How a process that serves runs: the garbage collector, the turns of threads, what the C library keeps for later.

The collector's defaults look through all that is new after every 700 allocations, and through everything often: a
tenth of what an execution costs, for next to nothing, because the record's objects know nobody who knows them.

A thread that computes gives way to others after five milliseconds by default. A message passes from thread to thread
some six times between two organisations' records, and would wait that long each time.
"""

import asyncio
import contextlib
import ctypes
import gc
import sys

SETTLED_S = 3.0  # after starting
EVERY_S = 60.0
TURN_S = 0.001  # of a thread that computes while another one waits
_NEW = 50_000  # objects, some 10 MB


def relax() -> None:
    """Collect seldom, and never look again at what has been loaded so far; let threads take turns sooner."""
    sys.setswitchinterval(TURN_S)
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW, 20, 50)


async def tend() -> None:
    """Return to the system, now and then, what databases opened for a moment have left in the C library's hands.

    Two hundred tenants that start together take 100 MB which nobody needs again.
    """
    await asyncio.sleep(SETTLED_S)
    gc.collect()
    while True:
        await asyncio.to_thread(_trim)
        await asyncio.sleep(EVERY_S)


def _trim() -> None:
    with contextlib.suppress(OSError, AttributeError):  # other C libraries have no such function
        ctypes.CDLL(None).malloc_trim(0)
