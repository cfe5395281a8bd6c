"""What tasks, frames and blocks are called; everything about a task's place follows from its name.

The root frame is "". A visit to step ``s`` in frame ``f`` is the task (or block) ``f + s + "." + visit``, visits
counted from 1. Branch ``b`` of the parallel ``ship.1`` is the frame ``ship.1#b/``, iteration 3 (the fourth) of the
for-each ``lines.1`` is ``lines.1#3/``; so ``lines.1#3/pay.1`` is the first visit to ``pay`` in the fourth iteration.
"""

MISMATCH = "schema_mismatch"  # the code of a result that does not fit its step, which no further attempt mends
SIGNAL = "signal:"  # the place of a signal's commitments is ``signal:<name>``, attempt 0


def task_name(frame: str, step: str, visit: int) -> str:
    """The name of a visit."""
    return f"{frame}{step}.{visit}"


def frame_of(task: str) -> str:
    """The frame that a task or block stands in."""
    return task[: task.rfind("/") + 1]


def step_of(task: str) -> str:
    """The step that a task or block visits."""
    return task[task.rfind("/") + 1 :].partition(".")[0]


def visit_of(task: str) -> int:
    """Which visit it is; 0 when the name is not a task's."""
    digits = task.rpartition(".")[2]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 and digits[0] != "0" else 0


def inner_frame(block: str, branch: str | int) -> str:
    """The frame of a block's branch or iteration."""
    return f"{block}#{branch}/"


def block_of(frame: str) -> str:
    """The block that a frame belongs to; "" for the root."""
    return frame.rpartition("#")[0]


def branch_of(frame: str) -> str:
    """The branch, or the iteration's digits."""
    return frame[frame.rfind("#") + 1 : -1]


def within(block: str) -> str:
    """What the names of all that stands inside a block begin with."""
    return f"{block}#"
