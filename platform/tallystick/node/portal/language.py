"""The portal's words in every language, and dates as each language writes them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from babel import Locale
from babel.dates import format_datetime, format_timedelta
from babel.numbers import format_decimal
from starlette.requests import Request

from tallystick.node.api.language import LANGUAGES, preferred

LOCALE_FOLDER = Path(__file__).with_name("locale")
COOKIE = "language"
LOCALES = {"en": Locale.parse("en_GB"), "zh-CN": Locale.parse("zh_Hans_CN")}


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """The texts of ``language`` by key."""
    texts: dict[str, str] = json.loads((LOCALE_FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    return texts


def chosen(request: Request, preference: str | None = None) -> str:
    """The reader's language: the switch, else their profile, else their browser."""
    return preferred(request.cookies.get(COOKIE), preference, accept=request.headers.get("accept-language"))


@dataclass(frozen=True)
class Speech:
    """One language, with everything that depends on it."""

    language: str

    @property
    def others(self) -> list[str]:
        """The languages that a reader may switch to."""
        return [language for language in LANGUAGES if language != self.language]

    def text(self, key: str, **values: Any) -> str:
        """The text for ``key`` with ``{name}`` filled in; signed content never passes through here."""
        return catalogue(self.language)[key].format(**values)

    def label(self, group: str, value: Any) -> str:
        """The word for one of a group's values; a value that we have no word for stands for itself."""
        return catalogue(self.language).get(f"{group}.{value}", str(value))

    def when(self, value: Any) -> str:
        """A moment as this language writes it, always in UTC and saying so."""
        moment = moment_of(value)
        return f"{format_datetime(moment, 'medium', locale=LOCALES[self.language])} UTC" if moment else "—"

    def ago(self, value: Any, *, now: datetime | None = None) -> str:
        """How far a moment is from now, in words."""
        moment = moment_of(value)
        if moment is None:
            return ""
        distance = moment - (now or datetime.now(UTC))
        return format_timedelta(distance, add_direction=True, locale=LOCALES[self.language])

    def number(self, value: Any) -> str:
        """A number with this language's separators."""
        return format_decimal(value, locale=LOCALES[self.language]) if isinstance(value, int) else "—"


def moment_of(value: Any) -> datetime | None:
    """A moment from milliseconds since 1970 or an ISO 8601 string; anything else is not one."""
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return datetime.fromtimestamp(value / 1000, UTC)
        except (ValueError, OverflowError, OSError):
            return None  # no calendar has it: somebody else's number must not break the page
    if isinstance(value, str):
        try:
            parsed = datetime.fromisoformat(value)
        except ValueError:
            return None
        return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return None
