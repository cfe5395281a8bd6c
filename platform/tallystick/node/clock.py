"""The node's clock: the machine's, except where that jumps.

Deadlines of partners hang on the coordinator's clock. A machine whose time is set two days ahead, by hand or by a bad
time server, must not let them pass; one set back must not put timers off. So time goes on at the pace of the
monotonic clock, and small differences to the wall clock are made up slowly. A jump is kept out and told, until the
wall clock comes back, an administrator says that it is right, or the node is restarted.

A start has no time of its own to go by, only the mark that the node left: the newest time that it wrote or that a
partner signed. A machine that is behind it is wrong, or was wrong before; until it agrees, or an administrator says so,
time goes on from the mark and the node is in doubt: it says nothing that carries a time.
"""

import logging
import threading
import time
from collections.abc import Callable

import msgspec

from tallystick.core.errors import Unavailable

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


class Doubt(msgspec.Struct, frozen=True):
    """The machine's clock is ``behind_ms`` behind what the node, or a partner before it, signed at ``mark``."""

    behind_ms: int
    mark: int


class ClockInDoubt(Unavailable):
    """The node does not know what time it is (``doubt``), so it signs and sequences nothing."""

    default_code = "clock_in_doubt"

    def __init__(self, doubt: Doubt) -> None:
        super().__init__(
            f"this machine's clock is {doubt.behind_ms // 1000} s behind what was signed before; "
            "an administrator has to set it right, or say that it is"
        )
        self.doubt = doubt


class SteadyClock:
    """Call it for the time in milliseconds since 1970 (UTC). It begins where the machine's is, or at a later mark.

    It never goes back, unless an administrator says so.
    """

    def __init__(self, *, wall: Clock = wall_ms, elapsed: Clock = elapsed_ms) -> None:
        self._wall = wall
        self._elapsed = elapsed
        self._lock = threading.Lock()
        self._mark = elapsed()
        self._now = wall()
        self.jump: Jump | None = None
        self.doubt: Doubt | None = None
        self._compare()

    def begin(self, mark: int) -> None:
        """Go on from ``mark``, the newest time that is known to have been; what the machine has may be before it."""
        with self._lock:
            wall = self._wall()
            self._now = max(self._now, mark)
            if wall < mark - JUMP_MS:
                self.doubt = Doubt(mark - wall, mark)
                logger.error("the machine's clock is %d s behind what was signed before", (mark - wall) // 1000)
            else:
                self._compare()

    def accept(self) -> None:
        """Whoever may has said that the machine's clock is right."""
        with self._lock:
            self._now, self.jump, self.doubt = self._wall(), None, None
            logger.warning("an administrator says that the machine's clock is right")

    def check(self) -> None:
        """Raise :class:`ClockInDoubt` while what this clock says is no time to sign."""
        if self.doubt is not None:
            self()  # an idle node has not looked at the machine's for a while
        doubt = self.doubt
        if doubt is not None:
            raise ClockInDoubt(doubt)

    def __call__(self) -> int:
        """The time now."""
        with self._lock:
            mark = self._elapsed()
            passed, self._mark = max(mark - self._mark, 0), mark
            self._now += passed
            if self.doubt is not None:
                self._reconsider(self.doubt)
            else:
                self._compare()
            if self.jump is None and self.doubt is None:
                self._approach(passed)
            return self._now

    def _reconsider(self, doubt: Doubt) -> None:
        """Nothing was signed meanwhile, so a machine that has come to the mark is followed at once."""
        wall = self._wall()
        if wall < self._now - JUMP_MS:
            self.doubt = Doubt(doubt.mark - wall, doubt.mark)
            return
        self.doubt, self._now = None, max(self._now, wall)
        logger.warning("the machine's clock agrees with what was signed before; work goes on")

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
