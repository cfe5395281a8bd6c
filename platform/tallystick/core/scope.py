"""What an expression can read: opened values by the place that they belong to.

Node, verifier and simulator call :func:`variables` with the values of applied statements only, and with the sequence
number of the entry that assigned the task: what was said later, or changed nothing, is never read.

- ``input.x``: the execution's input.
- ``steps.<step>.<property>``: from the frame that the task stands in, those around it, and the inner frames of blocks
  that are over; never from a sibling branch or iteration. The latest entry wins.
- ``steps.<for_each>.results``: for each iteration, by its index, ``{step: {property: value}}``.
- ``signals.<name>.<property>``: the latest signal.
- ``item``, ``index``: inside a for-each, the innermost one.

A compensation reads what the task that it undoes could read, and all that came since.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from tallystick.core.engine.names import SIGNAL, block_of, branch_of, frame_of, step_of

ITEMS, RESULTS = "items", "results"
MAX_DIGITS = 5  # an iteration's number has no more


class Value(msgspec.Struct, frozen=True):
    """An opened value; ``task`` is "" for the execution's input, ``seq`` is its statement's."""

    task: str
    attempt: int
    property: str
    value: Any
    seq: int = 0


def variables(values: Iterable[Value], task: str = "", seq: int | None = None) -> dict[str, Any]:
    """The variables of an expression of ``task``, which entry ``seq`` assigned (None: everything so far)."""
    frame = frame_of(task)
    scope: dict[str, Any] = {"input": {}, "steps": {}, "signals": {}}
    lists: dict[str, list[Any]] = {}
    signals: dict[str, int] = {}
    latest: dict[str, str] = {}
    for one in sorted(values, key=lambda value: value.seq):
        if (seq is not None and one.seq > seq) or one.property.startswith("$"):
            continue  # free text ($reason, $message) is for people
        if not one.task:
            scope["input"][one.property] = one.value
        elif one.task.startswith(SIGNAL):
            name = one.task.removeprefix(SIGNAL)
            if signals.get(name) != one.seq:
                signals[name], scope["signals"][name] = one.seq, {}
            scope["signals"][name][one.property] = one.value
        elif visible(one.task, frame):
            _put(scope["steps"], step_of(one.task), one)
            _iterations(scope["steps"], one, frame)
            if one.property == ITEMS and isinstance(one.value, list):
                lists[one.task] = one.value
                latest[step_of(one.task)] = one.task
    _finish(scope["steps"], latest)
    _loop(scope, lists, frame)
    return scope


def visible(task: str, frame: str) -> bool:
    """Whether what a task said can be read in ``frame``: not when it stands in a sibling of one that we stand in."""
    theirs, ours = frame_of(task).split("/"), frame.split("/")
    for one, other in zip(theirs[:-1], ours[:-1], strict=False):
        if one != other:
            return one.partition("#")[0] != other.partition("#")[0]
    return True


def _put(steps: dict[str, Any], step: str, one: Value) -> None:
    steps.setdefault(step, {})[one.property] = one.value


def _iterations(steps: dict[str, Any], one: Value, frame: str) -> None:
    """File the value under every for-each around it that is over, from where we stand."""
    place = frame_of(one.task)
    while place and not frame.startswith(place):
        block, branch = block_of(place), branch_of(place)
        if branch.isdecimal() and len(branch) <= MAX_DIGITS:
            target = steps.setdefault(step_of(block), {})
            if target.get("$block") != block:  # a later visit begins anew
                target["$block"], target[RESULTS] = block, []
            results = target[RESULTS]
            results += [{} for _ in range(int(branch) + 1 - len(results))]
            _put(results[int(branch)], step_of(one.task), one)
        place = frame_of(block)


def _finish(steps: dict[str, Any], latest: dict[str, str]) -> None:
    """As many results as items; those of a visit before the latest one are no results."""
    for name, step in steps.items():
        block = step.pop("$block", None)
        if block is not None and isinstance(step.get(ITEMS), list):
            results = step[RESULTS] if latest.get(name, block) == block else []
            step[RESULTS] = results + [{} for _ in range(len(step[ITEMS]) - len(results))]


def _loop(scope: dict[str, Any], lists: dict[str, list[Any]], frame: str) -> None:
    while frame and not branch_of(frame).isdecimal():
        frame = frame_of(block_of(frame))
    if not frame:
        return
    index, items = int(branch_of(frame)), lists.get(block_of(frame), [])
    scope["index"] = index
    if index < len(items):
        scope["item"] = items[index]
