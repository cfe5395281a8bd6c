"""Reading a definition's members: type, bounds and a default, every fault noted and none fatal."""

from typing import Any

from tallystick.core import canonical
from tallystick.core.definition.faults import Faults, at
from tallystick.core.errors import Invalid

MAX_TEXT = 4000
MAX_NAME = 200
MAX_ID = 64


class Members:
    """An object of the source, read member by member; ``close`` refuses what nobody asked for."""

    def __init__(self, value: Any, pointer: str, faults: Faults) -> None:
        self.pointer = pointer
        self.faults = faults
        self._asked: set[str] = set()
        self._members: dict[str, Any] = value if isinstance(value, dict) else {}
        if not isinstance(value, dict):
            faults.add(pointer, "wrong_type", "an object is expected")

    def raw(self, name: str) -> Any:
        """The member as it stands, None when absent."""
        self._asked.add(name)
        return self._members.get(name)

    def text(self, name: str, *, default: str | None = None, most: int = MAX_TEXT) -> str:
        """A string; required unless there is a default."""
        value = self.raw(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or not value.strip() or len(value) > most:
            self._fault(name, f"{name} must be a string of 1 to {most} characters")
            return default or "invalid"
        return value

    def identifier(self, name: str = "id") -> str:
        """A step, task or field id."""
        value = self.raw(name)
        if not is_identifier(value):
            self._fault(name, f"{name} must begin with a letter and hold at most {MAX_ID} letters, digits, _ or -")
            return "invalid"
        return str(value)

    def integer(self, name: str, *, default: int | None, least: int, most: int) -> int | None:
        """A whole number within bounds."""
        value = self.raw(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self._fault(name, f"{name} must be a whole number from {least} to {most}")
            return default
        return value

    def boolean(self, name: str, *, default: bool) -> bool:
        """True or false."""
        value = self.raw(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            self._fault(name, f"{name} must be true or false")
            return default
        return value

    def choice(self, name: str, options: tuple[str, ...], *, default: str | None = None) -> str:
        """One of the options."""
        value = self.raw(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or value not in options:
            self.faults.unknown(at(self.pointer, name), "unknown_value", name, value, options)
            return default or options[0]
        return value

    def names(self, name: str, known: list[str], what: str) -> list[str]:
        """A list of different known names."""
        items = self.items(name, most=200)
        for index, item in enumerate(items):
            if item not in known:
                self.faults.unknown(at(self.pointer, name, index), f"unknown_{what}", what, item, known)
        return list(dict.fromkeys(item for item in items if isinstance(item, str) and item in known))

    def items(self, name: str, *, most: int) -> list[Any]:
        """A list of bounded length; empty when absent."""
        value = self.raw(name)
        if value is None:
            return []
        if not isinstance(value, list) or len(value) > most:
            self._fault(name, f"{name} must be a list of at most {most}")
            return []
        return value

    def document(self, name: str) -> Any:
        """Any JSON that can be signed; None when absent."""
        value = self.raw(name)
        try:
            canonical.encode(value)
        except Invalid as error:
            self._fault(name, f"{name} {error.detail}")
            return None
        return value

    def close(self) -> None:
        """Refuse members that nobody asked for."""
        for name in self._members:
            if name not in self._asked:
                self.faults.unknown(at(self.pointer, name), "unknown_field", "field", name, self._asked)

    def _fault(self, name: str, detail: str) -> None:
        self.faults.add(at(self.pointer, name), "bad_value", detail)


def is_identifier(value: Any) -> bool:
    """Whether ``value`` can name a step, task or field."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= MAX_ID
        and value[0].isalpha()
        and value.isascii()
        and all(character.isalnum() or character in "_-" for character in value)
    )
