"""What an expression can read: opened values by the step and property that they belong to."""

from collections.abc import Iterable
from typing import Any

import msgspec


class Value(msgspec.Struct, frozen=True):
    """An opened value; ``task`` is "" for the input of the execution."""

    task: str
    attempt: int
    property: str
    value: Any


def variables(values: Iterable[Value]) -> dict[str, Any]:
    """``{"input": {property: value}, "steps": {step: {property: value}}}``, the latest visit and attempt winning."""
    scope: dict[str, Any] = {"input": {}, "steps": {}}
    for one in sorted(values, key=_order):
        if one.property.startswith("$"):
            continue  # free text ($reason, $message) is for people
        step = one.task.rpartition(".")[0]
        target = scope["steps"].setdefault(step, {}) if step else scope["input"]
        target[one.property] = one.value
    return scope


def _order(value: Value) -> tuple[int, int]:
    visit = value.task.rpartition(".")[2]
    return (int(visit) if visit.isdecimal() else 0, value.attempt)
