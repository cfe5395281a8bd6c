"""An execution's state: the fold of its entries."""

from typing import Literal

import msgspec

Status = Literal["created", "ready", "running", "completed", "failed", "cancelled", "suspended", "terminated"]
OPEN: frozenset[str] = frozenset({"created", "ready", "running"})


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One visit to a step by one organisation; ``waiting`` names who must still receive or acknowledge."""

    step: str
    attempt: int
    org: str
    status: str  # open, delivering, completed, failed, cancelled, timed_out, retrying
    assigned_at: int
    due_at: int | None = None
    waiting: tuple[str, ...] = ()
    sealed: tuple[str, ...] = ()
    outcome: str | None = None


class Timer(msgspec.Struct, frozen=True, kw_only=True):
    """Something the coordinator must state at ``due_at`` (milliseconds)."""

    due_at: int
    purpose: str  # timeout, reminder, retry, delay
    task: str


class State(msgspec.Struct, frozen=True, kw_only=True):
    """All that ``decide`` may depend on beside the agreement; ``size`` is the next sequence number."""

    execution: str
    status: Status = "created"
    term: int = 0
    size: int = 0
    at: int = 0
    consents: dict[str, str] = {}
    tasks: dict[str, Task] = {}
    timers: dict[str, Timer] = {}
    visits: dict[str, int] = {}
    outcome: str | None = None


def initial(execution: str) -> State:
    """The state before the first entry."""
    return State(execution=execution)
