"""How often nodes compare what they hold: soon after something fell silent, then less and less often.

Whatever has been quiet for ``quiet_ms`` is asked about, and again each time that its silence has doubled, but not less
than every ``seldom_ms``. So what moves costs nothing, and what sleeps for weeks next to nothing.
"""

from typing import Annotated

import msgspec


class Pace(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """In milliseconds; ``link_ms`` lies at least between two comparisons because a link to a partner came up."""

    quiet_ms: Annotated[int, msgspec.Meta(ge=100, le=86_400_000)] = 60_000
    seldom_ms: Annotated[int, msgspec.Meta(ge=1_000, le=604_800_000)] = 3_600_000
    link_ms: Annotated[int, msgspec.Meta(ge=0, le=3_600_000)] = 30_000

    def __post_init__(self) -> None:
        """Refuse what begins more slowly than it ends."""
        if self.seldom_ms < self.quiet_ms:
            raise ValueError("pace.seldom_ms is less than pace.quiet_ms")

    def steps(self, silent_ms: int) -> int:
        """How many times something that is silent for so long has been due."""
        if silent_ms < self.quiet_ms:
            return 0
        doubled = (min(silent_ms, self.seldom_ms - 1) // self.quiet_ms).bit_length()
        return doubled + silent_ms // self.seldom_ms

    def next(self, silent_ms: int) -> int:
        """The shortest silence, in milliseconds, that is longer and makes it due once more."""
        if silent_ms < self.quiet_ms:
            return self.quiet_ms
        seldom: int = (silent_ms // self.seldom_ms + 1) * self.seldom_ms
        doubled: int = self.quiet_ms << (silent_ms // self.quiet_ms).bit_length()
        return doubled if doubled < self.seldom_ms else seldom
