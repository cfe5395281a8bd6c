"""Setting timers, and the wait between attempts."""

from tallystick.core.definition.model import RetryPolicy
from tallystick.core.engine.work import Work

MS = 1000


def set_timer(work: Work, task: str, label: str, due_at: int, purpose: str) -> None:
    """The coordinator is to state it at ``due_at``."""
    work.emit({"type": "timer_set", "timer": f"{task}/{label}", "due_at": due_at, "purpose": purpose, "task": task})


def want_timer(work: Work, task: str, label: str, by: str, purpose: str, **facts: str | None) -> None:
    """``by`` is to state when it is due (``schedule``)."""
    work.emit({"type": "timer_wanted", "timer": f"{task}/{label}", "by": by, "purpose": purpose, "task": task, **facts})


def backoff_ms(policy: RetryPolicy, attempt: int) -> int:
    """The wait before the attempt that follows ``attempt``, in integer arithmetic."""
    wait = policy.initial_interval_seconds * MS
    most = policy.max_interval_seconds * MS
    for _ in range(attempt - 1):
        if wait >= most:
            break
        wait = wait * policy.backoff_percent // 100
    return min(wait, most)
