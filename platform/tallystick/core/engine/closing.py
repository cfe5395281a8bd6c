"""How an execution ends: at once, or when what it did has been undone."""

from tallystick.core.engine.work import Work


def close(work: Work, status: str, outcome: str) -> None:
    """End the execution; nothing but attestations follows."""
    work.todo.clear()
    withdraw(work, "")
    work.emit({"type": "closed", "status": status, "outcome": outcome})


def end(work: Work, status: str, outcome: str) -> None:
    """Withdraw what is open, undo in reverse order what completed and can be undone, then close."""
    if not work.state.undo:
        close(work, status, outcome)
        return
    work.todo.clear()
    withdraw(work, "")
    work.emit({"type": "closing", "status": status, "outcome": outcome})
    work.follow("compensate")


def withdraw(work: Work, prefix: str) -> None:
    """Nobody need answer any more what stands open under ``prefix``."""
    found = {name: task.attempt for name, task in work.state.tasks.items() if name.startswith(prefix)}
    if found:
        work.emit({"type": "withdrawn", "tasks": list(found), "attempts": list(found.values())})
