"""What may be spent on a chain in a period: counted before anything is signed, told from a threshold on.

Periods are fixed: they begin at multiples of their length since 1970 (UTC). What is signed and not mined counts with
all that it may take, so that the limit holds whatever becomes of it; once mined, with what it cost.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from .ports import SubmissionStore
from .spending import Spending

logger = logging.getLogger(__name__)


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """``limit`` in wei a period; from ``alert_percent`` of it on, people are told."""

    limit: int
    period_ms: int = 86_400_000
    alert_percent: int = 80


class BudgetStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Amounts are wei as text, since they exceed what JSON numbers carry; times are milliseconds.

    ``spent`` is what mined transactions cost, ``reserved`` what those on their way may take at most. ``alert`` is set
    from the threshold on, and when something had to wait in this period.
    """

    limit: str
    spent: str
    reserved: str
    percent: int
    alert: bool
    alert_percent: int
    period_ms: int
    next_period_at: int


class Purse:
    """Counts one chain's submissions against its budget."""

    def __init__(self, budget: Budget, store: SubmissionStore, clock: Callable[[], int]) -> None:
        self._budget = budget
        self._spending = Spending(store, clock)
        self._clock = clock
        self._alerted = 0  # the period that people were told of last
        self._refused = 0  # the period in which something had to wait

    async def refusal(self, more: int) -> str | None:
        """Why ``more`` wei may not be offered now, if they may not."""
        spent, reserved = await self._spending.since(self._start())
        self._alert(spent + reserved + more)
        if spent + reserved + more <= self._budget.limit:
            return None
        self._refused = self._start()
        begins = datetime.fromtimestamp(self._next() / 1000, UTC).isoformat()
        return (
            f"the budget of {self._budget.limit} wei is used up: {spent} are spent and {reserved} offered, "
            f"this may take {more}; the next period begins at {begins}"
        )

    async def status(self) -> BudgetStatus:
        """How much of it is used."""
        spent, reserved = await self._spending.since(self._start())
        percent = self._percent(spent + reserved)
        return BudgetStatus(
            limit=str(self._budget.limit),
            spent=str(spent),
            reserved=str(reserved),
            percent=percent,
            alert=percent >= self._budget.alert_percent or self._refused == self._start(),
            alert_percent=self._budget.alert_percent,
            period_ms=self._budget.period_ms,
            next_period_at=self._next(),
        )

    def _start(self) -> int:
        return self._clock() // self._budget.period_ms * self._budget.period_ms

    def _next(self) -> int:
        return self._start() + self._budget.period_ms

    def _percent(self, used: int) -> int:
        return used * 100 // self._budget.limit

    def _alert(self, used: int) -> None:
        if self._percent(used) >= self._budget.alert_percent and self._alerted != self._start():
            self._alerted = self._start()
            logger.warning("%d %% of this period's budget of %d wei are used", self._percent(used), self._budget.limit)
