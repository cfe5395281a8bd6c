"""Everything that is wrong with a definition, told at once."""

import difflib
from collections.abc import Iterable
from typing import NoReturn

import msgspec

from tallystick.core.canonical import MAX_INTEGER
from tallystick.core.errors import Invalid

MAX_FAULTS = 100  # more help nobody, and each suggestion costs a search
_SHOWN = 80  # characters of a refused value that a message repeats


class Fault(msgspec.Struct, frozen=True):
    """One thing that is wrong: where in the source (RFC 6901), which, and how it might be mended."""

    pointer: str
    code: str
    detail: str
    suggestion: str = ""


class DefinitionErrors(Invalid):
    """A definition that is refused; ``errors`` names its faults, up to :data:`MAX_FAULTS` of them."""

    default_code = "bad_definition"

    def __init__(self, errors: list[Fault]) -> None:
        first = errors[0]
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        super().__init__(f"{first.detail}{more}", pointer=first.pointer)
        self.errors = errors

    def below(self, pointer: str) -> "DefinitionErrors":
        """The same, of a definition that stands at ``pointer`` of a larger document."""
        return DefinitionErrors([msgspec.structs.replace(one, pointer=pointer + one.pointer) for one in self.errors])


class Faults:
    """Collects faults while a definition is read."""

    def __init__(self) -> None:
        self.found: list[Fault] = []

    def add(self, pointer: str, code: str, detail: str, suggestion: str = "") -> None:
        """Note one fault."""
        if len(self.found) < MAX_FAULTS:
            self.found.append(Fault(pointer, code, detail, suggestion))

    def unknown(self, pointer: str, code: str, what: str, name: object, known: Iterable[str]) -> None:
        """Note a name that does not exist, with the nearest that does."""
        if len(self.found) < MAX_FAULTS:
            self.add(pointer, code, f"there is no {what} {shown(name)}", suggestion(name, known))

    def raise_any(self) -> None:
        """Raise when anything was found."""
        if self.found:
            self.refuse()

    def refuse(self) -> NoReturn:
        """Raise what was found."""
        raise DefinitionErrors(self.found)


def suggestion(name: object, known: Iterable[str]) -> str:
    """``did you mean …?`` for a misspelt name, empty when nothing is near."""
    near = difflib.get_close_matches(name[:_SHOWN], sorted(known), n=1) if isinstance(name, str) else []
    return f"did you mean {near[0]}?" if near else ""


def shown(value: object) -> str:
    """``value`` as a message may repeat it: short strings and numbers only."""
    if isinstance(value, str):
        return value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…"
    if isinstance(value, bool | float | None):
        return str(value)
    return str(value) if isinstance(value, int) and abs(value) <= MAX_INTEGER else "…"


def at(pointer: str, *parts: object) -> str:
    """A pointer below ``pointer``."""
    return pointer + "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
