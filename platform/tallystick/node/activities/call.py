"""What an activity is given, and how it reads its input."""

import re
from typing import Any, Protocol, TypeVar

import msgspec

from tallystick.node.activities.failing import ActivityFailed

T = TypeVar("T")
_PLACE = re.compile(r" - at `\$(.*)`\Z")
_MAX_WORDS = 2_000
_NAMED = re.compile(r"(?:missing required|unknown) field `([^`]*)`")


class Call(Protocol):
    """One attempt at one task. ``token`` is for idempotency: the same however often the attempt is delivered."""

    @property
    def token(self) -> str: ...
    @property
    def execution(self) -> str: ...
    @property
    def task(self) -> str: ...
    @property
    def attempt(self) -> int: ...
    @property
    def input(self) -> dict[str, Any]: ...


class Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the activities' inputs: an unknown field is a misspelling."""


def read_input(given: dict[str, Any], kind: type[T]) -> T:
    """``given`` as ``kind``; a fault is ``invalid_input`` and names the field by a JSON pointer below ``/input``."""
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        words = str(error)[:_MAX_WORDS]  # they may repeat what somebody sent, and patterns are slow on much of it
        raise invalid(_PLACE.sub("", words), _pointer(words)) from error


def invalid(detail: str, pointer: str) -> ActivityFailed:
    """The failure of an input that no attempt can use; ``pointer`` (``/url``) is below the step's input."""
    where = f"/input{pointer}"
    return ActivityFailed(f"{where}: {detail}", code="invalid_input", pointer=where)


def _pointer(words: str) -> str:
    """The place that msgspec names as ``$.headers[...]``, and the field that is missing or unknown there."""
    place = _PLACE.search(words)
    path = re.sub(r"\[(\d+)\]", r"/\1", (place.group(1) if place else "").replace("[...]", "")).replace(".", "/")
    named = _NAMED.search(words)
    return path + (f"/{named.group(1)}" if named else "")
