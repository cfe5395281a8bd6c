"""How long something has waited, by a clock that nobody turns."""

import time
from collections.abc import Callable

MAX_KNOWN = 10_000  # more than is ever under way; the oldest are forgotten first


def ticks() -> int:
    """Milliseconds of the system's monotonic clock."""
    return time.monotonic_ns() // 1_000_000


class Patience:
    """The wall clock is asked once, for what began before this process did; from then on ``ticks`` counts.

    A clock that is turned by days while we run therefore neither hurries nor delays anything.
    """

    def __init__(self, clock: Callable[[], int], ticks: Callable[[], int] = ticks) -> None:
        self._clock = clock
        self._ticks = ticks
        self._first: dict[str, tuple[int, int]] = {}

    def waited(self, key: str, since: int | None = None) -> int:
        """Milliseconds since ``key`` was first asked about, and before that since ``since`` by the wall clock."""
        if key not in self._first:
            if len(self._first) >= MAX_KNOWN:
                del self._first[next(iter(self._first))]
            before = 0 if since is None else max(0, self._clock() - since)
            self._first[key] = (self._ticks(), before)
        first, before = self._first[key]
        return before + self._ticks() - first

    def begin(self, key: str) -> None:
        """It begins to wait now, whatever the wall clock says when it is asked about."""
        self.over(key)
        self.waited(key)

    def over(self, key: str) -> None:
        """It waits no longer; asked about again, it begins anew."""
        self._first.pop(key, None)
