"""The steps compiled so far, where in the source each one stands, and what their expressions read."""

from collections.abc import Collection
from typing import Any, NamedTuple

import msgspec

from tallystick.core.definition.faults import Faults, at
from tallystick.core.definition.model import AnyStep
from tallystick.core.definition.words import RESERVED


class Read(NamedTuple):
    """An expression: the step that evaluates it, its place, its text, and names that it may read beside the usual."""

    reader: str
    pointer: str
    text: str
    names: Collection[str] = ()


class Draft:
    """Steps by id in the order of the source; ``where`` gives the pointer that faults of a step name."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.steps: dict[str, AnyStep] = {}
        self.reads: list[Read] = []
        self.is_whole = True  # every step has an id of its own, so that paths can be followed
        self._notes: dict[tuple[object, ...], str] = {}

    def put(self, step: AnyStep, pointer: str = "", place: int | None = None) -> None:
        """Add a step, at ``place`` in the order; the first of an id stays.

        A step of the source has a pointer, one of the system has none.
        """
        if pointer and step.id and (step.id in self.steps or step.id in RESERVED):
            self.faults.add(at(pointer, "id"), "repeated_id", f"the id {step.id} is taken")
        self.is_whole = self.is_whole and bool(step.id) and step.id not in self.steps
        if place is not None and step.id not in self.steps:
            entries = list(self.steps.items())
            self.steps = dict([*entries[:place], (step.id, step), *entries[place:]])
        self.steps.setdefault(step.id, step)
        self.note(pointer, step.id)

    def change(self, name: str, **changes: Any) -> None:
        """Put other members into a step that is there."""
        self.steps[name] = msgspec.structs.replace(self.steps[name], **changes)

    def note(self, pointer: str, name: str, *parts: object) -> None:
        """Remember where a step stands in the source, or a part of it that stands elsewhere than its name says."""
        self._notes.setdefault((name, *parts), pointer)

    def where(self, name: str, *parts: object) -> str:
        """Where a step, or a part of it, stands in the source."""
        for count in range(len(parts), -1, -1):
            noted = self._notes.get((name, *parts[:count]))
            if noted is not None:
                return at(noted, *parts[count:])
        return at("", *parts)
