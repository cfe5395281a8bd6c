"""How an execution moves: entering steps, assigning tasks, setting timers, following routes, closing."""

from tallystick.core.engine.work import Step, Work

_MS = 1000


def enter(work: Work, step_id: str) -> None:
    """Enter a step and whatever follows from it at once."""
    step = work.step(step_id)
    visit = work.state.visits.get(step_id, 0) + 1
    work.emit("step_entered", step=step_id, visit=visit)
    task = f"{step_id}.{visit}"
    if step["step_type"] == "system":
        _system(work, step)
    elif step["step_type"] == "timer":
        due_at = work.at + step["duration_seconds"] * _MS
        work.emit("timer_set", timer=f"{task}/delay", due_at=due_at, purpose="delay", task=task)
    else:
        assign(work, step, task, 1)


def assign(work: Work, step: Step, task: str, attempt: int) -> None:
    """Give the task to its organisation, with its time-out and reminders."""
    timeout = step["timeout_seconds"]
    due_at = work.at + timeout * _MS if timeout else None
    work.emit(
        "assigned",
        task=task,
        step=step["id"],
        attempt=attempt,
        org=step["assigned_org"],
        at=work.at,
        due_at=due_at,
    )
    if due_at is None:
        return
    for number, seconds in enumerate(step["reminder_seconds"], 1):
        _timer(work, task, f"{attempt}/reminder{number}", work.at + seconds * _MS, "reminder")
    _timer(work, task, f"{attempt}/timeout", due_at, "timeout")


def complete(work: Work, task: str, outcome: str | None = None) -> None:
    """The task's step is done; follow the route that its outcome takes."""
    step_id = task.rpartition(".")[0]
    work.emit("step_completed", step=step_id, task=task)
    follow = route(work.step(step_id), outcome)
    if follow is None:
        close(work, "failed", "no_route")
    else:
        enter(work, follow)


def route(step: Step, outcome: str | None) -> str | None:
    """The next step for ``outcome``: the route that names it, else the one that names none."""
    routes = {entry.get("outcome"): entry["step"] for entry in step["next_steps"]}
    follow: str | None = routes.get(outcome, routes.get(None))
    return follow


def fail(work: Work, task: str, code: str) -> None:
    """A task's attempt failed: retry as its policy says, or close the execution."""
    held = work.state.tasks[task]
    policy = work.step(held.step)["retry_policy"]
    final = held.attempt >= policy["max_attempts"] or code in policy["non_retryable_errors"]
    if final:
        close(work, "failed", code)
        return
    due_at = work.at + backoff_ms(policy, held.attempt)
    work.emit("retry_scheduled", task=task, attempt=held.attempt + 1, due_at=due_at)
    _timer(work, task, f"{held.attempt}/retry", due_at, "retry")


def backoff_ms(policy: Step, attempt: int) -> int:
    """The wait before the attempt that follows ``attempt``, in integer arithmetic."""
    wait = int(policy["initial_interval_seconds"]) * _MS
    most = int(policy["max_interval_seconds"]) * _MS
    for _ in range(attempt - 1):
        wait = min(wait * int(policy["backoff_percent"]) // 100, most)
    return min(wait, most)


def close(work: Work, status: str, outcome: str) -> None:
    """End the execution; nothing but attestations follows."""
    work.emit("closed", status=status, outcome=outcome)


def _system(work: Work, step: Step) -> None:
    if step["next_steps"]:
        enter(work, step["next_steps"][0]["step"])
    else:
        close(work, "completed", step.get("result", "completed"))


def _timer(work: Work, task: str, label: str, due_at: int, purpose: str) -> None:
    work.emit("timer_set", timer=f"{task}/{label}", due_at=due_at, purpose=purpose, task=task)
