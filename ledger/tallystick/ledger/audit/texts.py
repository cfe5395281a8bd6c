"""The verifier's words, by code and language: ``locale/*.json``."""

import json
from functools import cache
from importlib.resources import files

ENGLISH = "en"
LANGUAGES = (ENGLISH, "zh-CN")


@cache
def catalogue(language: str) -> dict[str, str]:
    """All texts of one of :data:`LANGUAGES`; ``{name}`` stands for a fact."""
    source = files(__package__) / "locale" / f"{language}.json"
    found: dict[str, str] = json.loads(source.read_text(encoding="utf-8"))
    return found


def text(code: str, language: str = ENGLISH, /, **facts: str | int) -> str:
    """The text of ``code`` with its facts filled in."""
    return catalogue(language)[code].format_map(facts)
