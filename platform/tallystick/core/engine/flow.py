"""How an execution moves: steps complete or fail, frames end, blocks settle, and so on outwards.

The functions that go outwards call each other at most once for each level of nesting, of which a definition has at most
:data:`~tallystick.core.definition.model.MAX_NESTING`; whatever goes on is put on the list (:meth:`.Work.follow`).
"""

from typing import Any

from tallystick.core.definition.model import Catch, ForEach, Parallel, Step
from tallystick.core.engine.closing import close, end, withdraw
from tallystick.core.engine.entering import assign, compensate, enter
from tallystick.core.engine.names import MISMATCH, block_of, branch_of, frame_of, inner_frame, within
from tallystick.core.engine.timers import backoff_ms, set_timer
from tallystick.core.engine.work import Work

MAX_FRAMES = 1000  # open branches and iterations: with so many a for-each begins no further body while one runs


def route(step: Step, outcome: str | None) -> str | None:
    """The next step for ``outcome``: the route that names it, else the one that names none."""
    default = None
    for one in step.next_steps:
        if one.outcome == outcome:
            return one.step
        if one.outcome is None:
            default = one.step
    return default


def complete(work: Work, task: str, outcome: str | None) -> None:
    """A task is answered: its step is done, or a for-each begins its bodies."""
    held = work.state.tasks[task]
    step: Any = work.steps[held.step]
    if isinstance(step, ForEach):
        work.emit({"type": "iterating", "block": task, "total": int(outcome or 0)})
        settle(work, task)
    else:
        leave(work, step, task, outcome)


def leave(work: Work, step: Any, task: str, outcome: str | None) -> None:
    """The step is done; follow the route that its outcome takes."""
    event = {"type": "step_completed", "step": step.id, "task": task}
    compensates = getattr(step, "compensates", False)
    undo = getattr(step, "compensate_with", None)
    if undo and not work.state.closing:
        event["undo"] = undo
    work.emit(event)
    frame, following = frame_of(task), route(step, outcome)
    if compensates:
        work.follow("compensate")
    elif following is not None:
        work.follow("enter", frame, following)
    elif step.next_steps or not frame:
        fail_frame(work, frame, "no_route")
    else:
        end_frame(work, frame, "completed")


def fail(work: Work, task: str, code: str) -> None:
    """A task's attempt failed: try again as its policy says, or it has failed."""
    held = work.state.tasks[task]
    step: Any = work.steps[held.step]
    policy = getattr(step, "retry_policy", None)
    if policy is None or held.attempt >= policy.max_attempts or code in {*policy.non_retryable_errors, MISMATCH}:
        fail_step(work, step, task, code)
        return
    due_at = work.at + backoff_ms(policy, held.attempt)
    work.emit({"type": "retry_scheduled", "task": task, "attempt": held.attempt + 1, "due_at": due_at})
    set_timer(work, task, f"{held.attempt}/retry", due_at, "retry")


def fail_step(work: Work, step: Any, task: str, code: str) -> None:
    """A step has failed for good: caught, held, or its frame fails with it."""
    compensates = getattr(step, "compensates", False)
    catch = None if compensates else _catch(step, code)
    if catch is not None:
        work.emit({"type": "caught", "task": task, "code": code, "step": catch.step})
        work.follow("enter", frame_of(task), catch.step)
    elif getattr(step, "hold_on_failure", False) and task in work.state.tasks:
        work.emit({"type": "held", "task": task, "code": code})
    elif compensates:
        work.emit({"type": "compensation_failed", "task": task, "code": code})
        work.follow("compensate")
    else:
        work.emit({"type": "failed", "task": task, "code": code})
        fail_frame(work, frame_of(task), code)


def _catch(step: Step, code: str) -> Catch | None:
    return next((one for one in step.catches if one.code is None or one.code == code), None)


def fail_frame(work: Work, frame: str, code: str) -> None:
    """A frame cannot go on; in the root that is the execution."""
    if frame:
        end_frame(work, frame, "failed", code)
    else:
        end(work, "failed", code)


def end_frame(work: Work, frame: str, status: str, code: str = "failed") -> None:
    """A branch or iteration is over."""
    block = block_of(frame)
    work.emit({"type": "branch_ended", "block": block, "branch": branch_of(frame), "status": status})
    settle(work, block, code)


def settle(work: Work, name: str, code: str = "failed") -> None:
    """What a block's frames so far make of it: completed, failed, or it goes on."""
    block = work.state.blocks[name]
    step: Any = work.steps[block.step]
    needed = step.threshold if isinstance(step, Parallel) else block.total
    if block.done >= needed:
        _end_block(work, name, "completed")
        leave(work, step, name, None)
    elif block.total - block.failed < needed:
        _end_block(work, name, "failed")
        fail_step(work, step, name, code)
    elif isinstance(step, ForEach):
        work.follow("iterate", name)


def _end_block(work: Work, name: str, status: str) -> None:
    if work.state.blocks[name].running:
        withdraw(work, within(name))
    work.emit({"type": "block_ended", "block": name, "status": status})


def iterate(work: Work, name: str) -> None:
    """Begin the next body of a for-each, as long as its concurrency and the bound on open frames allow."""
    block = work.state.blocks[name]
    step: Any = work.steps[block.step]
    if block.begun >= block.total or block.running >= step.max_concurrency:
        return
    if block.running and len(work.state.frames) > MAX_FRAMES:
        return
    enter(work, inner_frame(name, block.begun), step.body)
    work.follow("iterate", name)


def undo(work: Work) -> None:
    """The next compensation, or the end."""
    closing = work.state.closing
    if closing is None:
        return
    if work.state.undo:
        compensate(work, *work.state.undo[-1])
    else:
        close(work, closing.status, closing.outcome)


def cancelled(work: Work, task: str) -> None:
    """Who did a task cancelled it, and the execution with it; a handler that is cancelled has failed."""
    if work.state.closing:
        fail(work, task, "cancelled")
    else:
        end(work, "cancelled", "task_cancelled")


def again(work: Work, task: str) -> None:
    """The next attempt."""
    held = work.state.tasks[task]
    facts = {"undoes": held.undoes} if held.undoes else {}
    assign(work, work.steps[held.step], task, held.attempt + 1, **facts)
