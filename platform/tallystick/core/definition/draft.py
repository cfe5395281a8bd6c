"""The steps compiled so far, and where in the source each one stands."""

from tallystick.core.definition.faults import Faults, at
from tallystick.core.definition.steps import RESERVED, Step


class Draft:
    """Steps by id in the order of the source; ``place`` gives the pointer that faults of a step name."""

    def __init__(self, faults: Faults) -> None:
        self.steps: dict[str, Step] = {}
        self._places: dict[str, str] = {}
        self._faults = faults

    def put(self, step: Step, pointer: str = "") -> None:
        """Add a step; the first of an id stays. A step of the source has a pointer, one of the system has none."""
        name = step["id"]
        if pointer and name and (name in self.steps or name in RESERVED):
            self._faults.add(at(pointer, "id"), "repeated_id", f"the id {name} is taken")
        self.steps.setdefault(name, step)
        self._places.setdefault(name, pointer)

    def place(self, name: str) -> str:
        """Where the step stands in the source."""
        return self._places.get(name, "")
