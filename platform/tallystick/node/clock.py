"""The node's clock: the machine's, except where that jumps.

Deadlines of partners hang on the coordinator's clock. A machine whose time is set two days ahead, by hand or by a bad
time server, must not let them pass; one set back must not put timers off. So time goes on at the pace of the
monotonic clock, and small differences to the wall clock are made up slowly. A jump is kept out and told, until the
wall clock comes back or the node is restarted.
"""

import logging
import threading
import time
from collections.abc import Callable

import msgspec

logger = logging.getLogger(__name__)
Clock = Callable[[], int]
# Time servers correct by milliseconds to seconds; agreements allow a skew of five minutes, of which this is a fifth.
JUMP_MS = 60_000
_PACE = 20  # at most one millisecond in twenty is made up, so time never stands still or doubles


def wall_ms() -> int:
    """Milliseconds since 1970 (UTC), as the machine has it."""
    return time.time_ns() // 1_000_000


def elapsed_ms() -> int:
    """Milliseconds that go on through sleep and that nobody can set."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return (time.clock_gettime_ns(clock) if clock is not None else time.monotonic_ns()) // 1_000_000


class Jump(msgspec.Struct, frozen=True):
    """The wall clock is ``by_ms`` ahead of the node's (behind, when negative), noticed at ``since`` (node's time)."""

    by_ms: int
    since: int


class SteadyClock:
    """Call it for the time in milliseconds since 1970 (UTC); it never goes back. It begins where the machine's is."""

    def __init__(self, *, wall: Clock = wall_ms, elapsed: Clock = elapsed_ms) -> None:
        self._wall = wall
        self._elapsed = elapsed
        self._lock = threading.Lock()
        self._mark = elapsed()
        self._now = wall()
        self.jump: Jump | None = None
        self._compare()

    def __call__(self) -> int:
        """The time now."""
        with self._lock:
            mark = self._elapsed()
            passed, self._mark = max(mark - self._mark, 0), mark
            self._now += passed
            self._compare()
            if self.jump is None:
                self._approach(passed)
            return self._now

    def _approach(self, passed: int) -> None:
        """Make up a small difference at a bounded pace; less than ``passed`` backwards, so that time goes on."""
        difference = self._wall() - self._now
        most = passed // _PACE
        self._now += max(-most, min(difference, most))

    def _compare(self) -> None:
        difference = self._wall() - self._now
        if abs(difference) <= JUMP_MS:
            if self.jump is not None:
                logger.warning("the machine's clock is right again")
            self.jump = None
        elif self.jump is None:
            self.jump = Jump(difference, self._now)
            logger.error("the machine's clock jumped by %d s; the node keeps its own time", difference // 1000)
        else:
            self.jump = Jump(difference, self.jump.since)
