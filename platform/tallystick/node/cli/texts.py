"""What commands print, by language: ``locale/COMMAND.LANGUAGE.json``."""

import json
from functools import cache
from importlib.resources import files
from typing import Any

from tallystick.node.portal.language import Speech


class Texts:
    """One command's words in one language."""

    def __init__(self, command: str, language: str) -> None:
        self._command = command
        self._language = language
        self._speech = Speech(language)

    def text(self, key: str, **values: Any) -> str:
        """The text for ``key`` with ``{name}`` filled in."""
        return catalogue(self._command, self._language)[key].format(**values)

    def when(self, value: Any) -> str:
        """A moment as the language writes it, in UTC."""
        return self._speech.when(value)


@cache
def catalogue(command: str, language: str) -> dict[str, str]:
    """All texts of a command."""
    source = files(__package__) / "locale" / f"{command}.{language}.json"
    found: dict[str, str] = json.loads(source.read_text(encoding="utf-8"))
    return found
