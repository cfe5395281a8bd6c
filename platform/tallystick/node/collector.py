"""Python's cyclic garbage collector, set for a process that holds much and makes few cycles.

Its defaults look through all that is new after every 700 allocations, and through everything often: a tenth of what an
execution costs, for next to nothing, because the record's objects know nobody who knows them.
"""

import gc

_NEW = 50_000  # objects, some 10 MB


def relax() -> None:
    """Collect seldom, and never look again at what has been loaded so far; for a process that serves."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW, 20, 50)
