"""What every stand-in does: it records what it was asked, and ids choose the answer.

``missing`` is not found, ``ended`` is in the wrong state, and so on (see :data:`REFUSALS`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tallystick.core.errors import Forbidden, Invalid, NotFound, NotYet, TallystickError, Unavailable, WrongState

NOW = 1_795_485_600_000
BUYER = "华夏汽车 <Buyer> & Co"

REFUSALS: dict[str, Callable[[], TallystickError]] = {
    "missing": lambda: NotFound("there is no such thing"),
    "denied": lambda: Forbidden("only a participant may"),
    "ended": lambda: WrongState("it has ended", state="completed"),
    "early": lambda: NotYet("the agreement has not come"),
    "odd": lambda: Invalid("is not acceptable", code="unknown_role", pointer="/definition/participants/0/role"),
    "down": lambda: Unavailable("the database does not answer"),
}


@dataclass
class Recorder:
    """Records what was asked, and refuses by id."""

    calls: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)
    stored: bytes = b""
    asked: list[Any] = field(default_factory=list)

    def _called(self, name: str, *arguments: Any) -> None:
        self.calls.append((name, arguments))
        for argument in arguments:
            if isinstance(argument, str) and argument in REFUSALS:
                raise REFUSALS[argument]()
            if argument == "broken":
                raise RuntimeError("a secret that must not be shown")
