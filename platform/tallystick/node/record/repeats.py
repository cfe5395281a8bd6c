"""How many entries a partner may have sent again: to ask costs it nothing, to answer a signature and a query each."""

from collections import defaultdict

AT_ONCE = 4_000  # entries of a partner after it has asked for none for a while: below a second of the writer's time
EACH_SECOND = 500


class Repeats:
    """The shares of all partners, in memory (a token bucket each); times are in milliseconds since 1970."""

    def __init__(self) -> None:
        self._left: defaultdict[str, float] = defaultdict(lambda: float(AT_ONCE))
        self._at: dict[str, int] = {}

    def left(self, partner: str, now: int) -> int:
        """How many may be sent now; none below 1."""
        passed = max(0, now - self._at.get(partner, now)) / 1000
        self._at[partner] = now
        self._left[partner] = min(AT_ONCE, self._left[partner] + passed * EACH_SECOND)
        return int(self._left[partner])

    def sent(self, partner: str, number: int) -> None:
        """So many were, which may be more than were left: they are made up for before others are."""
        self._left[partner] -= number
