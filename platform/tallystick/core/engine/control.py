"""Statements about the whole execution: signals, suspend and resume, cancel, terminate."""

import re

from tallystick.core.definition.model import MAX_ID, Wait
from tallystick.core.engine import closing
from tallystick.core.engine.agenda import resume as take_up
from tallystick.core.engine.answers import holds, suspension_ms
from tallystick.core.engine.state import GOING
from tallystick.core.engine.work import Work
from tallystick.core.statement import Cancel, Resume, Signal, Statement, Suspend, Terminate

MAX_SIGNALS = 100  # of one name that wait for somebody to wait for them
_NAME = re.compile(rf"[A-Za-z][A-Za-z0-9_-]{{0,{MAX_ID - 1}}}")


def signal(work: Work, statement: Statement, body: Signal) -> str | None:
    """It ends the oldest wait that its author may end, or is kept for one; expressions read it in any case."""
    if work.state.status not in GOING or work.state.closing:
        return "not_running"
    if _NAME.fullmatch(body.name) is None:
        return "bad_name"
    waits = work.agreement.waits.get(body.name, ())
    if waits and not any(_may_send(one, statement.iss) for one in waits):
        return "not_a_sender"
    facts = {"type": "signalled", "name": body.name, "by": statement.iss}
    for task in work.state.waits.get(body.name, ()):
        step = work.steps[work.state.tasks[task].step]
        if isinstance(step, Wait) and _may_send(step, statement.iss):
            work.emit({**facts, "task": task, "buffered": False})
            work.follow("completed", task, None)
            return None
    if len(work.state.signals.get(body.name, ())) >= MAX_SIGNALS:
        return "too_many_signals"
    work.emit({**facts, "task": None, "buffered": bool(waits)})
    return None


def _may_send(step: Wait, org: str) -> bool:
    return not step.senders or org in step.senders


def _may_steer(work: Work, statement: Statement) -> bool:
    """Who may cancel, suspend and resume: the initiator, and who may terminate."""
    one = work.agreement.participant(statement.iss)
    return statement.iss == work.agreement.initiator or (one is not None and one.can_terminate)


def suspend(work: Work, statement: Statement, body: Suspend) -> str | None:
    """Nothing follows from anything until it is resumed."""
    if not _may_steer(work, statement):
        return "may_not_suspend"
    if work.state.status not in GOING:
        return "not_running"
    if work.state.suspended_by is not None:
        return "already_suspended"
    work.emit({"type": "suspended", "by": statement.iss})
    return None


def resume(work: Work, statement: Statement, body: Resume) -> str | None:
    """What had been held back follows now; a held task is let go by ``retry`` only."""
    if not _may_steer(work, statement):
        return "may_not_resume"
    if work.state.status != "suspended":
        return "not_suspended"
    if holds(work.state):
        return "task_held"
    work.emit({"type": "resumed", "by": statement.iss, "moved_ms": suspension_ms(work)})
    take_up(work)
    return None


def cancel(work: Work, statement: Statement, body: Cancel) -> str | None:
    """Withdraw what is open, undo what was done, then close."""
    if not _may_steer(work, statement):
        return "may_not_cancel"
    if work.state.closing:
        return "already_closing"
    work.emit({"type": "cancelling", "by": statement.iss})
    closing.end(work, "cancelled", "cancelled")
    return None


def terminate(work: Work, statement: Statement, body: Terminate) -> str | None:
    """Close at once; nothing is undone."""
    one = work.agreement.participant(statement.iss)
    if one is None or not one.can_terminate:
        return "may_not_terminate"
    work.emit({"type": "terminated", "by": statement.iss})
    closing.close(work, "terminated", "terminated")
    return None
