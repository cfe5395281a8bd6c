"""Reading a definition's members: type, bounds and a default, every fault noted and none fatal.

A reader that notes a fault answers with a value of the right type, so that reading goes on.
"""

from collections.abc import Collection, Sequence
from typing import Any

from tallystick.core.definition.faults import Faults, at
from tallystick.core.definition.model import MAX_ID, MAX_NAME, MAX_TEXT


class Members:
    """An object of the source, read member by member; ``close`` refuses what nobody asked for."""

    def __init__(self, value: Any, pointer: str, faults: Faults) -> None:
        self.pointer = pointer
        self.faults = faults
        self._asked: set[str] = set()
        self._members: dict[str, Any] = value if isinstance(value, dict) else {}
        if not isinstance(value, dict):
            faults.add(pointer, "wrong_type", "an object is expected")

    def __contains__(self, name: str) -> bool:
        """Whether the member stands there, be it null."""
        return name in self._members

    def raw(self, name: str) -> Any:
        """The member as it stands; None when absent, for absence and null mean the same."""
        self._asked.add(name)
        return self._members.get(name)

    def text(self, name: str, *, default: str | None = None, most: int = MAX_TEXT) -> str:
        """A string; required, and then not blank, unless there is a default."""
        value = self.raw(name)
        if value is None:
            if default is None:
                self.missing(name)
            return default or ""
        if not isinstance(value, str):
            self.fault(name, "wrong_type", f"{name} must be a string")
        elif len(value) > most:
            self.fault(name, "too_long", f"{name} has {len(value)} characters, {most} are allowed")
        elif default is None and not value.strip():
            self.fault(name, "bad_value", f"{name} must not be empty")
        else:
            return value
        return default or ""

    def identifier(self, name: str = "id") -> str:
        """A step, task or field id; empty when there is none."""
        value = self.raw(name)
        if is_identifier(value):
            return str(value)
        if value is None:
            self.missing(name)
        else:
            detail = f"{name} must begin with a letter and hold at most {MAX_ID} ASCII letters, digits, _ or -"
            self.fault(name, "bad_id", detail)
        return ""

    def integer(self, name: str, *, default: int | None, least: int, most: int) -> int | None:
        """A whole number within bounds."""
        value = self.raw(name)
        if value is None:
            return default
        if not is_integer(value):
            self.fault(name, "wrong_type", f"{name} must be a whole number")
        elif not least <= value <= most:
            self.fault(name, "out_of_range", f"{name} must lie from {least} to {most}")
        else:
            return int(value)
        return default

    def boolean(self, name: str, *, default: bool) -> bool:
        """True or false."""
        value = self.raw(name)
        if isinstance(value, bool):
            return value
        if value is not None:
            self.fault(name, "wrong_type", f"{name} must be true or false")
        return default

    def choice(self, name: str, options: Sequence[str], *, default: str | None = None) -> str:
        """One of the options; empty when it is none of them and there is no default."""
        value = self.raw(name)
        if value is None:
            if default is None:
                self.missing(name, f"one of {', '.join(options)}")
            return default or ""
        if isinstance(value, str) and value in options:
            return value
        self.faults.unknown(at(self.pointer, name), "unknown_value", name, value, options)
        return default or ""

    def names(self, name: str, known: Collection[str], what: str) -> list[str]:
        """A list of different known names."""
        found: list[str] = []
        for index, item in enumerate(self.items(name, most=200)):
            pointer = at(self.pointer, name, index)
            if not isinstance(item, str) or item not in known:
                self.faults.unknown(pointer, f"unknown_{what}", what, item, known)
            elif item in found:
                self.faults.add(pointer, "repeated_name", f"{item} is there twice")
            else:
                found.append(item)
        return found

    def words(self, name: str, *, most: int) -> list[str]:
        """A list of short texts, each once."""
        found: list[str] = []
        for index, item in enumerate(self.items(name, most=most)):
            pointer = at(self.pointer, name, index)
            if not isinstance(item, str) or not 0 < len(item) <= MAX_NAME:
                self.faults.add(pointer, "wrong_type", f"a string of 1 to {MAX_NAME} characters is expected")
            elif item in found:
                self.faults.add(pointer, "repeated_name", f"{item} is there twice")
            else:
                found.append(item)
        return found

    def items(self, name: str, *, most: int) -> list[Any]:
        """A list of bounded length; empty when absent."""
        value = self.raw(name)
        if value is None:
            return []
        if not isinstance(value, list):
            self.fault(name, "wrong_type", f"{name} must be a list")
        elif len(value) > most:
            self.fault(name, "too_many", f"{name} has {len(value)} elements, {most} are allowed")
        else:
            return value
        return []

    def document(self, name: str) -> dict[str, Any] | None:
        """An object whose members are for others to read; None when absent."""
        value = self.raw(name)
        if value is None or isinstance(value, dict):
            return value
        self.fault(name, "wrong_type", f"{name} must be an object")
        return None

    def inner(self, name: str) -> "Members":
        """The object that stands under ``name``; without members when absent."""
        value = self.raw(name)
        return Members({} if value is None else value, at(self.pointer, name), self.faults)

    def close(self) -> None:
        """Refuse members that nobody asked for."""
        for name in self._members:
            if name not in self._asked:
                self.faults.unknown(at(self.pointer, name), "unknown_field", "field", name, self._asked)

    def missing(self, name: str, what: str = "") -> None:
        """Note that a required member is absent."""
        self.fault(name, "required", f"{name} is required", what)

    def fault(self, name: str, code: str, detail: str, suggestion: str = "") -> None:
        """Note a fault of the member ``name``."""
        self.faults.add(at(self.pointer, name), code, detail, suggestion)


def is_identifier(value: Any) -> bool:
    """Whether ``value`` can name a step, task or field."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= MAX_ID
        and value.isascii()
        and value[0].isalpha()
        and all(character.isalnum() or character in "_-" for character in value)
    )


def is_integer(value: Any) -> bool:
    """Whether ``value`` is a whole number, which true and false are not."""
    return isinstance(value, int) and not isinstance(value, bool)
