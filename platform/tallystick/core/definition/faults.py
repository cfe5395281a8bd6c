"""Everything that is wrong with a definition, told at once."""

import difflib
from collections.abc import Iterable

import msgspec

from tallystick.core.errors import Invalid


class Fault(msgspec.Struct, frozen=True):
    """One thing that is wrong: where (RFC 6901), which, and how it might be mended."""

    pointer: str
    code: str
    detail: str
    suggestion: str = ""


class DefinitionErrors(Invalid):
    """A definition that is refused; ``errors`` names every fault."""

    default_code = "bad_definition"

    def __init__(self, errors: list[Fault]) -> None:
        first = errors[0]
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        super().__init__(f"{first.detail}{more}", pointer=first.pointer)
        self.errors = errors


class Faults:
    """Collects faults while a definition is read."""

    def __init__(self) -> None:
        self.found: list[Fault] = []

    def add(self, pointer: str, code: str, detail: str, suggestion: str = "") -> None:
        """Note one fault."""
        self.found.append(Fault(pointer, code, detail, suggestion))

    def unknown(self, pointer: str, code: str, what: str, name: object, known: Iterable[str]) -> None:
        """Note a name that does not exist, with the nearest that does."""
        near = difflib.get_close_matches(str(name)[:100], list(known), n=1)
        self.add(pointer, code, f"{what} {str(name)[:100]} does not exist", f"did you mean {near[0]}?" if near else "")

    def raise_any(self) -> None:
        """Raise when anything was found."""
        if self.found:
            raise DefinitionErrors(self.found)


def at(pointer: str, *parts: object) -> str:
    """A pointer below ``pointer``."""
    return pointer + "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
